//! The library drops what takes too long, at any point: nothing may stay behind.

use std::{
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::Arc,
};

use super::super::{
    ground::{Ground, Handle, Put, Seen, number, polled, polled_and_left, record},
    report::Property,
};
use crate::store::{StoreKey, TokenStore};

/// A call that takes more polls than this does so rarely.
const POLLS: usize = 24;

/// So often each is dropped: more often than there are connections in a usual pool.
const DROPS: usize = 12;

pub(in super::super) const DROPPED_SWAPS: Property = Property {
    name: "dropped_swaps",
    advice: "a swap that is dropped is done wholly or not at all, frees what it held, and never comes late over a newer \
             record: hand the work to a task or a thread that ends it, or let a guard clean up",
};

pub(in super::super) async fn dropped_swaps<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(0)).await?;
    let mut newest = 0;
    for polls in 0..POLLS {
        for drop in 0..DROPS {
            let current = handle.stored(&key).await?;
            let dropped = record(newest + 1);
            let ended = {
                let swap = pin!(handle.store.compare_and_swap(&key, Some(current.revision), &dropped));
                dropped_after(swap, polls, drop).await.is_some()
            };
            let after = format!("after a swap was dropped at poll {polls}");
            let found = works_on(&handle, &key, newest + 2).await.map_err(|why| format!("{after}, {why}"))?;
            if found != newest && found != newest + 1 {
                return Err(format!("{after}, the record was neither the old nor the new one"));
            }
            newest += 2;
            if ended {
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(in super::super) const DROPPED_LOADS: Property = Property {
    name: "dropped_loads",
    advice: "a load that is dropped frees what it held: a lock, a connection, a place in a queue",
};

pub(in super::super) async fn dropped_loads<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(0)).await?;
    for polls in 0..POLLS {
        for drop in 0..DROPS {
            let ended = dropped_after(pin!(handle.store.load(&key)), polls, drop).await.is_some();
            works_on(&handle, &key, (polls * DROPS + drop) as u64 + 1)
                .await
                .map_err(|why| format!("after a load was dropped at poll {polls}, {why}"))?;
            if ended {
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(in super::super) const PANICS_LEAVE_NOTHING: Property = Property {
    name: "panics_leave_nothing",
    advice: "a caller's panic drops a call as any other end does: recover a poisoned lock (`PoisonError::into_inner`), \
             or use one that cannot be poisoned",
};

pub(in super::super) async fn panics_leave_nothing<S: TokenStore>(
    ground: Arc<Ground<S>>,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(0)).await?;
    let mut newest = 0;
    for polls in 1..POLLS {
        let (caller, under) = (handle.clone(), key.clone());
        let expected = handle.stored(&key).await?.revision;
        let ended = tokio::spawn(async move {
            let record = record(newest + 1);
            let swap = pin!(caller.store.compare_and_swap(&under, Some(expected), &record));
            let load = pin!(caller.store.load(&under));
            if polled(swap, polls).await.is_some() & polled(load, polls).await.is_some() {
                return;
            }
            resume_unwind(Box::new("the caller panics")); // without a message on standard error
        });
        let ended = ended.await.is_ok();
        newest += 2;
        works_on(&handle, &key, newest)
            .await
            .map_err(|why| format!("after a caller panicked at poll {polls}, {why}"))?;
        if ended {
            break;
        }
    }
    Ok(())
}

/// Polls a call that is dropped then, by turns while it waits and when it has been woken.
async fn dropped_after<F: Future>(call: Pin<&mut F>, polls: usize, turn: usize) -> Option<F::Output> {
    if turn.is_multiple_of(2) { polled(call, polls).await } else { polled_and_left(call, polls).await }
}

/// Replaces the record, as somebody does who knows nothing of what was dropped; the number that was there.
async fn works_on<S: TokenStore>(handle: &Handle<S>, key: &StoreKey, next: u64) -> Result<u64, Seen> {
    let record = record(next);
    loop {
        let found = handle.stored(key).await?;
        let (was, over) = (number(&found)?, Some(found.revision));
        if let Put::Applied(_) = handle.put(key, over, &record).await? {
            return match number(&handle.stored(key).await?)? {
                now if now == next => Ok(was),
                _ => Err("a swap that applied was overwritten".to_owned()),
            };
        }
    }
}
