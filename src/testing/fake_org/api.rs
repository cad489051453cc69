//! Everything that needs a session: which one was presented, whether it lives, how its death is told.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Version, header::AUTHORIZATION, request::Parts};
use hyper::body::Incoming;

use super::{
    answers::{self, Answer, deliver},
    body::{AnswerBody, Dropped},
    data,
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
    /// 301 with a `location` at the new host, as after a change of the My Domain.
    Redirect,
    /// 400 `URL_NOT_RESET`, as a login host answers.
    UrlNotReset,
    /// 401 with an empty body.
    Unrecognised,
}

/// One request, read.
pub(super) struct Call<'a> {
    pub(super) org: &'a Org,
    pub(super) head: &'a Parts,
    pub(super) body: &'a Upload,
}

/// The families of APIs, which differ in where the session is presented and in how a dead one is refused.
#[derive(Clone, Copy)]
enum Dialect {
    Rest,
    Identity,
    Bulk,
    Soap,
}

/// What a request says about its session.
pub(super) enum Credential {
    None,
    Malformed,
    Token(String),
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
        gate.pass().await;
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
        ApiAnswer::NotPermitted => return Plan::Answer(answers::session_not_permitted()),
        ApiAnswer::Unrecognised => return Plan::Answer(answers::empty(StatusCode::UNAUTHORIZED)),
        ApiAnswer::Error { status, code, message } => {
            return Plan::Answer(answers::rest_error(answers::status(status), &code, &message));
        }
    })
}

/// As Salesforce would.
fn process(call: &Call<'_>, host: usize) -> Answer {
    let path = call.head.uri.path();
    if call.org.has_left(host, path) {
        call.org.state().counters.refused += 1;
        return left_host(call.org, call.head);
    }
    if matches!(path, "/services/data" | "/services/data/") {
        return data::versions();
    }
    let dialect = Dialect::of(path);
    if let Some(refusal) = refusal(call, dialect) {
        call.org.state().counters.refused += 1;
        return refusal;
    }
    match dialect {
        Dialect::Rest => with_usage(data::answer(call), call.org),
        Dialect::Identity => userinfo::answer(call),
        Dialect::Bulk => legacy::bulk(call),
        Dialect::Soap => legacy::soap(call),
    }
}

/// Why a request is not let in. `None`: its session lives, and its idle time starts anew.
fn refusal(call: &Call<'_>, dialect: Dialect) -> Option<Answer> {
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
    if state.sessions.touch(&token, state.clock.now()) {
        return None;
    }
    let foreign = token.split_once('!').is_some_and(|(org, _)| org != fifteen(&call.org.facts.org_id));
    state.counters.foreign_tokens += u64::from(foreign);
    Some(dialect.dead_session(call.head))
}

impl Dialect {
    fn of(path: &str) -> Self {
        if path.starts_with("/services/async/") {
            Self::Bulk
        } else if path.starts_with("/services/Soap/") {
            Self::Soap
        } else if path.starts_with("/services/oauth2/") || path.starts_with("/id/") {
            Self::Identity
        } else {
            Self::Rest
        }
    }

    fn credential(self, call: &Call<'_>) -> Credential {
        match self {
            Self::Rest | Self::Identity => bearer(call.head),
            Self::Bulk => legacy::session_header(call.head),
            // Salesforce reads the envelope only. A client that cannot write into its body would get nowhere here,
            // so that the header is taken where the envelope has no session.
            Self::Soap => legacy::session_in_envelope(&call.body.bytes).unwrap_or_else(|| bearer(call.head)),
        }
    }

    fn dead_session(self, head: &Parts) -> Answer {
        match self {
            Self::Rest => answers::dead_session(head.version),
            Self::Identity => answers::text(StatusCode::FORBIDDEN, "Bad_OAuth_Token"),
            Self::Bulk => legacy::dead_bulk_session(head),
            Self::Soap => legacy::dead_soap_session(),
        }
    }

    fn no_session(self, head: &Parts) -> Answer {
        match self {
            Self::Identity => answers::text(StatusCode::FORBIDDEN, "Missing_OAuth_Token"),
            Self::Rest | Self::Bulk | Self::Soap => self.dead_session(head),
        }
    }
}

/// The token of `Authorization: Bearer …`; `OAuth` is an older name that Salesforce still takes.
fn bearer(head: &Parts) -> Credential {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Credential::None,
        (Some(value), None) => value,
        // F132: never two Authorization headers.
        (Some(_), Some(_)) => return Credential::Malformed,
    };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Credential::Malformed;
    };
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    if known && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Credential::Token(token.to_owned())
    } else {
        Credential::Malformed
    }
}

/// What a host says when its org has moved away.
pub(super) fn left_host(org: &Org, head: &Parts) -> Answer {
    org.state().counters.left_host_requests += 1;
    match org.facts.left_host {
        LeftHost::DeadSession => Dialect::of(head.uri.path()).dead_session(head),
        LeftHost::Redirect => {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            answers::moved_permanently(&format!("{}{target}", org.state().instance_url()))
        }
        LeftHost::UrlNotReset => answers::url_not_reset(),
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
