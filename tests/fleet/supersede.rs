//! A process that dies with its claim.
//!
//! The process is this test binary again, told by its environment to run the `child_…` test below; in the parent's own
//! run that does nothing.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tower_salesforce_auth::{
    AuthErrorKind, Session,
    grant::{Client, LoginHost, RefreshToken},
    testing::{FakeOrg, fake_org::TokenAnswer},
};

use crate::{
    session,
    stores::{Place, open},
};

const JOB: &str = "FLEET_TEST_JOB";

const SCALE: f64 = 0.05;
/// A minute, scaled.
const WAIT_OUT: Duration = Duration::from_secs(3);

/// Asks for a token until there is one, as often as it is told to.
async fn insist(session: Session) {
    loop {
        match session.refresh().await {
            Ok(_) => return,
            Err(error) => {
                assert_eq!(error.kind(), AuthErrorKind::OutcomeUnknown, "{error}");
                sleep(error.retry_after().unwrap()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_killed_holder_is_superseded_after_the_wait_out_and_not_sooner() {
    let places = Place::all().await;
    join_all(places.iter().map(superseded)).await;
}

async fn superseded(place: &Place) {
    let name = place.name();
    let org = FakeOrg::start().await.unwrap();
    let seed = org.issue_refresh_token();
    let heir = session(&org, &seed, place.open().await, SCALE);
    heir.access_token().await.unwrap();

    // The request of the one that dies never gets to the org's books.
    org.answer_token_requests(TokenAnswer::DropBefore.next(1));
    let gate = org.hold_token_requests();
    let job = serde_json::json!({
        "place": place.url(), "url": org.url(), "id": org.client_id(), "secret": org.client_secret(), "seed": seed,
    });
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", "supersede::child_refreshes_when_told", "--nocapture"])
        .env(JOB, job.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    gate.arrived(1).await;
    holder.kill().unwrap();
    holder.wait().unwrap();

    let began = Instant::now();
    let heir = tokio::spawn(insist(heir));
    gate.arrived(2).await;
    let waited = began.elapsed();
    gate.release();
    heir.await.unwrap();
    println!("{name}: superseded after {waited:?}");
    assert!(waited >= WAIT_OUT, "{name}: superseded after {waited:?}");
    assert!(waited <= 2 * WAIT_OUT, "{name}: superseded after {waited:?}");
    let counters = org.counters();
    // The first token, the one of the dead and the one of its heir.
    assert_eq!(counters.token_requests, 3, "{name}: {counters:?}");
    assert_eq!(counters.families_revoked, 0, "{name}: {counters:?}");
}

#[tokio::test]
async fn child_refreshes_when_told() {
    let Ok(job) = env::var(JOB) else { return };
    let job: serde_json::Value = serde_json::from_str(&job).unwrap();
    let text = |name: &str| job[name].as_str().unwrap();
    let grant = RefreshToken::new(
        Client::confidential(text("id"), text("secret")),
        LoginHost::my_domain(text("url")),
        text("seed"),
    );
    // Unscaled, so that it does not give up before it is killed.
    let session = Session::builder("fleet", grant)
        .store(open(text("place")).await)
        .allow_plaintext_store()
        .allow_loopback()
        .build()
        .unwrap();
    // Of what it does not know yet it would take what is stored.
    session.access_token().await.unwrap();
    let _ = session.refresh().await;
}
