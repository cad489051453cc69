//! The bytes that leave: what everybody on the way can see, and keep.

use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{AuthError, SalesforceAuthLayer, reqwest::ReqwestService, testing::FakeOrg};

use crate::{
    frames::{AUTHORIZATION, Field, HEADERS, frames},
    net::{Tap, Version, session_at},
    support::get,
};

const LIMITS: &str = "/services/data/v65.0/limits";

/// A warm request, one that is refused, its resend: what the client wrote, on its one connection.
async fn three_sends(version: Version) -> Vec<u8> {
    let org = FakeOrg::start().await.unwrap();
    let tap = Tap::before(&org.url()).await;
    let salesforce = SalesforceAuthLayer::new(session_at(&org, &tap.server.url)).layer(version.client());
    for _ in 0..2 {
        let mut request = get(LIMITS);
        request.headers_mut().insert("host", "elsewhere.example".parse().unwrap());
        assert_eq!(salesforce.clone().oneshot(request).await.unwrap().status(), 200);
        org.expire_sessions();
    }
    assert_eq!((org.counters().requests, org.counters().refused, org.counters().token_requests), (3, 1, 2));
    tap.written().concat()
}

#[tokio::test]
async fn s08_every_send_over_http2_forbids_that_the_token_is_kept_in_a_compression_table() {
    let written = three_sends(Version::Http2).await;
    let heads: Vec<_> = frames(&written).into_iter().filter(|frame| frame.kind == HEADERS).collect();
    assert_eq!(heads.len(), 3);
    for head in heads {
        let named: Vec<_> = head
            .fields()
            .into_iter()
            .filter(|field| {
                matches!(field, Field::Incremental { name } | Field::NotIndexed { name } | Field::NeverIndexed { name }
                    if *name == AUTHORIZATION)
            })
            .collect();
        assert_eq!(named, [Field::NeverIndexed { name: AUTHORIZATION }], "S06: and there is one");
    }
}

#[tokio::test]
async fn s08_f138_no_request_of_any_api_carries_more_than_the_one_credential() {
    for target in [LIMITS, "/services/async/65.0/job", "/services/Soap/u/65.0", "/services/oauth2/userinfo"] {
        let org = FakeOrg::start().await.unwrap();
        let tap = Tap::before(&org.url()).await;
        let salesforce =
            SalesforceAuthLayer::new(session_at(&org, &tap.server.url)).layer(Version::Http2.client());
        salesforce.oneshot(get(target)).await.unwrap();
        let written = tap.written().concat();
        let heads: Vec<_> = frames(&written).into_iter().filter(|frame| frame.kind == HEADERS).collect();
        assert!(!heads.is_empty());
        for head in heads {
            let never = head.fields().into_iter().filter(|field| matches!(field, Field::NeverIndexed { .. }));
            assert_eq!(never.count(), 1, "{target}");
        }
    }
}

#[tokio::test]
async fn s06_every_send_over_http1_has_one_authorization_and_one_host_and_it_is_the_orgs() {
    let written = three_sends(Version::Http1).await;
    let written = String::from_utf8(written).unwrap().to_ascii_lowercase();
    let count = |text: &str| written.matches(text).count();
    assert_eq!((count(" http/1.1\r\n"), count("\r\nauthorization: bearer ")), (3, 3));
    assert_eq!((count("\r\nhost: "), count("\r\nhost: 127.0.0.1:"), count("elsewhere")), (3, 3, 0), "F132");
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
