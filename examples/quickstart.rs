//! An org whose session expires under load, and then moves to another host: `cargo run --example quickstart`.
//!
//! Everything is real but the org, which `testing::FakeOrg` plays on loopback: HTTP/2 connections, a token endpoint
//! that rotates refresh tokens and revokes the grant when a spent one is shown twice. `-- --json` adds the figures of
//! the story as one JSON object.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    BoxError, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::MemoryStore,
    testing::{Counters, FakeOrg},
    token_endpoint::TokenResponse,
};

/// How many requests are under way when the session expires.
const HERD: usize = 1_000;
/// How long the token endpoint takes here.
const REFRESH: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let org = FakeOrg::start().await?;

    // What an application has: a client, a login host, a store, and the consent of a user.
    let client = Client::confidential(org.client_id(), org.client_secret());
    let grant = RefreshToken::new(client, LoginHost::my_domain(org.url()), org.issue_refresh_token());
    let session = Session::builder("acme", grant)
        .store(MemoryStore::volatile()) // an application uses a durable one, see `custom_store`
        .allow_loopback() // for tests: Salesforce is https only
        .build()?;
    session.reconnect(TokenResponse::from_json(org.issue_token_response().as_bytes())?).await?;

    // HTTP/2, so that a thousand requests share one connection.
    let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let salesforce = SalesforceAuthLayer::new(session).layer(hyper);

    let limits = || Request::get("/services/data/v65.0/limits").body(Full::<Bytes>::default());
    let warm = salesforce.clone().oneshot(limits()?).await?;
    println!("connected to {}: {}\n", org.instance_url(), warm.status());

    // The session expires, and a thousand requests find out at once.
    org.expire_sessions();
    let before = org.counters();
    let gate = org.hold_token_requests();
    let started = Instant::now();
    let herd: Vec<_> = (0..HERD)
        .map(|_| {
            let (call, request) = (salesforce.clone(), limits());
            tokio::spawn(async move {
                let started = Instant::now();
                let response = call.oneshot(request?).await?;
                Ok::<_, BoxError>((response.status(), started.elapsed()))
            })
        })
        .collect();
    gate.arrived(1).await;
    tokio::time::sleep(REFRESH).await;
    gate.release();
    let answers = join_all(herd).await;
    let wall = started.elapsed();
    let after = org.counters();

    let mut latencies: Vec<Duration> = Vec::new();
    for answer in answers {
        if let Ok(Ok((status, latency))) = answer
            && status.is_success()
        {
            latencies.push(latency);
        }
    }
    latencies.sort_unstable();
    let story = Story { before, after, succeeded: latencies.len(), wall };
    story.tell(&latencies);

    // The org moves. Its old host knows the session no more; the next token answer names the new one.
    let home = org.move_host().await;
    let mut followed = true;
    for _ in 0..3 {
        followed &= salesforce.clone().oneshot(limits()?).await?.status().is_success();
    }
    let moved = org.counters();
    followed &= moved.left_host_requests == after.left_host_requests + 1;
    println!(
        "\nthe org moved to {home}: the next 3 calls {}",
        if followed { "followed" } else { "did not follow" }
    );

    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", story.json(followed));
    }
    Ok(())
}

struct Story {
    before: Counters,
    after: Counters,
    succeeded: usize,
    wall: Duration,
}

impl Story {
    fn refused(&self) -> u64 {
        self.after.refused - self.before.refused
    }

    fn token_requests(&self) -> u64 {
        self.after.token_requests - self.before.token_requests
    }

    /// What the org saw beyond one send a request.
    fn resent(&self) -> u64 {
        (self.after.requests - self.before.requests).saturating_sub(HERD as u64)
    }

    fn failed(&self) -> usize {
        HERD - self.succeeded
    }

    fn tell(&self, latencies: &[Duration]) {
        let percentile = |percent: usize| latencies.get(latencies.len() * percent / 100).copied();
        println!("the session expired under {HERD} concurrent requests");
        println!("  refused        {:>10}", self.refused());
        println!("  token requests {:>10}", self.token_requests());
        println!("  resent         {:>10}", self.resent());
        println!("  failed         {:>10}", self.failed());
        println!(
            "  p50 / p99      {:>10.1?} / {:.1?}",
            percentile(50).unwrap_or_default(),
            percentile(99).unwrap_or_default()
        );
        println!("  wall time      {:>10.1?}, of which one refresh {REFRESH:.1?}", self.wall);
    }

    fn json(&self, followed: bool) -> serde_json::Value {
        serde_json::json!({
            "requests": HERD,
            "refused": self.refused(),
            "token_requests": self.token_requests(),
            "resent": self.resent(),
            "failed": self.failed(),
            "wall_ms": u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX),
            "followed_move": followed,
        })
    }
}
