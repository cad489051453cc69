//! What the first send looks like, and when there is none.

use http::{Method, StatusCode, Version, header};
use tower::ServiceExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_token_and_the_orgs_own_host() {
    let (connection, org) = (Connection::hot().await, Org::always(200, "{}"));
    let mut asked = request("/services/data?x=%2e");
    asked.headers_mut().insert(header::HOST, "elsewhere.example".parse().unwrap());
    let response = auth(&connection, &org).oneshot(asked).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    let got = org.got();
    assert_eq!((got.len(), got[0].uri.to_string()), (1, format!("https://{OLD}/services/data?x=%2e")));
    assert_eq!(token(&got[0]), "Bearer 00D!old");
    assert!(got[0].headers[header::AUTHORIZATION].is_sensitive(), "S07");
    assert!(!got[0].headers.contains_key(header::HOST), "F132");
    assert!(connection.live().was_accepted());
    assert_eq!(connection.exchanges(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_its_token_is_sent_as_it_was_made() {
    let (connection, org) = (Connection::cold(), Org::always(200, "{}"));
    let asked = Request::patch("/services/data?x=%2e")
        .version(Version::HTTP_2)
        .header("x-b", "1")
        .header(header::HOST, "elsewhere.example")
        .header("x-a", "2")
        .extension(Mark(7))
        .body(Full::from("body"))
        .unwrap();
    auth(&connection, &org).oneshot(asked).await.unwrap();
    let got = org.got();
    assert_eq!((got.len(), got[0].uri.to_string()), (1, format!("https://{NEW}/services/data?x=%2e")));
    assert_eq!(
        (&got[0].method, got[0].version, &got[0].mark, &got[0].body[..]),
        (&Method::PATCH, Version::HTTP_2, &Some(Mark(7)), &b"body"[..])
    );
    let names: Vec<_> = got[0].headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-b", "x-a", "authorization"], "F132: no Host");
    assert_eq!((token(&got[0]), connection.exchanges()), ("Bearer 00D!new", 1));
    assert!(connection.live().was_accepted());
}

#[tokio::test(start_paused = true)]
async fn f132_the_callers_own_authorization_is_left_alone() {
    let (connection, org) = (Connection::hot().await, Org::always(401, REFUSAL));
    let mut asked = request("/x");
    asked.headers_mut().insert(header::AUTHORIZATION, "Basic mine".parse().unwrap());
    asked.headers_mut().insert(header::HOST, "elsewhere.example".parse().unwrap());
    let response = auth(&connection, &org).oneshot(asked.clone()).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    assert_eq!(text(response).await, REFUSAL);
    let got = org.got();
    assert_eq!((got.len(), got[0].uri.host(), token(&got[0])), (1, Some(OLD), "Basic mine"));
    assert_eq!((got[0].headers.len(), connection.exchanges()), (1, 0));
    assert!(!connection.live().was_accepted(), "its answer says nothing of our token");

    *asked.uri_mut() = "https://evil.example/".parse().unwrap();
    let error = auth(&connection, &org).oneshot(asked).await.unwrap_err();
    assert_eq!((kind(&error), org.got().len()), (Some(AuthErrorKind::ForeignOrigin), 1));
}

#[tokio::test(start_paused = true)]
async fn f132_the_callers_own_authorization_waits_for_the_host_alone() {
    let (connection, org) = (Connection::cold(), Org::always(401, REFUSAL));
    let mut asked = request("/x");
    asked.headers_mut().insert(header::AUTHORIZATION, "Basic mine".parse().unwrap());
    let response = auth(&connection, &org).oneshot(asked).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    let got = org.got();
    assert_eq!((got.len(), got[0].uri.host(), token(&got[0])), (1, Some(NEW), "Basic mine"));
    assert_eq!(connection.exchanges(), 1, "to learn where the org is, and none for the refusal");
}

#[tokio::test(start_paused = true)]
async fn s05_nothing_is_sent_to_another_origin_and_the_reservation_is_given_back() {
    let connection =
        Connection::built(|builder| builder.allow_origin("https://api.salesforce.com")).heated().await;
    let org = Org::always(200, "");
    let mut auth = auth(&connection, &org);
    for (uri, expected) in
        [("https://evil.example/x", AuthErrorKind::ForeignOrigin), ("*", AuthErrorKind::UnsupportedTarget)]
    {
        let response = auth.ready().await.unwrap().call(request(uri));
        assert_eq!(org.reservations(), 0, "before the future is polled");
        assert_eq!(kind(&response.await.unwrap_err()), Some(expected));
    }
    assert_eq!(org.got().len(), 0);
    auth.ready().await.unwrap().call(request("https://api.salesforce.com/x?")).await.unwrap();
    let got = org.got();
    assert_eq!((got[0].uri.to_string().as_str(), got.len()), ("https://api.salesforce.com/x?", 1));
    assert_eq!((token(&got[0]), connection.exchanges()), ("Bearer 00D!old", 0));
}

#[tokio::test(start_paused = true)]
async fn f129_a_foreign_target_that_waited_for_a_token_reserves_nothing_and_is_not_sent() {
    let (connection, org) = (Connection::cold(), Org::always(200, ""));
    let error = auth(&connection, &org).oneshot(request("https://evil.example/x")).await.unwrap_err();
    assert_eq!(kind(&error), Some(AuthErrorKind::ForeignOrigin));
    assert_eq!(org.steps(), [Step::Reserved, Step::GivenBack]);
    assert_eq!(connection.exchanges(), 1, "only a token set says which origins are ours");
    // What can never be sent does not even wait.
    let cold = Connection::cold();
    let error = auth(&cold, &org).oneshot(request("*")).await.unwrap_err();
    assert_eq!((kind(&error), cold.exchanges()), (Some(AuthErrorKind::UnsupportedTarget), 0));
}

#[tokio::test(start_paused = true)]
async fn f004_a_future_that_is_dropped_before_it_is_polled_starts_no_refresh() {
    let (connection, org) = (Connection::cold(), Org::always(200, "{}"));
    drop(auth(&connection, &org).ready().await.unwrap().call(request("/x")));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((connection.exchanges(), org.got().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_the_error_is_typed() {
    use crate::token_endpoint::TokenErrorKind::{Grant, OperatorMustAct, Reauthorise, Transient};
    for (turn, expected) in [
        (Turn::Fail(Reauthorise), AuthErrorKind::ReauthorisationRequired),
        (Turn::Fail(OperatorMustAct), AuthErrorKind::OperatorMustAct),
        (Turn::Fail(Transient), AuthErrorKind::TokenEndpointUnavailable),
        (Turn::Fail(Grant), AuthErrorKind::Grant),
        (Turn::Panic, AuthErrorKind::RefreshPanicked),
    ] {
        let (connection, org) = (Connection::cold().turns([turn]), Org::always(200, "{}"));
        let result = auth(&connection, &org).oneshot(request("/x")).await;
        assert_eq!(kind(result.as_ref().unwrap_err()), Some(expected));
        if expected != AuthErrorKind::RefreshPanicked {
            let diagnosis = Diagnosis::of_result(&result).unwrap();
            assert_eq!((diagnosis.verdict(), diagnosis.error().unwrap().kind()), (None, expected));
        }
        assert_eq!((connection.exchanges(), org.got().len()), (1, 0), "{expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_closed_sends_what_it_can_and_starts_nothing() {
    let deadline = std::time::Duration::from_secs(1);
    let (cold, org) = (Connection::cold(), Org::always(200, "{}"));
    cold.session.close(deadline).await.unwrap();
    let error = auth(&cold, &org).oneshot(request("/x")).await.unwrap_err();
    assert_eq!((kind(&error), org.got().len()), (Some(AuthErrorKind::ShuttingDown), 0));

    let hot = Connection::hot().await;
    hot.session.close(deadline).await.unwrap();
    let response = auth(&hot, &org).oneshot(request("/x")).await.unwrap();
    assert_eq!((response.status(), org.got().len()), (StatusCode::OK, 1));
    assert_eq!(cold.exchanges() + hot.exchanges(), 0);
}
