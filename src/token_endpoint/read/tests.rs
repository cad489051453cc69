use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::{Response, header};
use http_body::{Body, Frame};

use super::*;
use crate::{
    BoxError, clock,
    grant::LoginHost,
    instance_url::HostPolicy,
    refusal::Verdict,
    token_endpoint::{
        Transport,
        in_memory::{Reply, at, endpoint},
    },
};

const TOKEN: &str = "00Dxx0000000000!canary";

fn acme() -> InstanceUrl {
    "https://acme.my.salesforce.com".parse().unwrap()
}

async fn look(endpoint: &TokenEndpoint, resource: Resource) -> Result<ReadAnswer, TokenError> {
    endpoint.read(&acme(), resource, &Secret::new(TOKEN)).await
}

#[tokio::test]
async fn f186_s07_each_resource_is_read_once_at_the_org_with_one_sensitive_token() {
    for (resource, url) in [
        (Resource::Identity, "https://acme.my.salesforce.com/services/oauth2/userinfo"),
        (Resource::Rest, "https://acme.my.salesforce.com/services/data/v60.0/"),
    ] {
        let (endpoint, requests) = endpoint(Reply::ok("{}"));
        let answer = look(&endpoint, resource).await.unwrap();
        assert_eq!((answer.status, answer.refusal().verdict), (StatusCode::OK, Verdict::NotAuth));
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        let asked = &requests[0];
        assert_eq!((asked.method.as_str(), asked.uri.to_string().as_str()), ("GET", url));
        let credentials: Vec<_> = asked.headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(credentials, [&*format!("Bearer {TOKEN}")]);
        assert!(credentials[0].is_sensitive());
        assert!(!asked.headers.contains_key(header::ACCEPT_ENCODING));
        assert!(!format!("{asked:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_refusal_is_classified_as_the_api_that_was_asked_speaks() {
    const DEAD: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    const NOT_PERMITTED: &str = r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#;
    for (resource, status, body, verdict) in [
        (Resource::Identity, 403, "Bad_OAuth_Token", Verdict::SessionExpired),
        (Resource::Rest, 403, "Bad_OAuth_Token", Verdict::Forbidden),
        (Resource::Rest, 401, DEAD, Verdict::SessionExpired),
        (Resource::Rest, 401, NOT_PERMITTED, Verdict::SessionNotPermitted),
        (Resource::Rest, 503, "<html>", Verdict::OrgUnavailable),
    ] {
        let (endpoint, requests) = endpoint(Reply::new(StatusCode::from_u16(status).unwrap(), body));
        let answer = look(&endpoint, resource).await.unwrap();
        assert_eq!(answer.refusal().verdict, verdict, "{status} {body}");
        assert_eq!(requests.lock().unwrap().len(), 1, "it is not repeated");
    }
}

#[tokio::test]
async fn f110_a_redirect_is_an_answer_and_not_followed() {
    let login = "https://acme.my.salesforce.com/?ec=302&startURL=%2Fservices";
    let (endpoint, requests) = endpoint(Reply::new(StatusCode::FOUND, "").header(header::LOCATION, login));
    let answer = look(&endpoint, Resource::Rest).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.headers[header::LOCATION], login);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

/// A body of endless frames, or one that stops after the first.
struct Endless {
    frame: &'static [u8],
    stops: bool,
    polled: Arc<AtomicUsize>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.polled.fetch_add(1, Ordering::Relaxed) {
            1.. if self.stops => Poll::Pending,
            _ => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.frame))))),
        }
    }
}

/// An endpoint that answers with such a body and status 401, and the count of the frames that were taken.
fn endless(frame: &'static [u8], stops: bool) -> (TokenEndpoint, Arc<AtomicUsize>) {
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let transport = Transport::new(tower::service_fn(move |_: Request<Full<Bytes>>| {
        let mut response = Response::new(Endless { frame, stops, polled: Arc::clone(&counted) });
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        std::future::ready(Ok::<_, BoxError>(response))
    }));
    (at(LoginHost::Production, transport), polled)
}

