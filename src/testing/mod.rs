//! Tools for testing against Salesforce without Salesforce (feature `testing`).
//!
//! [`FakeOrg`] is a server that behaves as a Salesforce org does; its page, [`fake_org`], tells what it serves and how
//! a test controls it. [`store_conformance`] checks a token store of your own against its contract.

pub mod fake_org;
mod store_conformance;

pub use self::fake_org::{ApiAnswer, Counters, FakeOrg, Gate, LeftHost, Revocation, TokenAnswer};
pub use self::store_conformance::{
    ConformanceCase, ConformanceOutcome, ConformanceReport, StoreConformance, store_conformance,
};
