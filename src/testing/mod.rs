//! Tools for testing against Salesforce without Salesforce (feature `testing`).
//!
//! [`FakeOrg`] is a server that behaves as a Salesforce org does; its page, [`fake_org`], tells what it serves and how
//! a test controls it.

pub mod fake_org;

pub use self::fake_org::{ApiAnswer, Counters, FakeOrg, Gate, LeftHost, Revocation, TokenAnswer};
