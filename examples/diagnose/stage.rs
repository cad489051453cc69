//! Plays a scenario: an org on loopback, a client with the layer, and what becomes of its calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    BoxError, Cause, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client, ClientCredentials, JwtBearer, LoginHost, RefreshToken, Signer},
    replay,
    store::MemoryStore,
    testing::FakeOrg,
};

/// A story with a known cause.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is really the matter.
    pub(crate) truth: Cause,
    /// Whether the evidence decides it: the truth must come first then. Otherwise several causes answer alike, and it
    /// must be among those that are named.
    pub(crate) decided: bool,
    /// The most token requests that it may cost, the first one included.
    pub(crate) token_requests: u64,
    pub(crate) grant: Grant,
    pub(crate) steps: Vec<Step>,
}

/// How the client of a scenario gets its tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// With rotation.
    RefreshToken,
    /// Of an app whose refresh tokens stay.
    KeptRefreshToken,
    ClientCredentials,
    JwtBearer,
}

/// What signs assertions: the org on loopback does not check signatures.
#[derive(Debug)]
struct Seal;

impl Signer for Seal {
    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(b"signature".to_vec())
    }
}

/// What happens next.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Something happens to the org; the second one is a neighbour.
    Happens(&'static str, fn(&FakeOrg, &FakeOrg)),
    /// The org moves to another host.
    Moves,
    /// A read is answered as if nothing were the matter.
    Works,
    /// A read is refused, or cannot be sent.
    Refused,
    /// So many reads at once are refused, all of them.
    RefusedAtOnce(u64),
    /// A read at the neighbour's host, which the application allows to get the token, is refused.
    RefusedNextDoor,
    /// A write is refused.
    WriteRefused,
    /// A read that must not be sent twice is refused.
    OnceRefused,
    /// The application asks [`Session::diagnose`].
    Asks,
    /// The application asks, and allows a token request.
    AsksWithRefresh,
    /// A person has seen to it, and the application refreshes at once.
    Refreshes,
}

/// What came of a scenario.
pub(crate) struct Played {
    /// The last diagnosis.
    pub(crate) diagnosis: Diagnosis,
    /// The most sends of one call.
    pub(crate) sends: u64,
    pub(crate) token_requests: u64,
    /// The steps in words.
    pub(crate) story: Vec<String>,
}

impl Scenario {
    pub(crate) async fn play(&self) -> Result<Played, BoxError> {
        let rotation = self.grant != Grant::KeptRefreshToken;
        let org = FakeOrg::builder().separate_login_host(true).rotation(rotation).start().await?;
        let neighbour = FakeOrg::start().await?;
        let session = self.session(&org, &neighbour)?;
        let sends = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sends);
        let client = HyperClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>().map_request(
            move |request: Request<Full<Bytes>>| {
                count.fetch_add(1, Ordering::Relaxed);
                request
            },
        );
        let layer = SalesforceAuthLayer::new(session.clone());
        let salesforce = layer.layer(client.clone());
        let once = layer.replay(replay::Never).layer(client);

