//! "Nothing is stored" is a statement, and never what is said for want of a better one: a session that believes it
//! begins anew with a refresh token that is spent.

use std::sync::Arc;

use super::super::{
    Hook, Outages,
    ground::{Ground, Handle, Seen, number, record},
    report::Property,
};
use crate::store::{StoreKey, Swap, TokenStore};

pub(in super::super) const AN_OUTAGE_IS_NOT_ABSENCE: Property = Property {
    name: "an_outage_is_not_absence",
    advice: "a store that cannot be reached is an error (`StoreError::unavailable`), never `None`: no default, no empty \
             store in its place",
};

pub(in super::super) async fn an_outage_is_not_absence<S: TokenStore>(
    ground: Arc<Ground<S>>,
    outages: Outages,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(1)).await?;
    outages(true).await;
    let seen = is_absent(&handle, &key).await;
    outages(false).await;
    match seen? {
        Some(how) => Err(format!("while the store was away, {how}")),
        None if number(&handle.stored(&key).await?)? == 1 => Ok(()),
        None => Err("after an outage the record is another one".to_owned()),
    }
}

pub(in super::super) const DAMAGE_IS_NOT_ABSENCE: Property = Property {
    name: "damage_is_not_absence",
    advice: "a record that is there and cannot be read is `StoreError::corrupt`, for loads and for swaps, and stays as it \
             is: never `None`, never overwritten",
};

pub(in super::super) async fn damage_is_not_absence<S: TokenStore>(
    ground: Arc<Ground<S>>,
    damage: Hook,
) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    handle.must_put(&key, None, &record(1)).await?;
    damage(key.clone()).await;
    is_absent(&handle, &key).await?.map_or(Ok(()), |how| Err(format!("after the record was damaged, {how}")))
}

/// How the store says that there is no record, if it does.
async fn is_absent<S: TokenStore>(handle: &Handle<S>, key: &StoreKey) -> Result<Option<&'static str>, Seen> {
    if let Ok(None) = handle.try_load(key).await? {
        return Ok(Some("a load said that there was no record"));
    }
    Ok(match handle.try_swap(key, None, &record(2)).await? {
        Ok(Swap::Applied(_)) => Some("a record was created over it"),
        Ok(Swap::Conflict(None)) => Some("a conflict said that there was no record"),
        Ok(Swap::Conflict(Some(_))) | Err(_) => None,
    })
}
