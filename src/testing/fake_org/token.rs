//! The OAuth endpoints that take client credentials: token, revocation, introspection.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::AUTHORIZATION, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::{
    answers::{self, Answer, deliver, invalid_grant, oauth_error},
    api, assertion,
    body::{AnswerBody, Dropped},
    clock,
    conditions::{Asked, Part, Refusal},
    faults::{Delivery, Plan, TokenAnswer},
    form::Form,
    org::{Kind, Org, State},
    revocation::Revocation,
    state::{Issued, Living, Refreshed},
};
use crate::hmac;

/// What the user of every org consented to, and what is left of it without access to data.
const SCOPE: &str = "refresh_token api id";
const SCOPE_WITHOUT_API: &str = "refresh_token id";

/// Answers `POST /services/oauth2/token`.
pub(super) async fn answer(
    org: Arc<Org>,
    host: usize,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let under_way = org.under_way(Kind::Token);
    let (script, gate) = {
        let mut state = org.state();
        state.counters.token_requests += 1;
        (state.token_script.take(), state.held(Kind::Token))
    };
    let version = request.version();
    let (head, form) = read(request).await?;
    let (answered, answer) = oneshot::channel();
    // A request that has arrived is processed to its end, also when its client has gone: this is how a rotated refresh
    // token gets lost.
    org.spawn({
        let org = Arc::clone(&org);
        async move {
            let plan = plan(script.unwrap_or(TokenAnswer::Normal));
            let processing = match &plan {
                Plan::Process(_) => Processing::start(&org, &form, gate.is_some()),
                Plan::Answer(_) | Plan::Drop => Ok(None),
            };
            if let (Some(gate), Ok(_)) = (gate, &processing) {
                gate.pass(&head).await;
            }
            let (answer, delivery) = match (plan, &processing) {
                (Plan::Drop, _) => return,
                (Plan::Answer(answer), _) => (answer, Delivery::Whole),
                (Plan::Process(delivery), Ok(_)) => (exchange(&org, host, &head, &form), delivery),
                (Plan::Process(delivery), Err(AlreadyProcessing)) => {
                    (invalid_grant(ALREADY_PROCESSING), delivery)
                }
            };
            if !answer.status().is_success() {
                org.state().counters.token_requests_refused += 1;
            }
            // Over before the client knows: its next request is no concurrent one.
            drop((processing, under_way));
            // Nobody to tell: the client has gone.
            let _ = answered.send(deliver(answer, delivery, version));
        }
    });
    answer.await.unwrap_or(Err(Dropped))
}

/// The text since Winter '25 (Salesforce release notes); before, it was `expired authorization code`.
const ALREADY_PROCESSING: &str = "token request is already being processed";

struct AlreadyProcessing;

/// A refresh token whose request is under way; a second one meanwhile is refused.
struct Processing {
    org: Arc<Org>,
    refresh_token: String,
}

impl Processing {
    /// A request that is not held takes no time, so that nothing can come in its way.
    fn start(org: &Arc<Org>, form: &Form, held: bool) -> Result<Option<Self>, AlreadyProcessing> {
        let (Some("refresh_token"), Some(token)) = (form.get("grant_type"), form.get("refresh_token")) else {
            return Ok(None);
        };
        let mut state = org.state();
        if state.processing.contains(token) {
            return Err(AlreadyProcessing);
        }
        Ok(held.then(|| {
            state.processing.insert(token.to_owned());
            Self { org: Arc::clone(org), refresh_token: token.to_owned() }
        }))
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        self.org.state().processing.remove(&self.refresh_token);
    }
}

fn plan(script: TokenAnswer) -> Plan {
    Plan::Process(match script {
        TokenAnswer::Normal => Delivery::Whole,
        TokenAnswer::DropAfter => Delivery::Dropped,
        TokenAnswer::Truncate => Delivery::Truncated,
        TokenAnswer::Stall => Delivery::Stalled,
        TokenAnswer::Huge => Delivery::Huge,
        TokenAnswer::Patch(patch) => Delivery::Patched(patch),
        TokenAnswer::DropBefore => return Plan::Drop,
        TokenAnswer::Html(code) => return Plan::Answer(answers::html(answers::status(code))),
        TokenAnswer::Raw(answer) => return Plan::Answer(answer),
        TokenAnswer::AlreadyProcessing => return Plan::Answer(invalid_grant(ALREADY_PROCESSING)),
        TokenAnswer::InvalidGrant(description) => return Plan::Answer(invalid_grant(&description)),
        TokenAnswer::Error { error, description } => return Plan::Answer(oauth_error(&error, &description)),
    })
}

