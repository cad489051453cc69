//! The cases: one property each, and each assumes of the store no more than it must, so that a store that breaks one
//! property fails one case.

pub(super) mod absence;
pub(super) mod basics;
pub(super) mod bytes;
pub(super) mod drops;
pub(super) mod errors;
pub(super) mod hints;
pub(super) mod races;
pub(super) mod reads;
pub(super) mod revisions;
