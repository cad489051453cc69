//! What an error says about a write, and what a store does after one.

use std::{pin::pin, sync::Arc};

use super::super::{
    Outages,
    ground::{Ground, Handle, Seen, polled, record},
    report::Property,
};
use crate::store::{Revision, StoreError, StoreKey, Stored, Swap, TokenStore};

const SWAPS: u64 = 60;

pub(in super::super) const HONEST_ERRORS: Property = Property {
    name: "honest_errors",
    advice: "from the moment at which a write may have left, failures are `StoreError::ambiguous`: time-outs, lost \
             connections, answers that cannot be read. `unavailable` promises that nothing was written",
};

pub(in super::super) async fn honest_errors<S: TokenStore>(
    ground: Arc<Ground<S>>,
    outages: Option<Outages>,
) -> Result<(), Seen> {
    each_swap(&ground, outages, |swap, record, now| match swap {
        Err(error) if !error.may_have_applied() && now.bytes == record => {
            Err("an error said that nothing was written, and the record was".to_owned())
        }
        _ => Ok(()),
    })
    .await
}

pub(in super::super) const NO_SECOND_TRY: Property = Property {
    name: "no_second_try",
    advice: "report an ambiguous error and leave it at that; switch off the driver's retries. A store that tries again \
             meets its own write, and tells the library that somebody else was there",
};

pub(in super::super) async fn no_second_try<S: TokenStore>(
    ground: Arc<Ground<S>>,
    outages: Option<Outages>,
) -> Result<(), Seen> {
    each_swap(&ground, outages, |swap, record, _| match swap {
        Ok(Swap::Conflict(Some(found))) if found.bytes == record => {
            Err("a swap applied, and was then reported as a conflict with itself".to_owned())
        }
        _ => Ok(()),
    })
    .await
}

/// Swaps, with outages in the midst of some, and has `judge` look at each outcome and at the record after it.
async fn each_swap<S: TokenStore>(
    ground: &Ground<S>,
    outages: Option<Outages>,
    judge: impl Fn(&Result<Swap, StoreError>, &[u8], &Stored) -> Result<(), Seen>,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(0)).await?;
    let mut current = handle.stored(&key).await?.revision;
    for number in 1..=SWAPS {
        let record = record(number);
        let swap = match &outages {
            Some(outages) if number % 3 == 0 => {
                cut_off(&handle, &key, current, &record, outages, number as usize / 3 % 8).await?
            }
            _ => handle.try_swap(&key, Some(current), &record).await?,
        };
        let now = handle.stored(&key).await?;
        judge(&swap, &record, &now)?;
        current = now.revision;
    }
    Ok(())
}

/// A swap during whose course the store goes away and comes back.
async fn cut_off<S: TokenStore>(
    handle: &Handle<S>,
    key: &StoreKey,
    expected: Revision,
    record: &[u8],
    outages: &Outages,
    polls: usize,
) -> Result<Result<Swap, StoreError>, Seen> {
    let mut swap = pin!(handle.try_swap(key, Some(expected), record));
    let early = polled(swap.as_mut(), polls).await;
    outages(true).await;
    let swap = match early {
        Some(swap) => swap,
        None => swap.await,
    };
    outages(false).await;
    swap
}
