//! Everything that needs a session: which one was presented, whether it lives, how its death is told.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Version, request::Parts};
use hyper::body::Incoming;

use super::{
    answers::{self, Answer, deliver},
    body::{AnswerBody, Dropped},
    conditions::{Part, Presented},
    data,
    dialect::{Credential, Dialect},
    faults::{ApiAnswer, Delivery, Plan},
    legacy,
    mint::fifteen,
    org::{Kind, Org},
    upload::{Upload, Wanted, discard},
    userinfo,
};

/// How a host answers after its org has moved away (every request but those to the login host's OAuth endpoints).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftHost {
    /// As for a session that is not known here, which is what the host of another org does.
    #[default]
    DeadSession,
    /// 301 with a `location` at the new host, as after a change of the My Domain (reported, SalesforceMobileSDK-iOS
    /// #3541).
    Redirect,
    /// 307 with a `location` at the new host (reported, ibid.).
    TemporaryRedirect,
    /// 302 to a login page at the new host, as `*.lightning.force.com` answers (reported, jsforce #1352).
    LoginRedirect,
    /// 400 `URL_NOT_RESET`, as a login host answers (recorded); Bulk API 1.0 `InvalidUrl`, SOAP `UNKNOWN_EXCEPTION`.
    UrlNotReset,
    /// 403 and a page of HTML (reported of a community's old site, SalesforceMobileSDK-Android #2339).
    ForbiddenPage,
    /// 401 with an empty body.
    Unrecognised,
}

/// One request, read.
pub(super) struct Call<'a> {
    pub(super) org: &'a Org,
    pub(super) head: &'a Parts,
    pub(super) body: &'a Upload,
}

pub(super) async fn answer(
    org: Arc<Org>,
    host: usize,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let _under_way = org.under_way(Kind::Api);
    let (script, gate) = {
        let mut state = org.state();
        state.counters.requests += 1;
        (state.api_script.take(), state.held(Kind::Api))
    };
    let script = script.unwrap_or(ApiAnswer::Normal);
    let wanted = match script {
        // F156: an early refusal leaves the upload where it is.
        ApiAnswer::EarlyDeadSession => Wanted::Beginning(0),
        ApiAnswer::MidwayDeadSession(bytes) => Wanted::Beginning(bytes),
        _ if data::is_echo(request.uri().path()) => Wanted::Digest,
        _ => Wanted::Bytes,
    };
    let (head, mut incoming) = request.into_parts();
    let body = Upload::read(&mut incoming, wanted).await?;
    if let Some(gate) = gate {
        gate.pass(&head).await;
    }
    let call = Call { org: &org, head: &head, body: &body };
    let (answer, delivery) = match plan(script, &call) {
        Plan::Drop => return Err(Dropped),
        Plan::Answer(answer) => {
            org.state().counters.refused += u64::from(!answer.status().is_success());
            (answer, Delivery::Whole)
        }
        Plan::Process(delivery) => (process(&call, host), delivery),
    };
    if matches!(wanted, Wanted::Beginning(_)) && head.version != Version::HTTP_2 {
        org.spawn(discard(incoming));
    }
    deliver(answer, delivery, head.version)
}

fn plan(script: ApiAnswer, call: &Call<'_>) -> Plan {
    let dialect = Dialect::of(call.head.uri.path());
    Plan::Process(match script {
        ApiAnswer::Normal => Delivery::Whole,
        ApiAnswer::DropAfter => Delivery::Dropped,
        ApiAnswer::Truncate => Delivery::Truncated,
        ApiAnswer::Stall => Delivery::Stalled,
        ApiAnswer::Huge => Delivery::Huge,
        ApiAnswer::Patch(patch) => Delivery::Patched(patch),
        ApiAnswer::DropBefore => return Plan::Drop,
        ApiAnswer::Html(code) => return Plan::Answer(answers::html(answers::status(code))),
        ApiAnswer::Raw(answer) => return Plan::Answer(answer),
        ApiAnswer::DeadSession | ApiAnswer::EarlyDeadSession | ApiAnswer::MidwayDeadSession(_) => {
            return Plan::Answer(dialect.dead_session(call.head));
        }
        ApiAnswer::NotPermitted => return Plan::Answer(dialect.not_permitted(call.head)),
        ApiAnswer::Unrecognised => return Plan::Answer(answers::empty(StatusCode::UNAUTHORIZED)),
        ApiAnswer::Error { status, code, message } => {
            return Plan::Answer(answers::rest_error(answers::status(status), &code, &message));
        }
    })
}

