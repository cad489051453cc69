//! Where a request goes and what it carries.

use http::{Method, Request, Version, header};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Outcome, Reconnect, SalesforceAuthLayer, token_endpoint::TokenResponse,
};

use super::{
    FIRST_HOST, SECOND_HOST, auth, connected, kind,
    probe::{Mark, NEW, OLD, Probe, token},
    request,
    support::{EXPIRED, Org, text},
};

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_token_and_the_orgs_own_host() {
    let (_org, session) = connected().await;
    let api = Probe::always(200, "{}");
    let mut asked = request("/services/data?x=%2e");
    asked.headers_mut().insert(header::HOST, "elsewhere.example".parse().unwrap());
    let response = auth(&session, &api).oneshot(asked).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    let got = api.got();
    assert_eq!((got.len(), got[0].uri.to_string()), (1, format!("https://{FIRST_HOST}/services/data?x=%2e")));
    assert_eq!(token(&got[0]), OLD);
    assert!(got[0].headers[header::AUTHORIZATION].is_sensitive(), "S07");
    assert!(!got[0].headers.contains_key(header::HOST), "F132");
}

#[tokio::test(start_paused = true)]
async fn f159_a_refused_request_is_sent_once_more_whole_with_the_new_token_to_the_new_host() {
    let (org, session) = connected().await;
    let api = Probe::after_refresh();
    let asked = Request::post(format!("https://{FIRST_HOST}/services/data/v65.0/sobjects/Account?x="))
        .version(Version::HTTP_2)
        .header("x-twice", "a")
        .header("x-twice", "b")
        .header(header::HOST, "elsewhere.example")
        .extension(Mark(7))
        .body(Full::from("{\"Name\":\"x\"}"))
        .unwrap();
    let response = auth(&session, &api).oneshot(asked).await.unwrap();
    assert!(response.status().is_success() && Diagnosis::of(&response).is_none());

    let got = api.got();
    assert_eq!(got.iter().map(token).collect::<Vec<_>>(), [OLD, NEW]);
    assert_eq!(got.iter().map(|got| got.uri.host().unwrap()).collect::<Vec<_>>(), [FIRST_HOST, SECOND_HOST]);
    for got in &got {
        assert_eq!((&got.method, got.version, &got.mark), (&Method::POST, Version::HTTP_2, &Some(Mark(7))));
        assert_eq!(got.uri.path_and_query().unwrap(), "/services/data/v65.0/sobjects/Account?x=");
        assert_eq!(got.body, "{\"Name\":\"x\"}");
        assert_eq!(got.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(got.headers.len(), 3, "S06, and no Host");
        assert!(got.headers[header::AUTHORIZATION].is_sensitive(), "S07");
    }
    assert_eq!((org.token_requests(), api.reservations()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f131_path_and_query_arrive_byte_for_byte_at_both_sends() {
    let long = format!("/{}", "x".repeat(60_000));
    for target in
        ["/", "//evil.example/x", "/a/../b", "/%2e%2e/%2E;b=c", "/a?", "/a?b=%zz&c=d?e", long.as_str()]
    {
        let (_org, session) = connected().await;
        let api = Probe::after_refresh();
        auth(&session, &api).oneshot(request(target)).await.unwrap();
        let sent: Vec<_> = api.got().iter().map(|got| got.uri.to_string()).collect();
        assert_eq!(sent, [FIRST_HOST, SECOND_HOST].map(|host| format!("https://{host}{target}")));
    }
}

#[tokio::test(start_paused = true)]
async fn s05_nothing_is_sent_to_another_origin_and_the_reservation_is_given_back() {
    let (_org, session) = connected().await;
    let api = Probe::always(200, "");
    let mut auth = auth(&session, &api);
    for (uri, expected) in [
        ("https://evil.example/x", AuthErrorKind::ForeignOrigin),
        ("http://acme.my.salesforce.com/x", AuthErrorKind::ForeignOrigin),
        ("https://acme.my.salesforce.com:8443/x", AuthErrorKind::ForeignOrigin),
        ("https://acme.my.salesforce.com@evil.example/x", AuthErrorKind::ForeignOrigin),
        ("*", AuthErrorKind::UnsupportedTarget),
    ] {
        let response = auth.ready().await.unwrap().call(request(uri));
        assert_eq!(api.reservations(), 0, "before the future is polled");
        assert_eq!(kind(&response.await.unwrap_err()), Some(expected), "{uri}");
    }
    assert_eq!(api.got().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_allowed_origin_gets_the_token_at_the_uri_that_was_given_at_both_sends() {
    let org = Org::new();
    let session = org.builder().allow_origin("https://api.salesforce.com").build().unwrap();
    session.access_token().await.unwrap();
    let api = Probe::after_refresh();
    let response = auth(&session, &api).oneshot(request("https://api.salesforce.com/x?")).await.unwrap();
    assert!(response.status().is_success());
    let sent: Vec<_> = api.got().iter().map(|got| got.uri.to_string()).collect();
    assert_eq!(sent, ["https://api.salesforce.com/x?"; 2]);
    assert_eq!(token(&api.got()[1]), NEW);
}

#[tokio::test(start_paused = true)]
async fn f132_the_callers_own_authorization_is_left_alone_and_goes_to_no_other_origin() {
    let (org, session) = connected().await;
    let api = Probe::always(401, EXPIRED);
    let mut asked = request("/x");
    asked.headers_mut().insert(header::AUTHORIZATION, "Basic mine".parse().unwrap());
    let response = auth(&session, &api).oneshot(asked.clone()).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    assert_eq!(text(response).await, EXPIRED);
    let got = api.got();
    assert_eq!((got.len(), got[0].uri.host(), token(&got[0])), (1, Some(FIRST_HOST), "Basic mine"));
    assert_eq!((got[0].headers.len(), org.token_requests()), (1, 1), "S06, and no refresh");

    *asked.uri_mut() = "https://evil.example/".parse().unwrap();
    let error = auth(&session, &api).oneshot(asked).await.unwrap_err();
    assert_eq!((kind(&error), api.got().len()), (Some(AuthErrorKind::ForeignOrigin), 1));
}

#[tokio::test(start_paused = true)]
async fn f133_a_redirect_that_is_followed_above_brings_no_token_to_another_host() {
    let (_org, session) = connected().await;
    let api = Probe::new(|_| {
        let redirect =
            http::Response::builder().status(302).header(header::LOCATION, "https://evil.example/x");
        Ok(redirect.body(Full::default()).unwrap())
    });
    let response = auth(&session, &api).oneshot(request("/x")).await.unwrap();
    assert_eq!(response.status(), 302, "F135: handed on");
    // What a redirect layer above does next, whatever it keeps of the headers.
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    let error = auth(&session, &api).oneshot(request(location)).await.unwrap_err();
    assert_eq!((kind(&error), api.got().len()), (Some(AuthErrorKind::ForeignOrigin), 1));
}

#[tokio::test(start_paused = true)]
async fn every_handle_notices_a_new_token() {
    let (_org, session) = connected().await;
    let api = Probe::always(200, "{}");
    let mut stays = auth(&session, &api);
    for _ in 0..3 {
        stays.ready().await.unwrap().call(request("/x")).await.unwrap();
    }
    let copied = stays.clone();
    session.refresh().await.unwrap();
    stays.ready().await.unwrap().call(request("/x")).await.unwrap();
    copied.oneshot(request("/x")).await.unwrap();
    let got = api.got();
    assert_eq!(got.iter().skip(2).map(token).collect::<Vec<_>>(), [OLD, NEW, NEW]);
    assert_eq!(got[4].uri.host(), Some(SECOND_HOST));
}

/// The last four origins of an org are known, whatever the case, the final dot or the port they are written with.
#[tokio::test(start_paused = true)]
async fn f114_an_org_that_moved_five_times_is_followed_from_four_former_hosts_and_not_from_a_fifth() {
    let org = Org::new();
    let session = org.session();
    for n in 0..6 {
        org.move_to(&format!("https://acme--{n}.my.salesforce.com"));
        session.refresh().await.unwrap();
    }
    let api = Probe::always(200, "{}");
    for n in 1..6 {
        let uri = format!("https://ACME--{n}.my.salesforce.com.:443/x?y");
        auth(&session, &api).oneshot(request(&uri)).await.unwrap();
    }
    assert!(api.got().iter().all(|got| got.uri == "https://acme--5.my.salesforce.com/x?y"));
    let error =
        auth(&session, &api).oneshot(request("https://acme--0.my.salesforce.com/")).await.unwrap_err();
    assert_eq!((kind(&error), api.got().len()), (Some(AuthErrorKind::ForeignOrigin), 5));
}

/// While the request was under way, a person connected another org, which the request's absolute URI does not name.
#[tokio::test(start_paused = true)]
async fn s04_the_resend_checks_the_origin_again() {
    let (org, session) = connected().await;
    let gate = org.hold_api();
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    let call = tokio::spawn(service.oneshot(request(&format!("https://{FIRST_HOST}/x"))));
    while org.api_requests() == 0 {
        tokio::task::yield_now().await;
    }
    let consent = serde_json::json!({
        "access_token": "00Dxx0000001gPF!other",
        "refresh_token": "other",
        "instance_url": "https://other.my.salesforce.com",
        "id": "https://login.salesforce.com/id/00Dxx0000001gPFEAY/005R0000000pgIjIAI",
        "token_type": "Bearer",
    });
    let consent = TokenResponse::from_json(consent.to_string().as_bytes()).unwrap();
    session.reconnect(Reconnect::new(consent).accept_new_org()).await.unwrap();
    org.expire();
    gate.add_permits(2);
    let response = call.await.unwrap().unwrap();
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert!(matches!(diagnosis.outcome(), Outcome::NotResendable(_)), "{diagnosis}");
    assert_eq!((org.api_requests(), org.token_requests()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn f185_debug_of_the_public_types_shows_no_token_and_no_uri() {
    let (_org, session) = connected().await;
    let api = Probe::always(200, "");
    let mut auth = auth(&session, &api);
    let response = auth.ready().await.unwrap().call(request("/canary"));
    let layer = SalesforceAuthLayer::new(session);
    let printed = format!("{layer:?} {auth:?} {response:?}");
    assert!(!printed.contains("canary") && !printed.contains("token."), "{printed}");
}
