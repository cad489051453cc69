//! Swaps at the same time: of those that expect one revision, one applies.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::Barrier, task::JoinSet};

use super::super::{
    ground::{Ground, Handle, Put, Seen, number, polled, record},
    report::Property,
};
use crate::store::{Revision, StoreKey, TokenStore};

/// A swap that takes more polls than this does so rarely.
const POLLS: usize = 24;

/// How long the second of two swaps runs while the first one stands still: enough for an answer from another host. It
/// may have to wait for the first: then the first goes on.
const HEAD_START: Duration = Duration::from_millis(100);

const CROWD: usize = 16;

pub(in super::super) const ONE_CREATOR: Property = Property {
    name: "one_creator",
    advice: "create with a step that fails if a record is there (`INSERT … ON CONFLICT DO NOTHING`, `SET NX`, \
             `create_new`), not with a look followed by a write",
};

pub(in super::super) async fn one_creator<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    for polls in 0..POLLS {
        let key = ground.key();
        if race(&ground, &key, None, polls).await? {
            break;
        }
    }
    for _ in 0..4 {
        let key = ground.key();
        let start = Arc::new(Barrier::new(CROWD));
        let mut creators = JoinSet::new();
        for creator in 0..CROWD {
            let (handle, key, start) = (ground.handle(creator), key.clone(), Arc::clone(&start));
            creators.spawn(async move {
                start.wait().await;
                (creator as u64, handle.put(&key, None, &record(creator as u64)).await)
            });
        }
        let mut told = Vec::new();
        while let Some(creator) = creators.join_next().await {
            let (creator, put) = creator.map_err(|error| error.to_string())?;
            told.push((creator, put?));
        }
        judge(&ground.handle(0), &key, told).await?;
    }
    Ok(())
}

pub(in super::super) const NO_LOST_UPDATE: Property = Property {
    name: "no_lost_update",
    advice: "compare and write in one step that nothing comes between (`UPDATE … WHERE revision = $2`, one script, one \
             lock held from the read to the write), not with a load followed by a write",
};

pub(in super::super) async fn no_lost_update<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    const ADDERS: u64 = 6;
    const ADDITIONS: u64 = 8;
    for polls in 0..POLLS {
        let key = ground.key();
        let first = ground.handle(0).must_put(&key, None, &record(9)).await?;
        if race(&ground, &key, Some(first), polls).await? {
            break;
        }
    }
    let key = ground.key();
    ground.handle(0).must_put(&key, None, &record(0)).await?;
    let mut adders = JoinSet::new();
    for adder in 0..ADDERS {
        let (handle, key) = (ground.handle(adder as usize), key.clone());
        adders.spawn(async move {
            let mut unknown = 0;
            for _ in 0..ADDITIONS {
                unknown += u64::from(!handle.add_one(&key).await?);
            }
            Ok::<_, Seen>(unknown)
        });
    }
    let mut unknown = 0;
    while let Some(adder) = adders.join_next().await {
        unknown += adder.map_err(|error| error.to_string())??;
    }
    let sum = sum(&ground.handle(0), &key).await?;
    check_sum(sum, ADDERS * ADDITIONS, unknown)
}

/// How often one was added, as the handle knows it after an addition of its own.
pub(in super::super) async fn sum<S: TokenStore>(handle: &Handle<S>, key: &StoreKey) -> Result<u64, Seen> {
    while !handle.add_one(key).await? {}
    Ok(number(&handle.stored(key).await?)? - 1)
}

/// Whether a counter of `additions`, of which some may not have been applied, stands where it must.
pub(in super::super) fn check_sum(sum: u64, additions: u64, unknown: u64) -> Result<(), Seen> {
    if (additions - unknown..=additions).contains(&sum) {
        return Ok(());
    }
    Err(format!(
        "of {additions} applied swaps, each of which adds one, {sum} are left: the others were overwritten"
    ))
}

/// Stops one swap before its poll number `polls`, lets another one that expects the same go as far as it can, and then
/// the first go on. Whether the first one takes no more polls than that.
async fn race<S: TokenStore>(
    ground: &Ground<S>,
    key: &StoreKey,
    expected: Option<Revision>,
    polls: usize,
) -> Result<bool, Seen> {
    let [one, other, _] = ground.handles.clone();
    let record_of_one = record(0);
    let mut first = pin!(one.put(key, expected, &record_of_one));
    let early = polled(first.as_mut(), polls).await;
    let second = {
        let key = key.clone();
        tokio::spawn(async move { other.put(&key, expected, &record(1)).await })
    };
    let (ended, put) = match early {
        Some(put) => (true, put),
        None => {
            let deadline = tokio::time::Instant::now() + HEAD_START;
            while !second.is_finished() && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (false, first.await)
        }
    };
    let second = second.await.map_err(|error| error.to_string())?;
    judge(&one, key, vec![(0, put?), (1, second?)]).await?;
    Ok(ended)
}

/// Of those who expected the same, at most one was told `Applied`, and it is their record that is there.
async fn judge<S: TokenStore>(handle: &Handle<S>, key: &StoreKey, told: Vec<(u64, Put)>) -> Result<(), Seen> {
    let (count, unknown) = (told.len(), told.iter().any(|(_, put)| matches!(put, Put::Unknown)));
    let applied: Vec<u64> = told
        .into_iter()
        .filter(|(_, put)| matches!(put, Put::Applied(_)))
        .map(|(writer, _)| writer)
        .collect();
    match applied[..] {
        [winner] => match number(&handle.stored(key).await?)? {
            found if found == winner => Ok(()),
            _ => Err("the record is not that of the swap which applied".to_owned()),
        },
        [] if unknown => Ok(()),
        [] => Err(format!("of {count} swaps that expected the same, none applied")),
        _ => Err(format!("of {count} swaps that expected the same, {} applied", applied.len())),
    }
}
