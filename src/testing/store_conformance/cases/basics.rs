//! One handle, one caller: what must hold before anything else is worth a look.

use std::sync::Arc;

use super::super::{
    ground::{Ground, Handle, Put, Seen, number, record},
    report::Property,
};
use crate::store::{Revision, StoreKey, Stored, TokenStore};

pub(in super::super) const CREATE_AND_SWAP: Property = Property {
    name: "create_and_swap",
    advice: "load gives what the last applied swap wrote, under the revision that `Applied` named; a swap applies only \
             if the current revision is `expected`, and `None` means that nothing is there. Mend this first: the other \
             cases were not run",
};

pub(in super::super) async fn create_and_swap<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    if handle.load(&key).await?.is_some() {
        return Err("there was a record under a key that was never used".to_owned());
    }
    let first = handle.must_put(&key, None, &record(1)).await?;
    expect(&handle, &key, first, 1, "after it was created").await?;
    let second = handle.must_put(&key, Some(first), &record(2)).await?;
    expect(&handle, &key, second, 2, "after it was swapped").await?;
    for (expected, what) in [(Some(first), "over a revision that is no longer current"), (None, "as new")] {
        if let Put::Applied(_) = handle.put(&key, expected, &record(3)).await? {
            return Err(format!("a record was written {what}, though another one was there"));
        }
        expect(&handle, &key, second, 2, "after a conflict").await?;
    }
    let absent = ground.key();
    if let Put::Applied(_) = handle.put(&absent, Some(second), &record(4)).await? {
        return Err("a swap over a revision applied where no record was".to_owned());
    }
    match handle.load(&absent).await? {
        None => Ok(()),
        Some(_) => Err("a conflict left a record where none was".to_owned()),
    }
}

async fn expect<S: TokenStore>(
    handle: &Handle<S>,
    key: &StoreKey,
    revision: Revision,
    wanted: u64,
    when: &str,
) -> Result<(), Seen> {
    let stored = handle.stored(key).await?;
    if number(&stored)? != wanted {
        return Err(format!("{when} a load gave another record than the last one applied"));
    }
    if stored.revision != revision {
        return Err(format!("{when} a load gave another revision than `Applied` had named"));
    }
    Ok(())
}

pub(in super::super) const ONE_STORE: Property = Property {
    name: "one_store",
    advice: "all handles that `make_store` makes must lead to the same records: the same directory, the same database, \
             clones of one store. The cases that need two handles were not run",
};

pub(in super::super) async fn one_store<S: TokenStore>(
    ground: Arc<Ground<S>>,
    later: Handle<S>,
) -> Result<(), Seen> {
    let key = ground.key();
    ground.handle(0).must_put(&key, None, &record(1)).await?;
    match later.load(&key).await? {
        Some(_) => Ok(()),
        None => Err("a handle does not see the record that another one wrote".to_owned()),
    }
}

pub(in super::super) const CONFLICTS_SHOW_THE_RECORD: Property = Property {
    name: "conflicts_show_the_record",
    advice: "`Conflict` carries the record that is there, with its revision; `None` only if there is none. The library \
             goes on from it without another load",
};

pub(in super::super) async fn conflicts_show_the_record<S: TokenStore>(
    ground: Arc<Ground<S>>,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    let first = handle.must_put(&key, None, &record(1)).await?;
    let current = record(2);
    let second = handle.must_put(&key, Some(first), &current).await?;
    let current = Some(Stored { revision: second, bytes: current });
    for expected in [Some(first), None] {
        match handle.put(&key, expected, &record(3)).await? {
            Put::Conflict(found) if found == current => {}
            Put::Conflict(None) => return Err("a conflict said that no record was there".to_owned()),
            Put::Conflict(Some(_)) => {
                return Err("a conflict showed another record than the current one".to_owned());
            }
            Put::Applied(_) | Put::Unknown => return Err("a stale swap was no conflict".to_owned()),
        }
    }
    match handle.put(&ground.key(), Some(second), &record(4)).await? {
        Put::Conflict(None) => Ok(()),
        _ => Err("a swap over a revision, where no record was, was not `Conflict(None)`".to_owned()),
    }
}

pub(in super::super) const KEYS_ARE_APART: Property = Property {
    name: "keys_are_apart",
    advice: "use the whole key, all 64 characters: a column or a name that is shorter gives one connection another \
             one's session",
};

pub(in super::super) async fn keys_are_apart<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(1)).await?;
    for other in [key.with_another_end(), ground.key()] {
        if handle.load(&other).await?.is_some() {
            return Err("a record is seen under another key than its own".to_owned());
        }
        let mut revision = handle.must_put(&other, None, &record(2)).await?;
        for next in 3..6 {
            revision = handle.must_put(&other, Some(revision), &record(next)).await?;
        }
        if number(&handle.stored(&key).await?)? != 1 {
            return Err("swaps under one key changed the record under another".to_owned());
        }
    }
    Ok(())
}
