//! What the caller gets for an answer that refuses, and for one that does not.

use tower::ServiceExt;
use tower_salesforce_auth::{Diagnosis, Outcome, refusal::Verdict};

use super::{
    auth, connected,
    probe::{Got, OLD, Probe, reply, token},
    request,
    support::EXPIRED,
};

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
