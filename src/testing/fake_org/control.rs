//! The control plane: the handle's methods over HTTP, for clients that are not written in Rust.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    answers::{Answer, deliver, json as answer_json},
    body::{AnswerBody, Dropped},
    counters::Counters,
    faults::{ApiAnswer, Delivery, Script, TokenAnswer},
    form::Form,
    org::Org,
    revocation::Revocation,
    token,
};

pub(super) const PREFIX: &str = "/__fake/";

/// Answers a request to the control plane, which is seen by no counter.
pub(super) async fn answer(
    org: &Arc<Org>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let (head, body) = request.into_parts();
    // Everything is said in the query.
    let _ = body.collect().await.map_err(|_| Dropped)?;
    let query = Form::parse(head.uri.query().unwrap_or_default());
    let command = head.uri.path().trim_start_matches(PREFIX);
    let answer = match run(org, &head.method, command, &query).await {
        Ok(value) => answer_json(StatusCode::OK, &value),
        Err(problem) => problem.into(),
    };
    deliver(answer, Delivery::Whole, head.version)
}

async fn run(org: &Arc<Org>, method: &Method, command: &str, query: &Form) -> Result<Value, Problem> {
    match (method.as_str(), command) {
        ("GET", "counters") => return Ok(counters(org.state().counters)),
        ("POST", "expire") => org.state().sessions.expire_all(),
        ("POST", "revoke") => org.state().sessions.revoke_all(&revocation(query)?),
        ("POST", "impose") => org.state().impose_from(query)?,
        ("POST", "lift") => org.state().lift_from(query)?,
        ("POST", "place") => {
            let (tokens, api) = (address(query, "tokens")?, address(query, "api")?);
            if tokens.or(api).is_none() {
                return Err(Problem::Missing("tokens"));
            }
            let places = &mut org.state().places;
            places.tokens = tokens.unwrap_or(places.tokens);
            places.api = api.unwrap_or(places.api);
        }
        ("POST", "advance") => {
            let seconds = number(query, "seconds")?.ok_or(Problem::Missing("seconds"))?;
            org.state().clock.advance(Duration::from_secs(seconds));
        }
        ("POST", "move") => return Ok(json!({ "instance_url": org.move_host().await })),
        ("POST", "consent") => {
            let issued = org.state().grant(true);
            return Ok(token::response(org, issued));
        }
        ("POST", "token-answer") => {
            let script = scripted(token_answer(query)?, query, TokenAnswer::next)?;
            org.state().token_script = script;
        }
        ("POST", "api-answer") => {
            let script = scripted(api_answer(query)?, query, ApiAnswer::next)?;
            org.state().api_script = script;
        }
        _ => return Err(Problem::Unknown),
    }
    Ok(json!({ "ok": true }))
}

fn counters(counters: Counters) -> Value {
    // Taken apart by name: a new counter that is forgotten here does not compile.
    let Counters {
        requests,
        refused,
        living_sessions_refused,
        pages,
        unauthenticated,
        malformed_credentials,
        foreign_tokens,
        left_host_requests,
        max_concurrent_requests,
        token_requests,
        token_requests_refused,
        max_concurrent_token_requests,
        tokens_issued,
        refresh_tokens_reused,
        families_revoked,
        grants_evicted,
        revocations,
        introspections,
        connections,
    } = counters;
    json!({
        "requests": requests,
        "refused": refused,
        "living_sessions_refused": living_sessions_refused,
        "pages": pages,
        "unauthenticated": unauthenticated,
        "malformed_credentials": malformed_credentials,
        "foreign_tokens": foreign_tokens,
        "left_host_requests": left_host_requests,
        "max_concurrent_requests": max_concurrent_requests,
        "token_requests": token_requests,
        "token_requests_refused": token_requests_refused,
        "max_concurrent_token_requests": max_concurrent_token_requests,
        "tokens_issued": tokens_issued,
        "refresh_tokens_reused": refresh_tokens_reused,
        "families_revoked": families_revoked,
        "grants_evicted": grants_evicted,
        "revocations": revocations,
        "introspections": introspections,
        "connections": connections,
    })
}

