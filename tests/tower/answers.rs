//! What the caller gets for an answer that refuses, and for one that does not.

use std::time::Duration;

use tower::ServiceExt;
use tower_salesforce_auth::{
    Diagnosis, Outcome,
    refusal::Verdict::{
        self, Forbidden, OrgUnavailable, SessionExpired, SessionNotPermitted, UnrecognisedRefusal,
    },
};

use super::{
    auth, connected,
    probe::{Got, OLD, Probe, reply, token},
    request,
    support::{EXPIRED, NOT_PERMITTED, text},
};

const DATA: &str = "/services/data";

/// An answer that stays the same whatever is sent, five times in a minute: how often it is refreshed for, and what its
/// callers are told each time.
async fn in_a_minute(path: &str, status: u16, body: &'static str) -> (usize, Vec<Option<Diagnosis>>) {
    let (org, session) = connected().await;
    // The token has been good for an hour: its age is no reason to doubt a refresh.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let api = Probe::always(status, body);
    let mut told = Vec::new();
    for _ in 0..5 {
        let response = auth(&session, &api).oneshot(request(path)).await.unwrap();
        told.push(Diagnosis::of(&response).cloned());
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-answer"].as_bytes()),
            (status, &b"kept"[..])
        );
        assert_eq!(text(response).await, body, "F151");
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    let refreshes = org.token_requests() - 1;
    assert_eq!(api.got().len(), 5 + refreshes, "a resend for each refresh, and none besides");
    (refreshes, told)
}

/// A new session may be let in where the old one was not, once a lock of addresses is lifted: it is tried once.
#[tokio::test(start_paused = true)]
async fn f146_f147_f152_a_refusal_that_a_refresh_rarely_heals_gets_one_in_a_cool_down() {
    for (body, verdict) in [
        (NOT_PERMITTED, SessionNotPermitted),
        (
            r#"{"error":"UnauthorizedException","message":"Connected app is not attached to Agent"}"#,
            SessionNotPermitted,
        ),
        ("<html><h1>401 Authorization Required</h1></html>", UnrecognisedRefusal),
        ("", UnrecognisedRefusal),
        (EXPIRED, SessionExpired),
    ] {
        let (refreshes, told) = in_a_minute(DATA, 401, body).await;
        assert_eq!(refreshes, 1, "{body}");
        for (n, told) in told.into_iter().enumerate() {
            let told = told.unwrap();
            assert_eq!(told.verdict(), Some(verdict), "{body}");
            match told.outcome() {
                Outcome::RefusedAgain => assert_eq!(n, 0, "{body}"),
                Outcome::CoolingDown { .. } => assert_ne!(n, 0, "{body}"),
                outcome => panic!("{body}: {outcome}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f146_f150_what_no_session_can_change_refreshes_nothing_whatever_it_says_of_the_session() {
    const SOAP: &str = "/services/Soap/u/65.0";
    const DISABLED: &str =
        r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"The REST API is not enabled"}]"#;
    for (path, status, body, verdict) in [
        (DATA, 400, EXPIRED, None),
        (DATA, 403, EXPIRED, Some(Forbidden)),
        (DATA, 403, NOT_PERMITTED, Some(Forbidden)),
        (DATA, 403, DISABLED, Some(Forbidden)),
        (DATA, 404, EXPIRED, None),
        (DATA, 500, EXPIRED, None),
        (DATA, 503, EXPIRED, Some(OrgUnavailable)),
        (SOAP, 500, "<faultcode>sf:API_DISABLED_FOR_ORG</faultcode>", Some(Forbidden)),
    ] {
        let (refreshes, told) = in_a_minute(path, status, body).await;
        assert_eq!(refreshes, 0, "{status} {body}");
        for told in told {
            assert_eq!(told.as_ref().and_then(Diagnosis::verdict), verdict, "{status} {body}");
            assert!(
                told.is_none_or(|told| matches!(told.outcome(), Outcome::NotRefreshable)),
                "{status} {body}"
            );
        }
    }
    // The same words where they mean it.
    let fault = "<faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Illegal Session</faultstring>";
    assert_eq!(in_a_minute(SOAP, 500, fault).await.0, 1);
    assert_eq!(
        in_a_minute("/services/async/65.0/job", 400, r#"{"exceptionCode":"InvalidSessionId"}"#).await.0,
        1
    );
    assert_eq!(in_a_minute("/id/00D/005", 403, "Bad_OAuth_Token").await.0, 1);
}

/// The refresh healed the session; what is refused now is another matter, and the words must not blame the session.
#[tokio::test(start_paused = true)]
async fn a_resend_that_meets_another_refusal_says_so_and_not_that_the_session_is_refused() {
    let (org, session) = connected().await;
    let limited = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let answer =
        move |got: &Got| Ok(if token(got) == OLD { reply(401, EXPIRED) } else { reply(403, limited) });
    let api = Probe::new(answer);
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert_eq!((diagnosis.verdict(), response.status().as_u16()), (Some(Verdict::RateLimited), 403));
    assert!(matches!(diagnosis.outcome(), Outcome::RefusedOtherwise), "{diagnosis}");
    assert_eq!((api.got().len(), org.token_requests()), (2, 2));

    // The new session is good, so no cool-down is left behind: when it ends, it is refreshed.
    let third = "Bearer 00DR0000000KvIt!token.3";
    let api =
        Probe::new(move |got| Ok(if token(got) == third { reply(200, "") } else { reply(401, EXPIRED) }));
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    assert_eq!((response.status().as_u16(), org.token_requests()), (200, 3));
}
