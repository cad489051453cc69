//! A fault of the configuration, held for a day.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_salesforce_auth::{Diagnosis, Outcome, SalesforceAuthLayer};

use super::support::{NOT_PERMITTED, Org, get, json};

/// Ten requests a second.
const PAUSE: Duration = Duration::from_millis(100);
const HOUR: u32 = 36_000;
const DAY: u32 = 24 * HOUR;
/// The longest cool-down, with its jitter.
const COOL_DOWN: Duration = Duration::from_secs(15 * 60 + 45);

/// What the API lets in.
#[derive(Default)]
enum Fault {
    #[default]
    Held,
    /// Lifted, for sessions that began after this one.
    LiftedSince(HeaderValue),
}

#[tokio::test(start_paused = true)]
async fn f174_a_fault_held_for_a_day_costs_few_token_requests_and_heals_within_one_cool_down() {
    let org = Org::new();
    let fault = Arc::new(Mutex::new(Fault::default()));
    let sends = Arc::new(AtomicU32::new(0));
    let last = Arc::new(Mutex::new(None));
    let api = service_fn({
        let (fault, sends, last) = (Arc::clone(&fault), Arc::clone(&sends), Arc::clone(&last));
        move |request: Request<Full<Bytes>>| {
            sends.fetch_add(1, Ordering::Relaxed);
            let token = request.headers()[AUTHORIZATION].clone();
            let lets_in = matches!(&*fault.lock().unwrap(), Fault::LiftedSince(old) if *old != token);
            *last.lock().unwrap() = Some(token);
            let answer = if lets_in { json(200, "{}".into()) } else { json(401, NOT_PERMITTED.into()) };
            async move { Ok::<_, Infallible>(answer) }
        }
    });
    let mut salesforce = SalesforceAuthLayer::new(org.session()).layer(api);

    let request = get("/limits");
    for sent in 0..DAY {
        if sent == HOUR {
            assert!(org.token_requests() <= 8, "{} in the first hour", org.token_requests());
        }
        let response = salesforce.ready().await.unwrap().call(request.clone()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let diagnosis = Diagnosis::of(&response).expect("a diagnosis");
        assert!(matches!(diagnosis.outcome(), Outcome::RefusedAgain | Outcome::CoolingDown { .. }));
        // Cheaper than to sleep, 864,000 times: the runtime does not park.
        tokio::time::advance(PAUSE).await;
    }
    let token_requests = org.token_requests() as u32;
    assert!(token_requests <= 110, "{token_requests} in the day");
    let sent = sends.load(Ordering::Relaxed);
    assert!(
        (DAY..=DAY + token_requests).contains(&sent),
        "{sent} sends: each request, and a resend a refresh"
    );
    println!("a day at 10 requests a second: {token_requests} token requests, {sent} sends");

    *fault.lock().unwrap() = Fault::LiftedSince(last.lock().unwrap().take().unwrap());
    let lifted = Instant::now();
    while !salesforce.ready().await.unwrap().call(get("/limits")).await.unwrap().status().is_success() {
        assert!(lifted.elapsed() <= COOL_DOWN, "not healed within one cool-down");
        tokio::time::sleep(PAUSE).await;
    }
}
