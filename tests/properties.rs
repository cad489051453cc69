//! What holds for every input, on the crate's public face.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, LazyLock, Mutex},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    uri::{Parts, PathAndQuery},
};
use http_body_util::Full;
use proptest::prelude::*;
use support::Org;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, InstanceUrl, SalesforceAuthLayer, Secret,
    refusal::{self, Head, Verdict},
    token_endpoint::{TokenError, TokenErrorKind, TokenResponse},
};
use url::Url;

const HOME: &str = "acme.my.salesforce.com";

fn cases(cases: u32) -> ProptestConfig {
    // A finding becomes a test of its own, with a name: no file of seeds is written.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

// === requests ===

/// What reached the client below the layer.
type Sent = Arc<Mutex<Vec<Uri>>>;
type Ask = Request<Full<Bytes>>;
type Reply = Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// Sends a request to `uri` through the layer; what was sent below, or why nothing was.
fn through(uri: Uri) -> Result<Uri, AuthErrorKind> {
    static SESSION: LazyLock<tower_salesforce_auth::Session> = LazyLock::new(|| {
        let session = Org::new().session();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(session.access_token()).unwrap();
        session
    });
    let sent = Sent::default();
    let seen = Arc::clone(&sent);
    let inner = service_fn(move |request: Ask| -> Reply {
        assert!(request.headers()["authorization"].is_sensitive());
        seen.lock().unwrap().push(request.uri().clone());
        ready(Ok(Response::default()))
    });
    let mut service = SalesforceAuthLayer::new(SESSION.clone()).layer(inner);
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri;
    // The token is there and the client answers at once: nothing has to be waited for.
    service.ready().now_or_never().unwrap().unwrap();
    let result = service.call(request).now_or_never().unwrap();
    let sent = sent.lock().unwrap();
    match result {
        Ok(_) => {
            assert_eq!(sent.len(), 1);
            Ok(sent[0].clone())
        }
        Err(error) => {
            assert!(sent.is_empty(), "an error, and yet something was sent");
            Err(AuthError::find(&*error).unwrap().kind())
        }
    }
}

fn authority() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(HOME.to_owned()),
        Just(format!("{HOME}:443")),
        Just(format!("{HOME}.")),
        Just("ACME.my.Salesforce.com".to_owned()),
        "[a-zA-Z0-9.@:\\[\\]%-]{1,40}",
        "[a-z]{0,5}[@:.]?acme\\.my\\.salesforce\\.com[@:.]?[a-z0-9.]{0,12}",
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// F131: whatever the target, it arrives below byte for byte, on the org's own host.
    #[test]
    fn f131_a_relative_target_keeps_every_byte(target in "[/?][!-~é]{0,80}") {
        let Ok(path) = PathAndQuery::try_from(target.as_str()) else { return Ok(()) };
        // Both ways to such a URI: put together from its parts, and parsed, which takes a slash.
        let mut parts = Parts::default();
        parts.path_and_query = Some(path);
        let parsed = target.starts_with('/').then(|| target.parse().unwrap());
        for uri in [Uri::from_parts(parts).ok(), parsed].into_iter().flatten() {
            let before = uri.path_and_query().cloned();
            let after = through(uri).unwrap();
            prop_assert_eq!(after.path_and_query(), before.as_ref());
            prop_assert_eq!((after.scheme_str(), after.authority().unwrap().as_str()), (Some("https"), HOME));
            let theirs = Url::parse(&after.to_string()).unwrap();
            prop_assert_eq!((theirs.host_str(), theirs.username(), theirs.port()), (Some(HOME), "", None));
        }
    }

    /// F119, F129: an absolute target gets the token only if every parser takes it for the org's.
    #[test]
    fn f129_an_absolute_target_is_the_orgs_or_nothing_is_sent(
        scheme in "https?|HTTPS|ftp",
        authority in authority(),
        target in "([/?][!-~]{0,40})?",
    ) {
        let Ok(uri) = format!("{scheme}://{authority}{target}").parse::<Uri>() else { return Ok(()) };
        let before = uri.path_and_query().cloned();
        match through(uri.clone()) {
            Ok(after) => {
                prop_assert_eq!(after.path_and_query(), before.as_ref());
                prop_assert_eq!(after.authority().unwrap().as_str(), HOME);
                let theirs = Url::parse(&uri.to_string()).unwrap();
                prop_assert_eq!(theirs.host_str().map(|host| host.trim_end_matches('.')), Some(HOME));
                prop_assert_eq!((theirs.scheme(), theirs.port(), theirs.username()), ("https", None, ""));
            }
            Err(kind) => prop_assert_eq!(kind, AuthErrorKind::ForeignOrigin),
        }
    }

    #[test]
    fn no_target_at_all_makes_the_layer_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut parts = Parts::default();
        parts.path_and_query = PathAndQuery::try_from(bytes.as_slice()).ok();
        for uri in [Uri::try_from(bytes).ok(), Uri::from_parts(parts).ok()].into_iter().flatten() {
            let _ = through(uri);
        }
    }
}

