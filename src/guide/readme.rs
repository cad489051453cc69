//! The README, as it stands in the repository.
#![cfg_attr(all(feature = "file", feature = "hyper-client"), doc = include_str!("../../README.md"))]
