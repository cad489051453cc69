//! One process of the fleet: an application like any other, told by its parent when to send.

use std::{env, process::ExitCode, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Request, header::USER_AGENT};
use http_body_util::Full;
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, BoxError, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    token_endpoint::TokenResponse,
};

use super::stores;

/// Where the parent puts the job: not on the command line, which every user of the machine can read.
pub(crate) const JOB: &str = "FLEET_JOB";

/// Requests of one process under way at once.
const CONCURRENCY: usize = 64;

/// The job that this process was started for, if it is one of the fleet.
pub(crate) fn job() -> Option<Value> {
    serde_json::from_str(&env::var(JOB).ok()?).ok()
}

pub(crate) async fn run(job: Value) -> ExitCode {
    match work(&job).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a process of the fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(job: &Value) -> Result<(), BoxError> {
    let text = |name: &str| job[name].as_str().unwrap_or_default();
    let grant = RefreshToken::new(
        Client::confidential(text("client_id"), text("client_secret")),
        LoginHost::my_domain(text("url")),
        text("refresh_token"),
    );
    let session = Session::builder("fleet", grant)
        .store(stores::open(text("store"), text("place")).await?)
        .transport(transport())
        .time_scale(job["time_scale"].as_f64().unwrap_or(1.0))
        .allow_loopback()
        .build()?;
    let client = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let salesforce = SalesforceAuthLayer::new(session.clone()).layer(client);

    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stdout();
    while let Some(order) = orders.next_line().await? {
        let order: Value = serde_json::from_str(&order)?;
        let answer = match (order["send"].as_u64(), order["reconnect"].as_str()) {
            (Some(count), _) => {
                let tally = stream::iter(0..count)
                    .map(|_| send(salesforce.clone()))
                    .buffer_unordered(CONCURRENCY)
                    .fold(Tally::default(), |tally, sent| async move { tally.with(sent) })
                    .await;
                tally.to_json()
            }
            (None, Some(consent)) => {
                let done = session.reconnect(TokenResponse::from_json(consent.as_bytes())?).await;
                json!({ "reconnected": done.is_ok(), "why": done.err().map(|error| error.to_string()) })
            }
            (None, None) => json!({}),
        };
        out.write_all(format!("{answer}\n").as_bytes()).await?;
        out.flush().await?;
    }
    session.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// Token requests that say which process they are of: so the parent learns who has one under way.
fn transport() -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = http::Response<hyper::body::Incoming>,
    Error = hyper_util::client::legacy::Error,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let name = HeaderValue::from(std::process::id());
    // No connection is kept: one that has gone stale would make an unknown outcome of a token request.
    HyperClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http().map_request(
        move |mut request: Request<Full<Bytes>>| {
            request.headers_mut().insert(USER_AGENT, name.clone());
            request
        },
    )
}

enum Sent {
    Ok,
    /// Answered, but not as it should be, or not sent for now; why.
    Refused(String),
    /// A person is asked to connect again.
    ReauthorisationRequired,
    Failed(String),
}

async fn send<S, B>(client: S) -> Sent
where
    S: tower::Service<Request<Full<Bytes>>, Response = http::Response<B>, Error = BoxError>,
{
    let request = match Request::get("/services/data/v65.0/limits").body(Full::default()) {
        Ok(request) => request,
        Err(error) => return Sent::Failed(error.to_string()),
    };
    let result = client.oneshot(request).await;
    if result.as_ref().is_ok_and(|response| response.status().is_success()) {
        return Sent::Ok;
    }
    let Some(diagnosis) = Diagnosis::of_result(&result) else {
        return Sent::Failed(
            result.map_or_else(|error| error.to_string(), |_| "an answer without a diagnosis".into()),
        );
    };
    match diagnosis.error().map(AuthError::kind) {
        Some(AuthErrorKind::ReauthorisationRequired) => Sent::ReauthorisationRequired,
        _ => Sent::Refused(diagnosis.to_string()),
    }
}

#[derive(Default)]
struct Tally {
    ok: u64,
    refused: u64,
    reauthorise: u64,
    failed: u64,
    why: Option<String>,
}

impl Tally {
    fn with(mut self, sent: Sent) -> Self {
        match sent {
            Sent::Ok => self.ok += 1,
            Sent::Refused(why) => {
                self.refused += 1;
                self.why = Some(why);
            }
            Sent::ReauthorisationRequired => self.reauthorise += 1,
            Sent::Failed(why) => {
                self.failed += 1;
                self.why = Some(why);
            }
        }
        self
    }

    fn to_json(&self) -> Value {
        let Self { ok, refused, reauthorise, failed, why } = self;
        json!({ "ok": ok, "refused": refused, "reauthorise": reauthorise, "failed": failed, "why": why })
    }
}