// === instance URLs ===

fn instance_url() -> impl Strategy<Value = String> {
    prop_oneof![
        "(https|HTTPS|http|ftp)?(://|:|:/|:///)?[!-~]{0,20}(\\.my)?\\.salesforce\\.com[!-~]{0,6}",
        "https://[a-zA-Z0-9.-]{1,70}\\.(salesforce|force|cloudforce)\\.(com|mil)\\.?(:443|:0443|:)?/?",
        "https://(xn--[a-z0-9]{1,6}|0x[0-9a-f]{1,8}|[0-9]{1,10}|аcme|acme。my)\\.salesforce\\.com",
        "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(cases(4_000))]

    /// F119 to F127: what passes means to `url` and `http` what it means here.
    #[test]
    fn f126_an_instance_url_is_read_alike_by_all_or_refused(text in instance_url()) {
        let url = match InstanceUrl::parse(&text) {
            Ok(url) => url,
            Err(error) => {
                let shown = error.to_string();
                prop_assert!(shown.len() < 1024 && !shown.contains(char::is_control), "{shown:?}");
                return Ok(());
            }
        };
        let theirs = Url::parse(&text).unwrap();
        prop_assert_eq!(theirs.host_str().map(|host| host.strip_suffix('.').unwrap_or(host)), Some(url.authority().host()));
        prop_assert_eq!((theirs.scheme(), theirs.port(), theirs.path()), ("https", None, "/"));
        prop_assert_eq!((theirs.username(), theirs.password(), theirs.query(), theirs.fragment()), ("", None, None, None));
        let printed = url.to_string();
        let uri: Uri = printed.parse().unwrap();
        prop_assert_eq!(uri.authority(), Some(url.authority()));
        prop_assert_eq!(InstanceUrl::parse(&printed), Ok(url));
    }
}

// === refusals ===

const PATHS: [&str; 6] = [
    "/services/data/v65.0",
    "/services/async/65.0/job",
    "/services/Soap/u/65.0",
    "/id/x/y",
    "/services/oauth2/userinfo",
    "",
];

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn f139_f144_reading_a_refusal_is_total_and_bounded(
        status in 100_u16..1000,
        path in prop::sample::select(&PATHS),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "(\\[?\\{\"(errorCode|message|exceptionCode)\":\"(INVALID_SESSION_ID|InvalidSessionId|[ -~]{0,20})\"[\\[\\]{},:\" a-z]{0,40}){1,4}".prop_map(String::into_bytes),
            "(<[a-zA-Z:]{1,12}>(sf:INVALID_SESSION_ID|[ -~]{0,20})(</[a-zA-Z:]{1,12}>|<!\\[CDATA\\[|&#x?[0-9a-f]{0,4};)){1,6}".prop_map(String::into_bytes),
        ],
        repeat in 1_usize..100,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let headers = HeaderMap::new();
        let head = Head::new(status, &headers, path);
        let body = body.repeat(repeat);
        let read = refusal::read(head, &body);
        prop_assert_eq!(read.verdict, refusal::classify(head, &body));
        prop_assert_eq!(&read, &refusal::read(head, &body[..body.len().min(16 * 1024)]));
        for text in read.code.iter().chain(&read.message) {
            prop_assert!(text.len() <= 256 + '…'.len_utf8() && !text.contains(char::is_control), "{text:?}");
        }
        if !refusal::is_candidate(head) {
            prop_assert_eq!(read.verdict, Verdict::NotAuth);
        }
        // F141: an encoded body is not looked at.
        let encoded = HeaderMap::from_iter([(http::header::CONTENT_ENCODING, HeaderValue::from_static("br"))]);
        let head = Head::new(status, &encoded, path);
        prop_assert_eq!(refusal::read(head, &body), refusal::read(head, b""));
    }
}

