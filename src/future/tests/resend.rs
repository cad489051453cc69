//! The second send: how it differs from the first, and what it leaves behind.

use std::{
    future::ready,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, Version, header};
use tower::ServiceExt;

use super::*;
use crate::{NotResendable, refusal::Verdict};

/// Headers as they went out, in their order.
fn listed(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_sent_once_more_with_the_new_token_to_the_new_host() {
    let cold = Connection::cold().turns([Turn::Grant(OLD_TOKEN, OLD)]);
    for (connection, first) in [(Connection::hot().await, 0), (cold, 1)] {
        let org = Org::after_refresh();
        let asked = Request::post(format!("https://{OLD}/services/data/v65.0/sobjects/Account?x="))
            .version(Version::HTTP_2)
            .header("x-twice", "a")
            .header("x-twice", "b")
            .header(header::HOST, "elsewhere.example")
            .extension(Mark(7))
            .body(Full::from("{\"Name\":\"x\"}"))
            .unwrap();
        let response = auth(&connection, &org).oneshot(asked).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(Diagnosis::of(&response).is_none());

        let got = org.got();
        assert_eq!(got.len(), 2, "I3");
        assert_eq!(got.iter().map(token).collect::<Vec<_>>(), ["Bearer 00D!old", "Bearer 00D!new"]);
        assert_eq!(got.iter().map(|got| got.uri.host().unwrap()).collect::<Vec<_>>(), [OLD, NEW]);
        for got in &got {
            assert_eq!(
                (&got.method, got.version, &got.mark),
                (&Method::POST, Version::HTTP_2, &Some(Mark(7))),
                "F159"
            );
            assert_eq!(got.uri.path_and_query().unwrap(), "/services/data/v65.0/sobjects/Account?x=");
            assert_eq!((got.uri.scheme_str(), &got.body[..]), (Some("https"), &b"{\"Name\":\"x\"}"[..]));
            assert_eq!(got.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(got.headers.len(), 3, "S06, and no Host");
            assert!(got.headers[header::AUTHORIZATION].is_sensitive(), "S07");
        }
        assert_eq!(connection.exchanges(), first + 1);
        let live = connection.live();
        assert_eq!((live.generation.0, live.was_accepted()), (2, true));
        assert_eq!(org.reservations(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f159_the_headers_of_both_sends_stand_in_one_order() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    let mut secret = header::HeaderValue::from_static("sid=1");
    secret.set_sensitive(true);
    let asked = Request::get("/x")
        .header("zulu", "1")
        .header("accept", "application/json")
        .header("x-many", "a")
        .header("cookie", secret)
        .header("mike", "2")
        .header("x-many", "b")
        .header("alpha", "3");
    auth(&connection, &org).oneshot(asked.body(Full::default()).unwrap()).await.unwrap();
    let got = org.got();
    let mut expected = vec![
        ("zulu", "1"),
        ("accept", "application/json"),
        ("x-many", "a"),
        ("x-many", "b"),
        ("cookie", "sid=1"),
        ("mike", "2"),
        ("alpha", "3"),
        ("authorization", "Bearer 00D!old"),
    ];
    assert_eq!(listed(&got[0].headers), expected);
    expected[7].1 = "Bearer 00D!new";
    assert_eq!(listed(&got[1].headers), expected);
    assert!(got.iter().all(|got| got.headers["cookie"].is_sensitive()), "S07");
}

#[tokio::test(start_paused = true)]
async fn f159_the_extensions_of_a_resend_are_the_callers_own_values() {
    let (connection, sends) = (Connection::hot().await, Arc::<AtomicUsize>::default());
    let inner = tower::service_fn(|request: Request<Full<Bytes>>| {
        // Through the `Arc` the caller sees that it is its own value, and not one that was made anew.
        request.extensions().get::<Arc<AtomicUsize>>().unwrap().fetch_add(1, SeqCst);
        ready(Ok::<_, Infallible>(reply(401, REFUSAL)))
    });
    let mut asked = request("/x");
    asked.extensions_mut().insert(Arc::clone(&sends));
    SalesforceAuthLayer::new(connection.session.clone()).layer(inner).oneshot(asked).await.unwrap();
    assert_eq!((sends.load(SeqCst), Arc::strong_count(&sends)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_resend_ends_the_cool_down() {
    // Both refusals are suspicious: they come right after their token.
    let connection =
        Connection::hot().await.turns([Turn::Grant(NEW_TOKEN, NEW), Turn::Grant(THIRD_TOKEN, NEW)]);
    for (accepted, exchanges) in [(NEW_TOKEN, 1), (THIRD_TOKEN, 2)] {
        let org = Org::accepting(accepted);
        let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
        assert_eq!((response.status(), org.got().len()), (StatusCode::OK, 2));
        assert_eq!(connection.exchanges(), exchanges);
    }
}

#[tokio::test(start_paused = true)]
async fn f149_the_second_answer_is_final() {
    let (connection, org) = (Connection::aged().await, Org::always(401, REFUSAL));
    let auth = auth(&connection, &org);
    let response = auth.clone().oneshot(request("/x")).await.unwrap();
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert!(matches!(diagnosis.outcome(), Outcome::RefusedAgain));
    assert_eq!(
        (diagnosis.verdict(), diagnosis.generation().unwrap().0),
        (Some(Verdict::SessionExpired), 2),
        "the diagnosis is of the resend"
    );
    assert_eq!(
        (response.status(), response.headers()["x-answer"].to_str().unwrap()),
        (StatusCode::UNAUTHORIZED, "kept")
    );
    assert_eq!(text(response).await, REFUSAL);
    assert_eq!((org.got().len(), connection.exchanges()), (2, 1));

    // The session was told: it does not refresh for the next refusal.
    let response = auth.oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::CoolingDown { .. }));
    assert_eq!((org.got().len(), connection.exchanges()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_first_token_that_is_refused_is_refreshed_as_any_other() {
    let connection = Connection::cold().turns([Turn::Grant(OLD_TOKEN, OLD)]);
    let org = Org::always(401, REFUSAL);
    let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::RefusedAgain));
    assert_eq!((connection.exchanges(), org.got().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_resend_of_an_older_token_does_not_end_the_cool_down() {
    let connection =
        Connection::hot().await.turns([Turn::Grant(NEW_TOKEN, NEW), Turn::Grant(THIRD_TOKEN, NEW)]);
    let org = Org::always(401, REFUSAL);
    let auth = auth(&connection, &org);
    auth.clone().oneshot(request("/x")).await.unwrap();
    let older = connection.live();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    auth.clone().oneshot(request("/x")).await.unwrap();
    assert_eq!((connection.exchanges(), connection.live().generation.0), (2, 3));

    // Of a send that took its time.
    connection.session.resend_accepted(&older);
    let response = auth.oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::CoolingDown { .. }));
    assert_eq!(connection.exchanges(), 2);
}

/// Polls until the service below is asked for readiness for the `n`th send, which it is at the next poll.
async fn poll_until_reserving<F: Future<Output: fmt::Debug>>(
    response: &mut Pin<Box<F>>,
    org: &Org,
    n: usize,
) {
    for _ in 0..100 {
        if org.asked() == n {
            return;
        }
        assert!(poll_once(response).is_pending());
        tokio::task::yield_now().await;
    }
    panic!("never asked");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_replaced_while_readiness_is_awaited_is_not_sent() {
    // The first send of a request without a token, and the second of a refused one.
    let cold = Connection::cold().turns([Turn::Grant(OLD_TOKEN, OLD)]);
    for (connection, sends) in [(cold, 1), (Connection::hot().await, 2)] {
        let org = Org::accepting(THIRD_TOKEN);
        let mut response =
            Box::pin(auth(&connection, &org).oneshot(request(&format!("https://{OLD}/services/data?x=%2e"))));
        poll_until_reserving(&mut response, &org, 2).await;
        connection.publish(THIRD_TOKEN, "third.my.salesforce.com").await;
        let live = connection.live();
        assert_eq!(response.await.unwrap().status(), StatusCode::OK);
        let got = org.got();
        let last = got.last().unwrap();
        assert_eq!(last.uri.to_string(), "https://third.my.salesforce.com/services/data?x=%2e");
        assert_eq!((token(last), last.headers.len()), ("Bearer 00D!third", 1));
        assert!(live.was_accepted(), "the answer is counted for the token that was sent");
        assert_eq!((got.len(), connection.exchanges()), (sends, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn f112_a_request_for_one_org_is_not_sent_to_the_one_that_the_session_has_become_meanwhile() {
    let (first, second, other) = ("00DR0000000KvIt!1", "00DR0000000KvIt!2", "00DR0000000AAAA!3");
    let cold = Connection::cold().turns([Turn::Grant(second, NEW)]);
    let hot = Connection::cold().turns([Turn::Grant(second, NEW)]);
    hot.publish(first, OLD).await;
    for connection in [cold, hot] {
        let org = Org::accepting(second);
        let mut response = Box::pin(auth(&connection, &org).oneshot(request("/services/data")));
        poll_until_reserving(&mut response, &org, 2).await;
        connection.publish_other_org(other, "other.my.salesforce.com").await;
        assert_eq!(response.await.unwrap().status(), StatusCode::OK);
        let got = org.got();
        let last = got.last().unwrap();
        assert_eq!((last.uri.host(), token(last).strip_prefix("Bearer ")), (Some(NEW), Some(second)));
        assert_eq!(connection.exchanges(), 1);
    }
}

/// A redirect is no 4xx: an Apex class that has made a record may answer with the way to it.
#[tokio::test(start_paused = true)]
async fn f160_after_a_redirect_only_a_safe_request_is_sent_to_the_same_host_again() {
    let there = "https://acme.lightning.force.com/lightning/r/Order/801";
    for (method, host, sends) in [
        (Method::POST, OLD, 1),
        (Method::PATCH, OLD, 1),
        (Method::DELETE, OLD, 1),
        (Method::GET, OLD, 2),
        (Method::POST, NEW, 2),
    ] {
        let connection = Connection::hot().await.turns([Turn::Grant(NEW_TOKEN, host)]);
        let org = Org::new(move |got| match token(got) {
            "Bearer 00D!old" => {
                let redirect = Response::builder().status(303).header(header::LOCATION, there);
                Ok(redirect.body(Full::default()).unwrap())
            }
            _ => Ok(reply(200, "{}")),
        });
        let asked = Request::builder().method(&method).uri("/services/data/v65.0/actions/custom");
        let response = auth(&connection, &org).oneshot(asked.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!((org.got().len(), connection.exchanges()), (sends, 1), "{method} {host}");
        if sends == 1 {
            assert!(matches!(outcome(&response), Outcome::NotResendable(NotResendable::Redirected)));
            assert_eq!(
                (response.status(), response.headers()[header::LOCATION].to_str().unwrap()),
                (StatusCode::SEE_OTHER, there)
            );
        } else {
            assert_eq!(response.status(), StatusCode::OK);
        }
        assert_eq!(org.reservations(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f160_a_transport_error_is_returned_and_never_retried() {
    let (connection, org) = (Connection::hot().await, Org::new(|_| Err("reset".into())));
    let error = auth(&connection, &org).oneshot(request("/x")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), org.got().len(), kind(&error)), ("reset", 1, None));
    assert_eq!((connection.exchanges(), connection.live().was_accepted()), (0, false));

    let org = Org::new(|got| match token(got) {
        "Bearer 00D!old" => Ok(reply(401, REFUSAL)),
        _ => Err("goaway".into()),
    });
    let error = auth(&connection, &org).oneshot(request("/x")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), org.got().len()), ("goaway", 2), "F157");
    assert_eq!((connection.exchanges(), connection.live().was_accepted()), (1, false));
    // Nobody told the session that the refresh helped.
    let response = auth(&connection, &Org::always(401, REFUSAL)).oneshot(request("/x")).await.unwrap();
    assert!(matches!(outcome(&response), Outcome::CoolingDown { .. }));
}

/// A body that counts itself among the living.
struct Counted(Full<Bytes>, Arc<AtomicUsize>);

impl Counted {
    fn new(text: &'static str, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Self(Full::from(text), Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn the_refused_answer_is_held_until_the_resend_and_not_longer() {
    let connection = Connection::hot().await;
    connection.hold();
    let alive = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&alive);
    let org = tower::service_fn(move |request: Request<Full<Bytes>>| {
        assert_eq!(counter.load(SeqCst), 0, "no answer is alive when a request is sent");
        let refused = request.headers()[header::AUTHORIZATION] == "Bearer 00D!old";
        let answer = Response::builder().status(if refused { 401 } else { 200 });
        ready(Ok::<_, Infallible>(answer.body(Counted::new(REFUSAL, &counter)).unwrap()))
    });
    let layer = SalesforceAuthLayer::new(connection.session.clone());
    let mut response = Box::pin(layer.layer(org).oneshot(request("/x")));
    assert!(poll_once(&mut response).is_pending());
    connection.exchanging(1).await;
    assert!(poll_once(&mut response).is_pending());
    assert_eq!(alive.load(SeqCst), 1, "kept: it may have to be handed back");
    connection.let_through();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!((alive.load(SeqCst), connection.exchanges()), (0, 1));
}
