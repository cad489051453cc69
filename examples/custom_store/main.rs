//! A token store of one's own, in two methods: `cargo run --example custom_store`.
//!
//! The store is in `journal.rs`. Whether it keeps the contract is what `testing::store_conformance` finds out.

mod journal;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    BoxError, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    testing::{FakeOrg, store_conformance},
};

use crate::journal::Journal;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let org = FakeOrg::start().await?;
    let seed = org.issue_refresh_token();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("tokens.journal");

    let checked = Journal::open(&directory.path().join("checked.journal"))?;
    print!("{}", store_conformance(async || checked.clone()).await);

    // Two runs of one application: the second finds what the first has stored, and goes on with it.
    for run in 1..=2 {
        let grant = RefreshToken::new(
            Client::confidential(org.client_id(), org.client_secret()),
            LoginHost::my_domain(org.url()),
            seed.as_str(),
        );
        let session =
            Session::builder("acme", grant).store(Journal::open(&path)?).allow_loopback().build()?;
        let hyper = HyperClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let salesforce = SalesforceAuthLayer::new(session).layer(hyper);
        let limits = || Request::get("/services/data/v65.0/limits").body(Full::default());

        let first = salesforce.clone().oneshot(limits()?).await?.status();
        org.expire_sessions();
        let second = salesforce.oneshot(limits()?).await?.status();
        println!("run {run}: {first}, then with an expired session {second}");
    }
    let counters = org.counters();
    println!(
        "{} token requests, {} spent refresh tokens shown again",
        counters.token_requests, counters.refresh_tokens_reused
    );
    Ok(())
}