// === token answers ===

const ACCESS: &str = "00DR0000000KvIt!AQ.access_0123456789";
const REFRESH: &str = "5Aep861.refresh_0123456789";

/// A whole answer, its fields in any order.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let fields = [
        ("access_token", ACCESS),
        ("refresh_token", REFRESH),
        ("instance_url", "https://acme.my.salesforce.com"),
        ("id", "https://login.salesforce.com/id/00DR0000000KvItMAK/005R0000000pgIjIAI"),
        ("token_type", "Bearer"),
        ("issued_at", "1779461039475"),
        ("scope", "api refresh_token"),
    ];
    Just(fields.map(|(name, value)| format!("\"{name}\":\"{value}\"")).to_vec())
        .prop_shuffle()
        .prop_map(|fields| format!("{{{}}}", fields.join(",")).into_bytes())
}

fn well_formed(token: &Secret) -> bool {
    let token = token.expose();
    (1..=8192).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn kept(read: &Result<TokenResponse, TokenError>) -> Option<&str> {
    read.as_ref().map_or_else(TokenError::kept, TokenResponse::refresh_token).map(Secret::expose)
}

/// Where the refresh token and the quote behind it end.
fn end_of_refresh_token(body: &[u8]) -> usize {
    body.windows(REFRESH.len()).position(|window| window == REFRESH.as_bytes()).unwrap() + REFRESH.len() + 1
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// F107, F109: an answer with a few changed bytes has the tokens that stand in it, or is an error with a kind.
    #[test]
    fn f107_a_mutated_answer_yields_its_own_tokens_or_a_typed_error(
        body in answer(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut body = body;
        for (at, byte) in &changes {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        let read = TokenResponse::from_json(&body);
        match &read {
            Ok(answer) => {
                for token in [Some(answer.access_token()), answer.refresh_token()].into_iter().flatten() {
                    prop_assert!(well_formed(token));
                }
                // What `serde_json` reads, and nothing that stands nowhere.
                // A field that nobody reads may hold anything, also what is not UTF-8.
                let theirs: HashMap<String, serde_json::Value> =
                    serde_json::from_str(&String::from_utf8_lossy(&body)).expect("what passes is JSON");
                prop_assert_eq!(theirs["access_token"].as_str(), Some(answer.access_token().expose()));
                prop_assert_eq!(
                    theirs.get("refresh_token").and_then(|token| token.as_str()),
                    answer.refresh_token().map(Secret::expose)
                );
                if changes.is_empty() {
                    prop_assert_eq!((answer.access_token().expose(), kept(&read)), (ACCESS, Some(REFRESH)));
                }
            }
            Err(error) => {
                prop_assert!(error.kept().is_none_or(well_formed));
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("access_0123") && !shown.contains("refresh_0123"), "{shown}");
            }
        }
    }

    /// F024, F025: an answer that breaks off, or goes on with rubbish, keeps a refresh token that came through whole.
    #[test]
    fn f025_a_refresh_token_that_came_through_is_never_lost(
        body in answer(),
        cut in any::<prop::sample::Index>(),
        rubbish in "[^\\\\]{0,40}",
    ) {
        let whole = end_of_refresh_token(&body);
        let cut = whole + cut.index(body.len() - whole);
        let mut body = body[..cut].to_vec();
        body.extend_from_slice(rubbish.as_bytes());
        // Another value under the same name would leave none of the two.
        prop_assume!(!rubbish.contains("refresh"));
        let read = TokenResponse::from_json(&body);
        prop_assert_eq!(kept(&read), Some(REFRESH));
        if let Err(error) = read {
            prop_assert_ne!(error.kind(), TokenErrorKind::OutcomeUnknown);
        }
    }
}
