//! Refusals that are handed back: whole, and with the reason.

use std::time::Duration;

use http::{StatusCode, header};
use tower::ServiceExt;

use super::*;
use crate::{refusal::Verdict, replay, token_endpoint::TokenErrorKind};

#[tokio::test(start_paused = true)]
async fn when_the_refresh_fails_the_caller_gets_the_answer_it_had() {
    for (turn, expected) in [
        (Turn::Fail(TokenErrorKind::Transient), AuthErrorKind::TokenEndpointUnavailable),
        (Turn::Fail(TokenErrorKind::Reauthorise), AuthErrorKind::ReauthorisationRequired),
        (Turn::Fail(TokenErrorKind::OperatorMustAct), AuthErrorKind::OperatorMustAct),
        (Turn::Fail(TokenErrorKind::OutcomeUnknown), AuthErrorKind::OutcomeUnknown),
        (Turn::Fail(TokenErrorKind::Rejected), AuthErrorKind::TokenAnswerRejected),
        (Turn::Grant(NEW_TOKEN, "evil.example"), AuthErrorKind::TokenAnswerRejected),
        (Turn::Fail(TokenErrorKind::Grant), AuthErrorKind::Grant),
        (Turn::Panic, AuthErrorKind::RefreshPanicked),
    ] {
        let (connection, org) = (Connection::hot().await.turns([turn]), Org::always(401, REFUSAL));
        let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
        let diagnosis = Diagnosis::of(&response).unwrap();
        assert_eq!(diagnosis.error().unwrap().kind(), expected);
        assert_eq!(
            (diagnosis.verdict(), diagnosis.generation().unwrap().0),
            (Some(Verdict::SessionExpired), 1),
            "{expected:?}"
        );
        assert_eq!(response.headers()["x-answer"], "kept");
        assert_eq!((response.status(), text(response).await.as_str()), (StatusCode::UNAUTHORIZED, REFUSAL));
        assert_eq!((org.got().len(), connection.exchanges()), (1, 1), "{expected:?}");
        assert_eq!(org.steps(), [Step::Reserved, Step::Called], "nothing is reserved for a resend");
    }
}

#[tokio::test(start_paused = true)]
async fn f062_a_refresh_that_takes_too_long_goes_on_without_the_caller() {
    let budget = Duration::from_secs(3);
    let connection = Connection::built(|builder| builder.wait_budget(budget)).heated().await;
    connection.hold();
    let org = Org::after_refresh();
    let started = tokio::time::Instant::now();
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 3, "I5");
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert_eq!(diagnosis.error().unwrap().kind(), AuthErrorKind::WaitBudgetExceeded);
    assert!(diagnosis.retry_after().is_some());
    assert_eq!((text(response).await.as_str(), org.got().len(), org.reservations()), (REFUSAL, 1, 0));
    connection.let_through();
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert_eq!((response.status(), connection.exchanges()), (StatusCode::OK, 1));
}

