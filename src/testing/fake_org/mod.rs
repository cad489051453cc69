//! A Salesforce org on the loopback interface.
//!
//! [`FakeOrg`] is a real HTTP server (HTTP/1.1, and HTTP/2 by prior knowledge, on the same port) that behaves as
//! Salesforce does as far as authentication can tell. Point any client at it, of this crate or not, in Rust or
//! not: sessions end by idle time on a clock that the test moves, refresh tokens rotate and punish reuse, the org moves
//! to another host, and every answer can be dropped, cut short, delayed or replaced. How sessions and grants are refused
//! follows what public projects recorded from Salesforce: statuses, error codes and texts.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, StatusCode, header::AUTHORIZATION};
//! use http_body_util::{BodyExt, Full};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower_salesforce_auth::testing::{FakeOrg, TokenAnswer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let org = FakeOrg::start().await?;
//! let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//!
//! // A user consents: what the authorization code exchange answers, and what an application stores.
//! let consent: serde_json::Value = serde_json::from_str(&org.issue_token_response())?;
//! let limits = |token: &str| {
//!     Request::get(format!("{}/services/data/v65.0/limits", org.instance_url()))
//!         .header(AUTHORIZATION, format!("Bearer {token}"))
//!         .body(Full::default())
//! };
//! let answer = client.request(limits(consent["access_token"].as_str().unwrap_or_default())?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//!
//! // Two idle hours pass at once, and the session is dead.
//! org.advance(std::time::Duration::from_secs(2 * 60 * 60));
//! let answer = client.request(limits(consent["access_token"].as_str().unwrap_or_default())?).await?;
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//!
//! // A refresh, but its answer is lost on the way: the refresh token is spent all the same.
//! org.answer_token_requests(TokenAnswer::DropAfter.next(1));
//! let refresh = || {
//!     let form = format!(
//!         "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
//!         org.client_id(),
//!         org.client_secret(),
//!         consent["refresh_token"].as_str().unwrap_or_default(),
//!     );
//!     Request::post(format!("{}/services/oauth2/token", org.url())).body(Full::from(form))
//! };
//! assert!(client.request(refresh()?).await.is_err());
//!
//! // So trying again is reuse, which revokes the whole grant.
//! let answer = client.request(refresh()?).await?;
//! assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
//! let body = answer.into_body().collect().await?.to_bytes();
//! assert_eq!(body, r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#);
//! assert_eq!(org.counters().families_revoked, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What is served
//!
//! | resource | behaviour |
//! |---|---|
//! | `POST /services/oauth2/token` | the grants `refresh_token`, `urn:ietf:params:oauth:grant-type:jwt-bearer` and `client_credentials`. Two requests at once with one refresh token: the second gets `token request is already being processed`. An assertion's claims are checked, its signature is not |
//! | `/services/oauth2/revoke` | an access token ends its session, a refresh token its whole family |
//! | `POST /services/oauth2/introspect` | with the client's credentials, in the form or as Basic; wrong ones are `invalid_client` |
//! | `/services/oauth2/userinfo`, `/id/{org}/{user}` | a dead session is 403 `Bad_OAuth_Token` in plain text |
//! | `/services/data` | the versions, without a session |
//! | `/services/data/v65.0`, with or without a slash at the end | the resources |
//! | `/services/data/v65.0/limits` | and any other version of the form `vNN.0` |
//! | `/services/data/v65.0/query?q=…` | `SELECT … FROM <type> [LIMIT n]`, 2,000 records a page or the `batchSize` of `Sforce-Query-Options` (200 to 2,000), then `nextRecordsUrl` |
//! | `POST /services/data/v65.0/sobjects/{type}`, `GET …/{type}/{id}` | records that are created can be read and queried |
//! | `/services/apexrest/echo` | any method: the method, target, length and SHA-256 of what arrived |
//! | `/services/async/…` (Bulk API 1.0) | session in `X-SFDC-Session`; a dead one is 400 `InvalidSessionId`, in XML or JSON as the request |
//! | `/services/Soap/…` | session in the envelope (or, unlike Salesforce, in `Authorization`); a dead one is a 500 fault |
//!
//! Any accepted request resets its session's idle time. Request bodies are read to the end before anything is
//! answered, unless a script says otherwise; the echo holds no more than a frame of them.
//!
//! # Why a session is refused
//!
//! Every cause can be played, alone and together with others, and be taken back while the org runs. [`conditions`] tells
//! which one answers when several apply, and how sure each answer is.
//!
//! | cause | played by | ended by |
//! |---|---|---|
//! | idle time | [`advance`](FakeOrg::advance), [`expire_sessions`](FakeOrg::expire_sessions) | a refresh |
//! | another host | [`move_host`](FakeOrg::move_host) with a [`LeftHost`], or [`separate_login_host`](FakeOrgBuilder::separate_login_host) | going to the `instance_url` of a new token answer |
//! | another org | a token of one `FakeOrg` at another | |
//! | the session is locked to an address | [`IpLock`](conditions::IpLock) and [`place_clients`](FakeOrg::place_clients) | a refresh from where the client is now, or lifting |
//! | the app's IP policy | [`AppIpPolicy`](conditions::AppIpPolicy), [`RefreshIpAllowlist`](conditions::RefreshIpAllowlist) | lifting, or an allowed address |
//! | API Access Control | [`ApiAccessControl`](conditions::ApiAccessControl) | lifting |
//! | a missing scope | [`ApiScopeMissing`](conditions::ApiScopeMissing) | lifting |
//! | revocation | [`revoke`](FakeOrg::revoke) by the user, an admin or a new password; `/services/oauth2/revoke`; reuse of a spent refresh token | a new consent |
//! | the user or the app is gone | [`UserDeactivated`](conditions::UserDeactivated), [`AppBlocked`](conditions::AppBlocked) | lifting, then a refresh |
//! | too many grants | [`GrantCap`](conditions::GrantCap) | a new consent |
//! | read-only mode | [`ReadOnlyMode`](conditions::ReadOnlyMode) | lifting, then a refresh |
//! | maintenance | [`Maintenance`](conditions::Maintenance) | lifting |
//! | none: limits, a proxy, a firewall | [`RequestLimit`](conditions::RequestLimit), [`Intermediary`](conditions::Intermediary), or any [`ApiAnswer`] | lifting |
//!
//! [`IntrospectionInactive`](conditions::IntrospectionInactive) refuses nothing: it has introspection deny sessions that
//! live.
//!
//! # What differs from Salesforce
//!
//! It speaks plain HTTP on 127.0.0.1, which clients must be told to allow, and believes what it is told about their
//! addresses; any signature of a JWT is accepted; there are no profiles, and of scopes and IP rules only what is listed
//! above; one user and one app have any number of grants until a [`GrantCap`](conditions::GrantCap) is imposed; the login
//! host is the org's own until the org moves, unless it was built [separate](FakeOrgBuilder::separate_login_host);
//! conditions take effect at once, where Salesforce takes minutes for some; a token request takes no time, so that two
//! overlap only at a [`Gate`]. No recording was at hand of errors that are not about sessions or grants (revoking an
//! unknown token, a malformed query, a wrong method, an unknown Bulk resource): their texts are approximations, and so are
//! the values of cookies and limits. What is known of a refusal's status and text is said where it is chosen.
//!
//! # Control over HTTP
//!
//! For suites in other languages `cargo run --example fake_org` serves an org and prints its address and credentials
//! as JSON. It has [`FakeOrgBuilder::control_plane`] switched on: everything that a test decides is a request with a
//! query. Answers are JSON.
//!
//! | request | as |
//! |---|---|
//! | `POST /__fake/expire` | [`FakeOrg::expire_sessions`] |
//! | `POST /__fake/advance?seconds=7200` | [`FakeOrg::advance`] |
//! | `POST /__fake/revoke?by=user` | [`FakeOrg::revoke`]; by `user`, `admin` or `password-change` (`description`) |
//! | `POST /__fake/impose?kind=ip-lock` | [`FakeOrg::impose`]; kinds and parameters below |
//! | `POST /__fake/lift?kind=ip-lock` | [`FakeOrg::lift`]; without `kind` [`FakeOrg::lift_all`] |
//! | `POST /__fake/place?tokens=192.0.2.1&api=192.0.2.2` | [`FakeOrg::place_token_requests`], [`FakeOrg::place_api_requests`]; one of them may be left out |
//! | `POST /__fake/move` | [`FakeOrg::move_host`]; answers the new `instance_url` |
//! | `POST /__fake/consent` | [`FakeOrg::issue_token_response`] |
//! | `GET /__fake/counters` | [`FakeOrg::counters`] |
//! | `POST /__fake/token-answer?kind=drop-after&times=1` | [`FakeOrg::answer_token_requests`]; kinds `normal`, `drop-before`, `drop-after`, `truncate`, `stall`, `huge`, `html` (`status`), `patch` (`patch`, a JSON merge patch), `already-processing`, `error` (`description`, `error`) |
//! | `POST /__fake/api-answer?kind=dead-session&times=1` | [`FakeOrg::answer_api_requests`]; kinds `normal`, `drop-before`, `drop-after`, `truncate`, `stall`, `huge`, `html` (`status`), `patch`, `dead-session`, `early-dead-session` (`bytes`), `not-permitted`, `unrecognised`, `error` (`status`, `code`, `message`) |
//!
//! Without `times` an answer stays until the next one is chosen; `kind=normal` ends it.
//!
//! Parameters of [`conditions`] are named as their methods are; those without a value here take `true`.
//!
//! | `kind` | parameters |
//! |---|---|
//! | `ip-lock` | `wording` (`not-valid`, `expired`, `error` with `status`, `code`, `message`), `introspection_inactive`, `identity_served` |
//! | `app-ip-policy` | `allowing` (addresses with commas between them), `wording`, `identity_served` |
//! | `refresh-ip-allowlist` | `allowing`, `description` |
//! | `api-access-control` | `wording`, `tokens` (`app-not-installed`, `user-not-approved`) |
//! | `api-scope-missing` | `wording` |
//! | `user-deactivated` | `as_error` |
//! | `app-blocked` | `how` (`by-admin`, `uninstalled`, `external-app-uninstalled`, `deleted`) |
//! | `grant-cap` | `most` (a number), `counting_sessions` |
//! | `read-only-mode` | `status` (of a write), `reads_refused`, `sessions_survive` |
//! | `maintenance` | `page` (`html`, `edge`, `server-unavailable`), `also_at_token_endpoint`, `retry_after` (seconds) |
//! | `request-limit` | `limit` (`daily`, `concurrent`, `long-transactions`) |
//! | `intermediary` | `status`, `body` (`html`, `empty`, `json`), `also_at_token_endpoint` |
//! | `introspection-inactive` | |

mod answers;
mod api;
mod assertion;
mod body;
mod builder;
mod clock;
pub mod conditions;
mod control;
mod counters;
mod data;
mod dialect;
mod faults;
mod form;
mod gate;
mod handle;
mod legacy;
mod mint;
mod org;
mod revocation;
mod server;
mod state;
mod token;
mod upload;
mod userinfo;

pub use self::{
    api::LeftHost,
    builder::FakeOrgBuilder,
    counters::Counters,
    faults::{ApiAnswer, Script, TokenAnswer},
    gate::Gate,
    handle::FakeOrg,
    revocation::Revocation,
};