// === the grants ===

fn exchange(org: &Org, host: usize, head: &Parts, form: &Form) -> Answer {
    if let Some(answer) = not_here(org, host, head) {
        return answer;
    }
    if head.method != Method::POST {
        return oauth_error("invalid_request", "must use HTTP POST");
    }
    let issued = match form.get("grant_type") {
        Some("refresh_token") => refresh(org, head, form),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => assertion::check(org, form.get("assertion"))
            .map_err(|description| refusal("invalid_grant", description))
            .and_then(|()| new_session(org)),
        Some("client_credentials") => authenticate(org, head, form, true).and_then(|()| new_session(org)),
        _ => Err(refusal("unsupported_grant_type", "grant type not supported")),
    };
    match issued {
        Ok(issued) => {
            org.state().counters.tokens_issued += 1;
            answers::no_store(answers::json(StatusCode::OK, &response(org, issued)))
        }
        Err(refusal) => refusal.into(),
    }
}

/// A session without a refresh token, for a client that has shown who it is.
fn new_session(org: &Org) -> Result<Issued, Refusal> {
    let state = &mut *org.state();
    permit(state, false)?;
    Ok(state.grant(false))
}

fn permit(state: &State, refresh: bool) -> Result<(), Refusal> {
    match state.conditions.token_refusal(&Asked { refresh, places: state.places }) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

fn refusal(error: &'static str, description: &str) -> Refusal {
    Refusal(error, description.to_owned())
}

impl From<Refusal> for Answer {
    fn from(Refusal(error, description): Refusal) -> Self {
        oauth_error(error, &description)
    }
}

fn refresh(org: &Org, head: &Parts, form: &Form) -> Result<Issued, Refusal> {
    authenticate(org, head, form, org.facts.secret_required)?;
    let state = &mut *org.state();
    permit(state, true)?;
    let presented = form.get("refresh_token").unwrap_or_default();
    match state.sessions.refresh(presented, &mut state.clock, state.places.tokens) {
        Refreshed::Granted(issued) => Ok(issued),
        Refreshed::Reused { family_revoked } => {
            state.counters.refresh_tokens_reused += 1;
            state.counters.families_revoked += u64::from(family_revoked);
            Err(refusal("invalid_grant", Revocation::GONE))
        }
        Refreshed::Refused(description) => Err(Refusal("invalid_grant", description)),
    }
}

/// What answers in place of the org: a page, or a host that is not its own any more.
fn not_here(org: &Org, host: usize, head: &Parts) -> Option<Answer> {
    org.page(Part::OAuth)
        .or_else(|| org.has_left(host, head.uri.path()).then(|| api::left_host(org, host, head)))
}

/// Checks the client's id, and its secret if that is `required` or given; both may be in the form or in a Basic header.
fn authenticate(org: &Org, head: &Parts, form: &Form, required: bool) -> Result<(), Refusal> {
    let basic = basic(head);
    let (basic_id, basic_secret) = basic.as_deref().and_then(|text| text.split_once(':')).unzip();
    if form.get("client_id").or(basic_id) != Some(&org.facts.client_id) {
        return Err(refusal("invalid_client_id", "client identifier invalid"));
    }
    match form.get("client_secret").or(basic_secret) {
        None if !required => Ok(()),
        Some(secret) if secret == org.facts.client_secret => Ok(()),
        _ => Err(refusal("invalid_client", "invalid client credentials")),
    }
}

fn basic(head: &Parts) -> Option<String> {
    let value = head.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    String::from_utf8(BASE64.decode(encoded).ok()?).ok()
}

/// The classic token answer. There is no `expires_in`: Salesforce sends none for opaque tokens.
pub(super) fn response(org: &Org, issued: Issued) -> Value {
    let state = org.state();
    let login = state.hosts.first().map_or("", String::as_str);
    let id = identity_url(login, org);
    let issued_at = issued.issued_at.to_string();
    let mut fields = Map::new();
    fields.insert("signature".into(), signature(&org.facts.client_secret, &id, &issued_at).into());
    fields.insert("access_token".into(), issued.access_token.into());
    fields.insert("instance_url".into(), state.instance_url().into());
    fields.insert("id".into(), id.into());
    fields.insert("issued_at".into(), issued_at.into());
    fields.insert("scope".into(), scope(&state).into());
    fields.insert("token_type".into(), "Bearer".into());
    if let Some(refresh_token) = issued.refresh_token {
        fields.insert("refresh_token".into(), refresh_token.into());
    }
    Value::Object(fields)
}

fn scope(state: &State) -> &'static str {
    if state.conditions.api_scope_missing.is_some() { SCOPE_WITHOUT_API } else { SCOPE }
}