#[tokio::test]
async fn f139_of_an_endless_body_16_kib_are_kept() {
    let (endpoint, polled) = endless(&[b' '; 1024], false);
    let answer = look(&endpoint, Resource::Rest).await.unwrap();
    assert_eq!(answer.body.len(), 16 * 1024);
    assert_eq!(polled.load(Ordering::Relaxed), 17);
}

#[tokio::test(start_paused = true)]
async fn f105_f139_a_body_that_stops_counts_as_far_as_it_came() {
    let dead = br#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}"#;
    let (endpoint, _) = endless(dead, true);
    let begun = clock::now();
    let answer = look(&endpoint, Resource::Rest).await.unwrap();
    assert_eq!(answer.refusal().verdict, Verdict::SessionExpired);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn f105_an_org_that_never_answers_is_left_after_five_seconds() {
    let silent = Transport::new(tower::service_fn(|_: Request<Full<Bytes>>| {
        std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>()
    }));
    let begun = clock::now();
    let error = look(&at(LoginHost::Production, silent), Resource::Identity).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (TokenErrorKind::OutcomeUnknown, 5));
}

#[tokio::test]
async fn f096_a_refused_connection_is_told_as_not_sent() {
    let closed = Transport::new(tower::service_fn(|_: Request<Full<Bytes>>| {
        std::future::ready(Err::<Response<Full<Bytes>>, _>(io::Error::from(io::ErrorKind::ConnectionRefused)))
    }));
    let error = look(&at(LoginHost::Production, closed), Resource::Rest).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::NotSent);
}

#[tokio::test]
async fn f109_a_token_that_no_header_can_carry_sends_nothing_and_is_not_shown() {
    let (endpoint, requests) = endpoint(Reply::ok(""));
    let error = endpoint.read(&acme(), Resource::Rest, &Secret::new("canary\r\nx: y")).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::NotSent);
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn f185_debug_shows_neither_cookies_nor_the_user() {
    let (endpoint, _) = endpoint(Reply::ok("canary").header(header::SET_COOKIE, "sid=canary"));
    let answer = look(&endpoint, Resource::Identity).await.unwrap();
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
}

#[cfg(all(feature = "hyper-client", feature = "testing"))]
#[tokio::test]
async fn a_fake_org_tells_a_living_session_from_a_dead_one_on_real_sockets() {
    use crate::{grant::Client, testing::FakeOrg};

    let org = FakeOrg::start().await.unwrap();
    let policy = HostPolicy { loopback: true, ..HostPolicy::default() };
    let instance = InstanceUrl::parse_with(&org.instance_url(), policy).unwrap();
    let endpoint = at(LoginHost::my_domain(org.url()), Transport::hyper().unwrap());
    let token = Secret::new(org.issue_access_token());
    let client = Client::confidential(org.client_id(), org.client_secret());

    for (resource, alive, dead) in [
        (Resource::Identity, StatusCode::OK, StatusCode::FORBIDDEN),
        (Resource::Rest, StatusCode::OK, StatusCode::UNAUTHORIZED),
    ] {
        let answer = endpoint.read(&instance, resource, &token).await.unwrap();
        assert_eq!((answer.status, answer.refusal().verdict), (alive, Verdict::NotAuth));
        let unknown = Secret::new(format!("{}!unknown", &org.org_id()[..15]));
        let answer = endpoint.read(&instance, resource, &unknown).await.unwrap();
        assert_eq!((answer.status, answer.refusal().verdict), (dead, Verdict::SessionExpired));
    }

    let told = endpoint.introspect(&client, &token).await.unwrap();
    assert_eq!((told.active, told.username.as_deref()), (true, Some(org.username())));
    let (Some(expires_at), Some(now)) = (told.expires_at, told.server_time) else { panic!("{told:?}") };
    assert!(expires_at > now, "{told:?}");
    org.expire_sessions();
    assert!(!endpoint.introspect(&client, &token).await.unwrap().active);

    let counters = org.counters();
    assert_eq!((counters.requests, counters.introspections, counters.token_requests), (4, 2, 0));
}