#[tokio::test(start_paused = true)]
async fn f153_without_a_copy_the_session_is_refreshed_and_the_answer_handed_back() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    let layer = SalesforceAuthLayer::new(connection.session.clone()).replay(replay::Never);
    let mut auth = layer.layer(org.clone());
    let response = auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::NotResendable(_)));
    assert_eq!(Diagnosis::of(&response).unwrap().verdict(), Some(Verdict::SessionExpired));
    assert_eq!(text(response).await, REFUSAL);
    assert_eq!((org.got().len(), connection.exchanges()), (1, 1));
    let response = auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    assert_eq!((response.status(), org.got().len()), (StatusCode::OK, 2));
    assert_eq!(connection.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_brings_the_refused_token_again_is_no_reason_for_a_resend() {
    let connection = Connection::hot().await.turns([Turn::Grant(OLD_TOKEN, OLD)]);
    let org = Org::after_refresh();
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::TokenUnchanged));
    assert_eq!((text(response).await.as_str(), org.got().len()), (REFUSAL, 1));
    assert_eq!((connection.exchanges(), connection.live().generation.0), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_has_nothing_to_do_with_the_session_is_handed_back_whole() {
    let (connection, org) = (Connection::hot().await, Org::always(500, "[{\"errorCode\":\"APEX_ERROR\"}]"));
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    assert_eq!(text(response).await, "[{\"errorCode\":\"APEX_ERROR\"}]");
    assert_eq!((org.got().len(), connection.exchanges()), (1, 0));
    assert!(connection.live().was_accepted());
}

#[tokio::test(start_paused = true)]
async fn f135_a_redirect_of_an_allowed_origin_is_the_callers_answer() {
    const PLACE: &str = "https://api.salesforce.com/einstein/ai-agent/v1/agents";
    let connection = Connection::built(|builder| builder.allow_origin("https://api.salesforce.com"));
    let connection = connection.heated().await;
    let org = Org::new(|_| {
        let redirect = Response::builder().status(308).header(header::LOCATION, format!("{PLACE}/"));
        Ok(redirect.body(Full::default()).unwrap())
    });
    let response = auth(&connection, &org).oneshot(request(PLACE)).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    assert_eq!((response.status(), org.got().len()), (StatusCode::PERMANENT_REDIRECT, 1));
    assert_eq!((connection.exchanges(), connection.live().was_accepted()), (0, false));
}

/// Whatever the redirect says: neither the token requests nor the sends of one request go round in circles.
#[tokio::test(start_paused = true)]
async fn f147_a_redirect_that_stays_is_refreshed_for_once_in_a_cool_down() {
    for place in [
        "https://login.salesforce.com/?startURL=%2Fx",
        "https://elsewhere.my.salesforce.com/services/data/v65.0/limits",
    ] {
        let connection = Connection::aged().await.turns([Turn::Grant(NEW_TOKEN, OLD)]);
        let org = Org::new(move |_| {
            let redirect = Response::builder().status(302).header(header::LOCATION, place);
            Ok(redirect.body(Full::default()).unwrap())
        });
        for n in 0..5 {
            let asked = request("/services/data/v65.0/limits");
            let response = auth(&connection, &org).oneshot(asked).await.unwrap();
            assert_eq!(response.headers()[header::LOCATION], place);
            match outcome(&response) {
                Outcome::RefusedAgain => assert_eq!(n, 0),
                Outcome::CoolingDown { .. } => assert_ne!(n, 0),
                outcome => panic!("{outcome}"),
            }
        }
        assert_eq!((connection.exchanges(), org.got().len()), (1, 6));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_gateway_made_says_nothing_of_the_token() {
    let (connection, org) = (
        Connection::hot().await,
        Org::new(|got| match token(got) {
            "Bearer 00D!old" => Ok(reply(401, REFUSAL)),
            _ => Ok(reply(502, "bad gateway")),
        }),
    );
    for status in [407, 502, 504, 511] {
        let org = Org::always(status, "");
        auth(&connection, &org).oneshot(request("/x")).await.unwrap();
        assert!(!connection.live().was_accepted());
    }
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert_eq!((response.status(), connection.exchanges()), (StatusCode::BAD_GATEWAY, 1));
    // Nobody told the session that the refresh helped.
    let response = auth(&connection, &Org::always(401, REFUSAL)).oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::CoolingDown { .. }));
    assert_eq!(connection.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_no_token_can_change_is_explained_and_refreshes_nothing() {
    const LIMIT: &str =
        r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let (connection, org) = (Connection::hot().await, Org::always(403, LIMIT));
    let response = auth(&connection, &org).oneshot(request("/services/data/v65.0/limits")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::NotRefreshable));
    assert_eq!(Diagnosis::of(&response).unwrap().verdict(), Some(Verdict::RateLimited));
    assert_eq!(text(response).await, LIMIT);
    assert_eq!((org.got().len(), connection.exchanges()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_move_out_of_the_orgs_origins_is_not_followed() {
    // Four moves: the first host is the oldest that is remembered, until the refresh brings a fifth.
    let connection = Connection::hot().await;
    for host in ["a.my.salesforce.com", "b.my.salesforce.com", "c.my.salesforce.com", "d.my.salesforce.com"] {
        connection.publish(OLD_TOKEN, host).await;
    }
    let org = Org::after_refresh();
    let response = auth(&connection, &org).oneshot(request(&format!("https://{OLD}/x"))).await.unwrap();
    assert_eq!(connection.live().authority, NEW);
    assert!(matches!(outcome(&response), Outcome::NotResendable(_)));
    assert_eq!(text(response).await, REFUSAL);
    let got = org.got();
    assert_eq!((got.len(), got[0].uri.host()), (1, Some("d.my.salesforce.com")));
    assert_eq!(org.steps(), [Step::Reserved, Step::Called]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_closed_hands_the_refusal_back() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    connection.session.close(Duration::from_secs(1)).await.unwrap();
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    let error = Diagnosis::of(&response).unwrap().error().unwrap();
    assert_eq!((error.kind(), connection.exchanges()), (AuthErrorKind::ShuttingDown, 0));
    assert_eq!((text(response).await.as_str(), org.got().len()), (REFUSAL, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_under_way_when_its_session_is_revoked_brings_nothing_back() {
    let connection = Connection::hot().await;
    let org = Org::always(401, REFUSAL);
    let mut auth = auth(&connection, &org);
    let response = auth.ready().await.unwrap().call(request("/x"));
    connection.session.revoke().await.unwrap();
    let response = response.await.unwrap();
    let error = Diagnosis::of(&response).unwrap().error().unwrap();
    assert_eq!((error.kind(), connection.exchanges()), (AuthErrorKind::Revoked, 0));
    assert_eq!((text(response).await.as_str(), org.got().len()), (REFUSAL, 1));
}