        let mut played = Story::default();
        for (at, step) in self.steps.iter().enumerate() {
            let said = match *step {
                Step::Happens(what, happen) => {
                    happen(&org, &neighbour);
                    what.to_owned()
                }
                Step::Moves => {
                    org.move_host().await;
                    "the org moves to another host".to_owned()
                }
                Step::Refreshes => {
                    session.refresh().await?;
                    "the application refreshes its session".to_owned()
                }
                Step::Asks => {
                    played.diagnosis = Some(session.diagnose().await);
                    "the application asks Salesforce what is the matter".to_owned()
                }
                Step::AsksWithRefresh => {
                    played.diagnosis = Some(session.diagnose().allow_token_request().await);
                    "the application asks, and allows a token request".to_owned()
                }
                Step::RefusedAtOnce(calls) => {
                    let before = sends.load(Ordering::Relaxed);
                    let answers: Vec<_> =
                        (0..calls).map(|_| tokio::spawn(salesforce.clone().oneshot(read()))).collect();
                    for answer in answers {
                        let result = answer.await?;
                        let missing = || format!("{}, step {at}: no diagnosis in {result:?}", self.name);
                        played.diagnosis = Some(Diagnosis::of_result(&result).cloned().ok_or_else(missing)?);
                    }
                    played.sends = played.sends.max((sends.load(Ordering::Relaxed) - before).div_ceil(calls));
                    format!("{calls} calls at once are refused")
                }
                Step::Works
                | Step::Refused
                | Step::RefusedNextDoor
                | Step::WriteRefused
                | Step::OnceRefused => {
                    let before = sends.load(Ordering::Relaxed);
                    let request = request(step, &neighbour)?;
                    let result = if matches!(step, Step::OnceRefused) {
                        once.clone().oneshot(request).await
                    } else {
                        salesforce.clone().oneshot(request).await
                    };
                    played.sends = played.sends.max(sends.load(Ordering::Relaxed) - before);
                    let works = result.as_ref().is_ok_and(|response| response.status().is_success());
                    if works != matches!(step, Step::Works) {
                        return Err(format!("{}, step {at}: {result:?}", self.name).into());
                    }
                    if !works {
                        let diagnosis = Diagnosis::of_result(&result).cloned();
                        let missing = || format!("{}, step {at}: no diagnosis in {result:?}", self.name);
                        played.diagnosis = Some(diagnosis.ok_or_else(missing)?);
                    }
                    match result {
                        Ok(response) if matches!(step, Step::RefusedNextDoor) => {
                            format!(
                                "a call to another host, which may get the token, is answered {}",
                                response.status().as_u16()
                            )
                        }
                        Ok(response) => format!("a call is answered {}", response.status().as_u16()),
                        Err(_) => "a call cannot be sent".to_owned(),
                    }
                }
            };
            played.story.push(said);
        }
        Ok(Played {
            diagnosis: played.diagnosis.ok_or("a scenario without a refusal")?,
            sends: played.sends,
            token_requests: org.counters().token_requests,
            story: played.story,
        })
    }

    fn session(&self, org: &FakeOrg, neighbour: &FakeOrg) -> Result<Session, BoxError> {
        let client = Client::confidential(org.client_id(), org.client_secret());
        let host = LoginHost::my_domain(org.url());
        let builder = match self.grant {
            Grant::RefreshToken | Grant::KeptRefreshToken => {
                Session::builder(self.name, RefreshToken::new(client, host, org.issue_refresh_token()))
            }
            Grant::ClientCredentials => Session::builder(self.name, ClientCredentials::new(client, host)),
            Grant::JwtBearer => Session::builder(
                self.name,
                JwtBearer::with_signer(org.client_id(), org.username(), host, Seal),
            ),
        };
        let builder = builder.allow_origin(neighbour.url());
        Ok(builder.store(MemoryStore::volatile()).allow_loopback().build()?)
    }
}

#[derive(Default)]
struct Story {
    diagnosis: Option<Diagnosis>,
    sends: u64,
    story: Vec<String>,
}

fn request(step: &Step, neighbour: &FakeOrg) -> Result<Request<Full<Bytes>>, http::Error> {
    match step {
        Step::WriteRefused => Request::post("/services/data/v65.0/sobjects/Account")
            .header("content-type", "application/json")
            .body(Full::from(r#"{"Name":"Acme"}"#)),
        Step::RefusedNextDoor => {
            Request::get(format!("{}{LIMITS}", neighbour.instance_url())).body(Full::default())
        }
        _ => Ok(read()),
    }
}

const LIMITS: &str = "/services/data/v65.0/limits";

fn read() -> Request<Full<Bytes>> {
    let mut read = Request::new(Full::default());
    *read.uri_mut() = http::Uri::from_static(LIMITS);
    read
}