/// As Salesforce would.
fn process(call: &Call<'_>, host: usize) -> Answer {
    let path = call.head.uri.path();
    let dialect = Dialect::of(path);
    if let Some(refusal) = refusal(call, host, dialect) {
        call.org.state().counters.refused += 1;
        return refusal;
    }
    match dialect {
        _ if is_versions(path) => data::versions(),
        Dialect::Rest => with_usage(data::answer(call), call.org),
        Dialect::Identity => userinfo::answer(call),
        Dialect::Bulk => legacy::bulk(call),
        Dialect::Soap => legacy::soap(call),
    }
}

/// The resource that needs no session.
fn is_versions(path: &str) -> bool {
    matches!(path, "/services/data" | "/services/data/")
}

/// Why a request is not let in. The order is documented with the conditions.
fn refusal(call: &Call<'_>, host: usize, dialect: Dialect) -> Option<Answer> {
    let path = call.head.uri.path();
    if let Some(page) = call.org.page(Part::of(dialect)) {
        return Some(page);
    }
    if call.org.has_left(host, path) {
        return Some(left_host(call.org, host, call.head));
    }
    if is_versions(path) { None } else { session_refusal(call, dialect) }
}

/// Why a session is not let in. `None`: it is, and its idle time starts anew.
fn session_refusal(call: &Call<'_>, dialect: Dialect) -> Option<Answer> {
    let state = &mut *call.org.state();
    let token = match dialect.credential(call) {
        Credential::Token(token) => token,
        Credential::None => {
            state.counters.unauthenticated += 1;
            return Some(dialect.no_session(call.head));
        }
        Credential::Malformed => {
            state.counters.malformed_credentials += 1;
            return Some(answers::malformed_authorization());
        }
    };
    let now = state.clock.now();
    let Some(started_from) = state.sessions.started_from(&token, now) else {
        let foreign = token.split_once('!').is_some_and(|(org, _)| org != fifteen(&call.org.facts.org_id));
        state.counters.foreign_tokens += u64::from(foreign);
        return Some(dialect.dead_session(call.head));
    };
    let presented = Presented { dialect, head: call.head, started_from, places: state.places };
    if let Some(refusal) = state.conditions.refusal(&presented) {
        state.counters.living_sessions_refused += 1;
        return Some(refusal);
    }
    state.sessions.touch(&token, now);
    None
}

/// What a host says when its org has moved away.
pub(super) fn left_host(org: &Org, host: usize, head: &Parts) -> Answer {
    let here = {
        let state = &mut *org.state();
        state.counters.left_host_requests += 1;
        state.instance_url().to_owned()
    };
    let dialect = Dialect::of(head.uri.path());
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    match org.facts.left_host {
        _ if host == 0 && org.facts.separate_login_host => dialect.url_not_reset(head),
        LeftHost::DeadSession => dialect.dead_session(head),
        LeftHost::Redirect => answers::redirect(StatusCode::MOVED_PERMANENTLY, &format!("{here}{target}")),
        LeftHost::TemporaryRedirect => {
            answers::redirect(StatusCode::TEMPORARY_REDIRECT, &format!("{here}{target}"))
        }
        LeftHost::LoginRedirect => {
            let start = head.uri.path().replace('/', "%2F");
            answers::redirect(StatusCode::FOUND, &format!("{here}/?ec=302&startURL={start}"))
        }
        LeftHost::UrlNotReset => dialect.url_not_reset(head),
        LeftHost::ForbiddenPage => answers::page(
            StatusCode::FORBIDDEN,
            "<html><head><title>Forbidden</title></head><body></body></html>",
        ),
        LeftHost::Unrecognised => answers::empty(StatusCode::UNAUTHORIZED),
    }
}

/// Adds the header that tells how much of the daily allowance is used.
fn with_usage(mut answer: Answer, org: &Org) -> Answer {
    let usage = format!("api-usage={}/15000", org.state().counters.requests);
    if let Ok(usage) = HeaderValue::from_str(&usage) {
        answer.headers_mut().insert("sforce-limit-info", usage);
    }
    answer
}
