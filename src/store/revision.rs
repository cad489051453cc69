//! Revisions that never come twice.

use super::{Revision, StoreError};

/// The revision after `revision`: unlike all before, even those that a restored backup or a replica that took over has
/// forgotten.
pub(super) fn successor(revision: Option<Revision>) -> Result<Revision, StoreError> {
    let random = getrandom::u64().map_err(StoreError::unavailable)?;
    Ok(Revision::new(match revision {
        None => random >> 2, // room for 2³⁰ steps at least, in signed numbers as well
        Some(revision) => revision.get().wrapping_add(1).wrapping_add(random >> 32), // at most 2³²
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_grow_and_differ_when_history_repeats() {
        let first = successor(None).unwrap();
        let (a, b) = (successor(Some(first)).unwrap(), successor(Some(first)).unwrap());
        assert!(a > first && b > first);
        assert_ne!(a, b, "the same parent, as after a restored backup");
        assert_ne!(first, successor(None).unwrap(), "the same key, after its record was removed");
    }
}
