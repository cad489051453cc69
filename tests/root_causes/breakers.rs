//! What keeps refreshes from feeding what they cannot heal.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_salesforce_auth::{Cause, Diagnosis, Event, SalesforceAuthLayer};

use super::support::{EXPIRED, NOT_PERMITTED, Org, get, json};

#[tokio::test(start_paused = true)]
async fn f057_sessions_that_die_young_three_times_in_a_row_are_reported_as_eviction_and_refreshed_all_the_same()
 {
    let org = Org::new();
    let session = org.session();
    let mut events = session.events();
    let salesforce = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    let call = || salesforce.clone().oneshot(get("/r"));
    assert!(call().await.unwrap().status().is_success());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(120)).await;
        org.expire();
        assert!(call().await.unwrap().status().is_success());
    }
    assert_eq!(org.token_requests(), 6);

    org.answer_api(Some((401, EXPIRED)));
    let refused = call().await.unwrap();
    let diagnosis = Diagnosis::of(&refused).unwrap();
    assert_eq!(diagnosis.cause(), Some(Cause::Revoked), "{diagnosis}");
    org.answer_api(None);

    tokio::time::sleep(Duration::from_secs(3_600)).await;
    org.expire();
    assert!(call().await.unwrap().status().is_success(), "a session that lived on ends the habit");
    drop((session, salesforce));
    let mut told = 0;
    while let Some(event) = events.next().await {
        told += u32::from(matches!(event, Event::SessionsDieYoung { sessions: 3, .. }));
    }
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn f179_maintenance_is_remembered_and_explains_a_refusal_that_follows() {
    const READ_ONLY: &str = r#"[{"message":"Updates can't be made during maintenance.","errorCode":"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"}]"#;
    let org = Org::new();
    let salesforce = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let call = || salesforce.clone().oneshot(get("/r"));
    assert!(call().await.unwrap().status().is_success());
    org.answer_api(Some((400, READ_ONLY)));
    let refused = call().await.unwrap();
    assert_eq!(Diagnosis::of(&refused).unwrap().cause(), Some(Cause::Maintenance));
    assert_eq!(org.token_requests(), 1, "no refresh for maintenance");

    org.answer_api(Some((401, NOT_PERMITTED)));
    let refused = call().await.unwrap();
    assert_eq!(Diagnosis::of(&refused).unwrap().cause(), Some(Cause::Maintenance));
    tokio::time::sleep(Duration::from_secs(16 * 60)).await;
    let refused = call().await.unwrap();
    assert_eq!(Diagnosis::of(&refused).unwrap().cause(), Some(Cause::IpLocked), "it is over by now");
    assert!(org.token_requests() <= 3);
}

/// Two ways out of a network of which one is locked out, or a gateway that refuses every other request.
#[tokio::test(start_paused = true)]
async fn f174_words_that_no_refresh_should_help_against_cost_few_token_requests_also_if_it_seems_to_help() {
    for refused in [NOT_PERMITTED, ""] {
        let org = Org::new();
        let turns = Arc::new(AtomicU32::new(0));
        let api = service_fn(move |_: Request<Full<Bytes>>| {
            let answer = if turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                json(401, refused.into())
            } else {
                json(200, "{}".into())
            };
            async move { Ok::<_, Infallible>(answer) }
        });
        let salesforce = SalesforceAuthLayer::new(org.session()).layer(api);
        for _ in 0..36_000 {
            salesforce.clone().oneshot(get("/limits")).await.unwrap();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(org.token_requests() <= 12, "{} in an hour", org.token_requests());
    }
}
