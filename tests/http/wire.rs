//! The bytes that leave: what everybody on the way can see, and keep.

use std::future::ready;

use http::HeaderValue;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client as App, LoginHost, RefreshToken},
    reqwest::ReqwestService,
    store::MemoryStore,
    testing::FakeOrg,
};

use crate::{
    frames::{AUTHORIZATION, Field, HEADERS, SPELLED_OUT, frames},
    net::{Server, Tap, Version, answer, session_at, whole},
    support::get,
};

const LIMITS: &str = "/services/data/v65.0/limits";
const BULK: &str = "/services/async/65.0/job/750xx0000000001";

/// A warm request to `target`, one that is refused, its resend: what the client wrote, on its one connection.
async fn three_sends(version: Version, target: &str) -> Vec<u8> {
    let org = FakeOrg::start().await.unwrap();
    let tap = Tap::before(&org.url()).await;
    let salesforce = SalesforceAuthLayer::new(session_at(&org, &tap.server.url)).layer(version.client());
    for _ in 0..2 {
        let mut request = get(target);
        request.headers_mut().insert("host", "elsewhere.example".parse().unwrap());
        let response = salesforce.clone().oneshot(request).await.unwrap();
        assert!(Diagnosis::of(&response).is_none(), "{target}");
        org.expire_sessions();
    }
    assert_eq!((org.counters().requests, org.counters().refused, org.counters().token_requests), (3, 1, 2));
    tap.written().concat()
}

/// The header blocks of what a client wrote.
fn heads(written: &[u8]) -> Vec<Vec<Field>> {
    frames(written).into_iter().filter(|frame| frame.kind == HEADERS).map(|frame| frame.fields()).collect()
}

#[tokio::test]
async fn s06_s08_every_send_over_http2_has_one_credential_and_forbids_that_it_is_kept_in_a_compression_table()
{
    for (target, credential) in [
        (LIMITS, AUTHORIZATION),
        (BULK, SPELLED_OUT), // `x-sfdc-session`
        ("/services/Soap/u/65.0", AUTHORIZATION),
        ("/services/oauth2/userinfo", AUTHORIZATION),
    ] {
        let heads = heads(&three_sends(Version::Http2, target).await);
        assert_eq!(heads.len(), 3, "{target}");
        for head in heads {
            let credentials: Vec<_> =
                head.iter().filter(|field| field.is_never_indexed() || field.is_authorization()).collect();
            assert_eq!(credentials, [&Field::NeverIndexed { name: credential }], "{target}");
        }
    }
}

/// F132: as the layer's own are, so that they are worth no less to whoever can guess at them.
#[tokio::test]
async fn s08_credentials_of_the_callers_own_are_kept_in_no_compression_table_either() {
    let org = FakeOrg::start().await.unwrap();
    let tap = Tap::before(&org.url()).await;
    let salesforce =
        SalesforceAuthLayer::new(session_at(&org, &tap.server.url)).layer(Version::Http2.client());
    for name in ["authorization", "x-sfdc-session"] {
        let mut request = get(LIMITS);
        request.headers_mut().insert(name, "Bearer own".parse().unwrap());
        salesforce.clone().oneshot(request).await.unwrap();
    }
    let sensitive: Vec<Vec<_>> = heads(&tap.written().concat())
        .into_iter()
        .map(|head| head.into_iter().filter(Field::is_never_indexed).collect())
        .collect();
    let expected = [AUTHORIZATION, SPELLED_OUT].map(|name| vec![Field::NeverIndexed { name }]);
    assert_eq!(sensitive, expected);
}

#[tokio::test]
async fn s06_every_send_over_http1_has_one_credential_and_one_host_and_it_is_the_orgs() {
    for (target, credentials) in [(LIMITS, [3, 0]), (BULK, [0, 3])] {
        let written = three_sends(Version::Http1, target).await;
        let written = String::from_utf8(written).unwrap().to_ascii_lowercase();
        let count = |text: &str| written.matches(text).count();
        assert_eq!(count(" http/1.1\r\n"), 3);
        assert_eq!(["\r\nauthorization:", "\r\nx-sfdc-session:"].map(count), credentials, "{target}");
        assert_eq!(count(": bearer "), credentials[0]);
        assert_eq!(
            (count("\r\nhost:"), count("\r\nhost: 127.0.0.1:"), count("elsewhere")),
            (3, 3, 0),
            "F132"
        );
    }
}

/// The crate's own transport, to whose requests a redirect would be an order to present the refresh token elsewhere.
#[tokio::test]
async fn s09_a_redirect_of_the_token_endpoint_leads_not_a_byte_elsewhere() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start(|_| ready(answer(200, whole("{}")))).await;
        let location: HeaderValue = format!("{}/services/oauth2/token", elsewhere.url).parse().unwrap();
        let login = Server::start(move |_| {
            let mut redirect = answer(status, whole(""));
            redirect.headers_mut().insert("location", location.clone());
            ready(redirect)
        })
        .await;
        let app = App::confidential("client", "client-secret");
        let grant = RefreshToken::new(app, LoginHost::my_domain(&*login.url), "seed");
        let session = Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback();
        let error = session.build().unwrap().access_token().await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::OutcomeUnknown, "{status}: {error}");
        assert_eq!((login.connections(), elsewhere.connections()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn f137_no_error_of_a_client_below_repeats_the_query() {
    // A port that was just free, and on which nobody listens.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let org = FakeOrg::start().await.unwrap();
    let session = session_at(&org, &format!("http://{address}"));
    let layer = SalesforceAuthLayer::new(session);
    let target = "/services/data?token=canary";
    let reqwest = ReqwestService::build(reqwest::Client::builder()).unwrap();
    let errors = [
        layer.layer(Version::Http1.client()).oneshot(get(target)).await.unwrap_err(),
        layer.layer(Version::Http2.client()).oneshot(get(target)).await.unwrap_err(),
        layer.layer(reqwest).oneshot(get(target)).await.unwrap_err(),
        layer.layer(Version::Http1.client()).oneshot(get("https://evil.example/?canary")).await.unwrap_err(),
    ];
    for error in errors {
        let mut shown = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            shown += &format!(" {error} {error:?}");
            source = error.source();
        }
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(AuthError::find(&*error).is_some(), shown.contains("evil.example"));
    }
}