pub(super) fn identity_url(login: &str, org: &Org) -> String {
    format!("{login}/id/{}/{}", org.facts.org_id, org.facts.user_id)
}

/// Base64 of HMAC-SHA256 over the identity URL and `issued_at`, keyed with the consumer secret.
fn signature(client_secret: &str, id: &str, issued_at: &str) -> String {
    BASE64.encode(hmac::sha256(client_secret.as_bytes(), format!("{id}{issued_at}").as_bytes()))
}

// === revocation and introspection ===

/// Answers `/services/oauth2/revoke`: 200 without a body, or 400.
pub(super) async fn revoke(
    org: &Org,
    host: usize,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    org.state().counters.revocations += 1;
    let version = request.version();
    let (head, form) = read(request).await?;
    // GET with a query is allowed here, and only here.
    let query = Form::parse(head.uri.query().unwrap_or_default());
    let answer = match (not_here(org, host, &head), form.get("token").or(query.get("token"))) {
        (Some(answer), _) => answer,
        (None, None) => oauth_error("unsupported_token_type", "this token type is not supported"),
        (None, Some(token)) if org.state().sessions.revoke(token) => answers::empty(StatusCode::OK),
        (None, Some(_)) => oauth_error("invalid_token", "the token is not valid"),
    };
    deliver(answer, Delivery::Whole, version)
}

/// Answers `POST /services/oauth2/introspect`.
pub(super) async fn introspect(
    org: &Org,
    host: usize,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    org.state().counters.introspections += 1;
    let version = request.version();
    let (head, form) = read(request).await?;
    let answer = if let Some(answer) = not_here(org, host, &head) {
        answer
    } else if head.method != Method::POST {
        oauth_error("invalid_request", "must use HTTP POST")
    } else if authenticate(org, &head, &form, true).is_err() {
        oauth_error("invalid_client", "invalid client credentials")
    } else {
        let token = form.get("token").unwrap_or_default();
        answers::json(StatusCode::OK, &introspection(org, &mut org.state(), token))
    };
    deliver(answer, Delivery::Whole, version)
}

fn introspection(org: &Org, state: &mut State, token: &str) -> Value {
    let now = state.clock.now();
    let living = state.sessions.look_up(token, now).filter(|living| match living {
        Living::Session { started_from, .. } => !state.conditions.hides(*started_from, state.places),
        Living::RefreshToken => true,
    });
    let Some(living) = living else { return json!({ "active": false }) };
    let login = state.hosts.first().map_or("", String::as_str);
    let mut answer = json!({
        "active": true,
        "scope": scope(state),
        "client_id": org.facts.client_id,
        "username": org.facts.username,
        "sub": identity_url(login, org),
    });
    match living {
        // Seconds, where `issued_at` of the token answer is in milliseconds.
        Living::Session { idle_left, issued_at, .. } => {
            answer["token_type"] = "access_token".into();
            answer["exp"] = (clock::wall() + idle_left).as_secs().into();
            answer["iat"] = (issued_at / 1_000).into();
            answer["nbf"] = (issued_at / 1_000).into();
        }
        Living::RefreshToken => answer["token_type"] = "refresh_token".into(),
    }
    answer
}

async fn read(request: Request<Incoming>) -> Result<(Parts, Form), Dropped> {
    let (head, body) = request.into_parts();
    let body: Bytes = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let form = Form::parse(&String::from_utf8_lossy(&body));
    Ok((head, form))
}
