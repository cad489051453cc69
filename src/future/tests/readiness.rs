//! Whose readiness a send uses, and that none is kept while a request waits.

use std::time::Duration;

use http::StatusCode;
use tower::{ServiceExt, limit::ConcurrencyLimit};

use super::*;
use Step::{Called, GivenBack, Reserved};

#[tokio::test(start_paused = true)]
async fn f162_each_send_uses_a_reservation_of_its_own() {
    let always = || Org::always(200, "{}");
    let cases: [(bool, Org, usize, &[Step]); 4] = [
        // The token is at hand: the caller's own reservation.
        (true, always(), 0, &[Reserved, Called]),
        // It is not: another one, once it is there.
        (false, always(), 1, &[Reserved, GivenBack, Reserved, Called]),
        (true, Org::after_refresh(), 1, &[Reserved, Called, Reserved, Called]),
        (false, Org::after_refresh(), 2, &[Reserved, GivenBack, Reserved, Called, Reserved, Called]),
    ];
    for (hot, org, exchanges, steps) in cases {
        let connection = if hot {
            Connection::hot().await
        } else {
            Connection::cold().turns([Turn::Grant(OLD_TOKEN, OLD)])
        };
        let response = auth(&connection, &org).oneshot(request("/x")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!((org.steps(), connection.exchanges()), (steps.to_vec(), exchanges));
    }
}

#[tokio::test(start_paused = true)]
async fn f162_a_handle_that_gave_its_reservation_back_asks_for_the_next_one() {
    let (connection, org) = (Connection::cold(), Org::always(200, "{}"));
    let mut auth = auth(&connection, &org);
    for _ in 0..2 {
        auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    }
    auth.ready().await.unwrap().call(request("*")).await.unwrap_err();
    auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    assert_eq!(
        org.steps(),
        [Reserved, GivenBack, Reserved, Called, Reserved, Called, Reserved, GivenBack, Reserved, Called]
    );
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_a_token_is_waited_for() {
    let (connection, org) = (Connection::cold(), Org::always(200, "{}"));
    connection.hold();
    let mut auth = auth(&connection, &org);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert_eq!((org.reservations(), connection.exchanges()), (0, 0), "nothing before the first poll");
    assert!(poll_once(&mut response).is_pending());
    connection.exchanging(1).await;
    assert!(poll_once(&mut response).is_pending());
    assert_eq!((org.steps(), org.got().len()), (vec![Reserved, GivenBack], 0));
    connection.let_through();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!((org.got()[0].uri.host(), org.reservations(), connection.exchanges()), (Some(NEW), 0, 1));
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_a_refused_request_waits_for_the_refresh() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    connection.hold();
    let mut auth = auth(&connection, &org);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert!(poll_once(&mut response).is_pending());
    connection.exchanging(1).await;
    assert!(poll_once(&mut response).is_pending());
    assert_eq!((org.steps(), org.got().len()), (vec![Reserved, Called], 1));
    connection.let_through();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(org.steps(), [Reserved, Called, Reserved, Called]);
}

#[tokio::test(start_paused = true)]
async fn f169_polling_ready_starts_no_refresh() {
    let (connection, org) = (Connection::cold(), Org::always(200, "{}"));
    let mut auth = auth(&connection, &org);
    auth.ready().await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(auth);
    assert_eq!((org.steps(), connection.exchanges()), (vec![Reserved, GivenBack], 0));
}

#[tokio::test(start_paused = true)]
async fn f164_a_limit_of_one_below_the_layer_lets_the_refresh_and_the_resend_through() {
    for connection in [Connection::cold(), Connection::hot().await] {
        let org = Org::after_refresh();
        let limited = ConcurrencyLimit::new(org.clone(), 1);
        let auth = SalesforceAuthLayer::new(connection.session.clone()).layer(limited);
        let requests = (0..50).map(|_| {
            let mut auth = auth.clone();
            // The handle outlives its request, and would keep a permit that was not given back.
            tokio::spawn(async move { auth.ready().await?.call(request("/x")).await })
        });
        for request in requests.collect::<Vec<_>>() {
            let response = tokio::time::timeout(Duration::from_secs(60), request).await.expect("no deadlock");
            assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
        }
        assert_eq!((connection.exchanges(), org.reservations()), (1, 0));
        assert!(org.got().len() <= 100, "I3");
    }
}

#[tokio::test(start_paused = true)]
async fn f168_an_error_of_readiness_is_final() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    let mut auth = auth(&connection, &org);
    let response = auth.ready().await.unwrap().call(request("/x"));
    org.fail_readiness("shed");
    assert_eq!(response.await.unwrap_err().to_string(), "shed", "F167: of the clone for the resend");
    assert_eq!((org.got().len(), connection.exchanges()), (1, 1));
    org.fail_readiness("closed");
    assert_eq!(auth.ready().await.err().unwrap().to_string(), "closed");

    // Of the clone that is polled ready once there is a token.
    let (cold, org) = (Connection::cold(), Org::always(200, "{}"));
    let mut auth = self::auth(&cold, &org);
    let response = auth.ready().await.unwrap().call(request("/x"));
    org.fail_readiness("full");
    assert_eq!(response.await.unwrap_err().to_string(), "full");
    assert_eq!((org.got().len(), cold.exchanges()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn f170_a_caller_dropped_at_any_poll_leaves_no_reservation_behind() {
    for (hot, waits) in [(true, 2), (false, 4)] {
        for polls in 0.. {
            let connection = if hot {
                Connection::hot().await
            } else {
                Connection::cold().turns([Turn::Grant(OLD_TOKEN, OLD)])
            };
            connection.hold();
            let org = Org::after_refresh();
            let mut auth = auth(&connection, &org);
            let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
            let mut done = false;
            for poll in 0..polls {
                done = poll_once(&mut response).is_ready();
                // The handle lives: what it still held would be seen.
                assert_eq!(org.reservations(), 0, "at poll {poll}");
                connection.let_through();
                tokio::task::yield_now().await;
            }
            drop(response);
            assert_eq!(org.reservations(), 0, "after {polls} polls");
            assert!(org.got().len() <= 2, "I3");
            if done {
                assert!(polls > waits, "each wait was one to be dropped in: {polls} polls");
                break;
            }
            assert!(polls < 100, "the call never ends");
        }
    }
}