fn token_answer(query: &Form) -> Result<TokenAnswer, Problem> {
    Ok(match query.get("kind").ok_or(Problem::Missing("kind"))? {
        "normal" => TokenAnswer::Normal,
        "drop-before" => TokenAnswer::DropBefore,
        "drop-after" => TokenAnswer::DropAfter,
        "truncate" => TokenAnswer::Truncate,
        "stall" => TokenAnswer::Stall,
        "huge" => TokenAnswer::Huge,
        "html" => TokenAnswer::Html(status(query, 503)?),
        "patch" => TokenAnswer::Patch(patch(query)?),
        "already-processing" => TokenAnswer::AlreadyProcessing,
        "error" => TokenAnswer::Error {
            error: query.get("error").unwrap_or("invalid_grant").to_owned(),
            description: query.get("description").ok_or(Problem::Missing("description"))?.to_owned(),
        },
        _ => return Err(Problem::Malformed("kind")),
    })
}

fn api_answer(query: &Form) -> Result<ApiAnswer, Problem> {
    Ok(match query.get("kind").ok_or(Problem::Missing("kind"))? {
        "normal" => ApiAnswer::Normal,
        "drop-before" => ApiAnswer::DropBefore,
        "drop-after" => ApiAnswer::DropAfter,
        "truncate" => ApiAnswer::Truncate,
        "stall" => ApiAnswer::Stall,
        "huge" => ApiAnswer::Huge,
        "html" => ApiAnswer::Html(status(query, 503)?),
        "patch" => ApiAnswer::Patch(patch(query)?),
        "dead-session" => ApiAnswer::DeadSession,
        "early-dead-session" => match number(query, "bytes")? {
            None => ApiAnswer::EarlyDeadSession,
            Some(bytes) => ApiAnswer::MidwayDeadSession(bytes),
        },
        "not-permitted" => ApiAnswer::NotPermitted,
        "unrecognised" => ApiAnswer::Unrecognised,
        "error" => ApiAnswer::Error {
            status: status(query, 503)?,
            code: query.get("code").ok_or(Problem::Missing("code"))?.to_owned(),
            message: query.get("message").unwrap_or_default().to_owned(),
        },
        _ => return Err(Problem::Malformed("kind")),
    })
}

/// `times` bounds an answer; without it the answer stays.
fn scripted<A: Clone>(
    answer: A,
    query: &Form,
    next: impl Fn(A, u64) -> Script<A>,
) -> Result<Script<A>, Problem> {
    Ok(match number(query, "times")? {
        Some(times) => next(answer, times),
        None => answer.into(),
    })
}

fn revocation(query: &Form) -> Result<Revocation, Problem> {
    let revocation = match query.get("by") {
        None | Some("user") => Revocation::by_user(),
        Some("admin") => Revocation::by_admin(),
        Some("password-change") => Revocation::by_password_change(),
        Some(_) => return Err(Problem::Malformed("by")),
    };
    Ok(match query.get("description") {
        Some(description) => revocation.description(description),
        None => revocation,
    })
}

pub(super) fn status(query: &Form, otherwise: u16) -> Result<u16, Problem> {
    let status = number(query, "status")?.unwrap_or(otherwise.into());
    u16::try_from(status).map_err(|_| Problem::Malformed("status"))
}

fn address(query: &Form, name: &'static str) -> Result<Option<IpAddr>, Problem> {
    query.get(name).map(|value| value.parse().map_err(|_| Problem::Malformed(name))).transpose()
}

fn patch(query: &Form) -> Result<Value, Problem> {
    let patch = query.get("patch").ok_or(Problem::Missing("patch"))?;
    serde_json::from_str(patch).map_err(|_| Problem::Malformed("patch"))
}

pub(super) fn number(query: &Form, name: &'static str) -> Result<Option<u64>, Problem> {
    query.get(name).map(|value| value.parse().map_err(|_| Problem::Malformed(name))).transpose()
}

/// What is wrong with a command.
pub(super) enum Problem {
    Unknown,
    Missing(&'static str),
    Malformed(&'static str),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let (status, text) = match problem {
            Problem::Unknown => (StatusCode::NOT_FOUND, "no such command".to_owned()),
            Problem::Missing(name) => {
                (StatusCode::BAD_REQUEST, format!("the query parameter `{name}` is missing"))
            }
            Problem::Malformed(name) => {
                (StatusCode::BAD_REQUEST, format!("the query parameter `{name}` cannot be read"))
            }
        };
        answer_json(status, &json!({ "error": text }))
    }
}
