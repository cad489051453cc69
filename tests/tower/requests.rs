//! Where a request goes and what it carries.

use http::header;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Outcome, Reconnect, SalesforceAuthLayer, token_endpoint::TokenResponse,
};

use super::{
    FIRST_HOST, SECOND_HOST, auth, connected, kind,
    probe::{NEW, Probe, token},
    request,
    support::{EXPIRED, Org},
};

#[tokio::test(start_paused = true)]
async fn f131_path_and_query_arrive_byte_for_byte_at_both_sends() {
    let long = format!("/{}", "x".repeat(65_533));
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

/// Also those that come twice, and while the first token is waited for, which is to say where the org is.
#[tokio::test(start_paused = true)]
async fn s07_f132_credentials_of_the_callers_own_are_marked_sensitive_and_nothing_else_is() {
    let org = Org::new();
    let session = org.session();
    let api = Probe::always(401, EXPIRED);
    for sends in 1..=2 {
        let mut asked = request("/services/data");
        for (name, value) in [
            ("authorization", "Basic b25l"),
            ("authorization", "Basic dHdv"),
            ("x-sfdc-session", "00D!own"),
            ("accept", "*/*"),
        ] {
            asked.headers_mut().append(name, value.parse().unwrap());
        }
        let response = auth(&session, &api).oneshot(asked.clone()).await.unwrap();
        assert_eq!((response.status().as_u16(), Diagnosis::of(&response).is_none()), (401, true));
        assert_eq!((api.got().len(), org.token_requests()), (sends, 1));
        let headers = &api.got()[sends - 1].headers;
        assert_eq!(headers, asked.headers(), "no other credential beside them");
        for (name, value) in headers {
            assert_eq!(value.is_sensitive(), name != "accept", "{name}");
        }
    }
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
    assert!(
        tower_salesforce_auth::AuthError::find(&*error).unwrap().diagnosis().is_some(),
        "every error says why"
    );
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
