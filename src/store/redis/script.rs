//! The two scripts and what they answer.
//!
//! A record is one hash under one key, so a script touches one slot, and it has one command that writes: whatever the
//! server refuses, it refuses as a whole.

use ::redis::{Cmd, Value};

use crate::store::{Revision, StoreError, StoreKey, Stored, Swap};

/// `PERSIST` takes away what would let the record expire. It counts as a write: a replica, whose data may be old,
/// refuses it, and so reads fail there as writes do (F069). And a script that has begun to write may go on when memory is
/// full, so that a spent refresh token is followed by its successor all the same.
macro_rules! find {
    () => {
        "redis.call('PERSIST', KEYS[1])
local found = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HMGET', KEYS[1], 'revision', 'record')
"
    };
}

const LOAD: &str = concat!(find!(), "return found");

/// Revisions are compared as text: Lua's numbers would round them. The hint must not fail a swap that is done, so its
/// errors are ignored.
const SWAP: &str = concat!(
    find!(),
    "if ARGV[1] == '' and found or ARGV[1] ~= '' and (not found or found[1] ~= ARGV[1]) then return found end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'record', ARGV[3])
redis.pcall('PUBLISH', ARGV[4], ARGV[5])
return 1"
);

/// What the keys and the channel of a store are called.
pub(super) struct Names {
    prefix: String,
    channel: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), channel: format!("{prefix}changed") }
    }

    /// The channel on which the keys of changed records are published.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    fn record(&self, key: &StoreKey) -> String {
        format!("{}{{{key}}}", self.prefix)
    }

    pub(super) fn load(&self, key: &StoreKey) -> Cmd {
        let mut command = ::redis::cmd("EVAL");
        command.arg(LOAD).arg(1).arg(self.record(key));
        command
    }

    pub(super) fn swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        next: Revision,
        record: &[u8],
    ) -> Cmd {
        let expected = expected.map(|revision| revision.get().to_string()).unwrap_or_default();
        let mut command = ::redis::cmd("EVAL");
        command.arg(SWAP).arg(1).arg(self.record(key)).arg(expected).arg(next.get()).arg(record);
        command.arg(self.channel()).arg(key.as_str());
        command
    }
}

/// The answer of [`LOAD`].
pub(super) fn loaded(answer: Value) -> Result<Option<Stored>, StoreError> {
    match answer {
        Value::Nil | Value::Boolean(false) => Ok(None),
        Value::Array(fields) => match <[Value; 2]>::try_from(fields) {
            Ok([Value::BulkString(revision), Value::BulkString(bytes)]) => {
                Ok(Some(Stored { revision: number(&revision).ok_or_else(damaged)?, bytes }))
            }
            _ => Err(damaged()),
        },
        _ => Err(damaged()),
    }
}

/// The answer of [`SWAP`], which was to write under `next`.
pub(super) fn swapped(answer: Value, next: Revision) -> Result<Swap, StoreError> {
    match answer {
        Value::Int(1) => Ok(Swap::Applied(next)),
        other => loaded(other).map(Swap::Conflict),
    }
}

fn number(text: &[u8]) -> Option<Revision> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Revision::new)
}

fn damaged() -> StoreError {
    StoreError::corrupt("the hash lacks a revision or a record: something else has written to this key")
}
