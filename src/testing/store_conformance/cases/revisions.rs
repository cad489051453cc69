//! A revision is given once.

use std::{collections::HashSet, sync::Arc};

use super::super::{
    Hook,
    ground::{Ground, Seen},
    report::Property,
};
use crate::store::TokenStore;

pub(in super::super) const FRESH_REVISIONS: Property = Property {
    name: "fresh_revisions",
    advice: "number the writes, with 64 bits, or draw at random: a revision made of the record, or one that wraps around, \
             comes again, and a swap that slept meanwhile applies over a record that it never saw",
};

/// More writes than one byte counts, of two records only.
pub(in super::super) async fn fresh_revisions<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    const WRITES: usize = 300;
    let (handle, key) = (ground.handle(0), ground.key());
    let (mut given, mut current) = (HashSet::new(), None);
    for write in 0..WRITES {
        let revision = handle.must_put(&key, current, [b"one", b"two"][write % 2]).await?;
        if !given.insert(revision) {
            return Err(format!("write {write} got a revision that an earlier one had"));
        }
        current = Some(revision);
    }
    Ok(())
}

pub(in super::super) const FRESH_REVISIONS_AFTER_REMOVAL: Property = Property {
    name: "fresh_revisions_after_removal",
    advice: "take the first revision of a record from a sequence that outlives it, or at random: a record may be removed \
             and made again while a process sleeps",
};

pub(in super::super) async fn fresh_revisions_after_removal<S: TokenStore>(
    ground: Arc<Ground<S>>,
    remove: Hook,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    let mut given = HashSet::new();
    for _ in 0..3 {
        let mut current = None;
        for record in [b"one", b"two"] {
            let revision = handle.must_put(&key, current, record).await?;
            if !given.insert(revision) {
                return Err("a record made anew got a revision that the removed one had".to_owned());
            }
            current = Some(revision);
        }
        remove(key.clone()).await;
        if ground.handle(1).load(&key).await?.is_some() {
            return Err("the record is still there after what was given to `removing`".to_owned());
        }
    }
    Ok(())
}
