//! Handles and futures: what they share, what they cost, what the compiler knows of them.

use http::{StatusCode, header};
use tower::{ServiceExt, util::BoxCloneService};

use super::*;
use crate::{refusal::Dialect, replay::Cloned};

#[tokio::test(start_paused = true)]
async fn polled_again_after_its_answer_it_stays_pending() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    let mut auth = auth(&connection, &org);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert!(response.as_mut().await.is_ok());
    assert!(poll_once(&mut response).is_pending());
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("*")));
    assert!(response.as_mut().await.is_err());
    assert!(poll_once(&mut response).is_pending());
    assert_eq!(org.got().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_stays_counts_no_reference_of_what_others_share() {
    let (connection, org) = (Connection::hot().await, Org::always(200, "{}"));
    let mut auth = auth(&connection, &org);
    let shared = connection.live();
    for _ in 0..2 {
        auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    }
    let before = Arc::strong_count(&shared);
    let response = auth.ready().await.unwrap().call(request("/x"));
    assert_eq!(Arc::strong_count(&shared), before, "the token's, with a request under way");
    assert_eq!(before, 2, "the session's and this test's: none of the handle");
    for _ in 0..2 {
        auth.clone().oneshot(request("/x")).await.unwrap();
    }
    let got = org.got();
    let sent = |n: usize| got[n].headers[header::AUTHORIZATION].as_bytes().as_ptr();
    assert_eq!(sent(3), sent(4), "a handle for one request copies nothing");
    assert_ne!(sent(2), sent(3), "it has nothing of the handle that stays");
    assert_ne!(
        sent(2),
        shared.credential(Dialect::Elsewhere).1.as_bytes().as_ptr(),
        "the bytes of the header"
    );
    assert_ne!(
        got[2].uri.host().unwrap().as_ptr(),
        shared.authority.host().as_ptr(),
        "the bytes of the host"
    );
    response.await.unwrap();
    assert!(shared.was_accepted(), "what is learned is shared all the same");
}

#[tokio::test(start_paused = true)]
async fn every_handle_notices_a_new_token() {
    let (connection, org) = (Connection::hot().await, Org::always(200, "{}"));
    let mut stays = auth(&connection, &org);
    for _ in 0..3 {
        stays.ready().await.unwrap().call(request("/x")).await.unwrap();
    }
    let copied = stays.clone();
    connection.session.refresh().await.unwrap();
    stays.ready().await.unwrap().call(request("/x")).await.unwrap();
    copied.oneshot(request("/x")).await.unwrap();
    let got = org.got();
    assert_eq!(
        got[2..].iter().map(token).collect::<Vec<_>>(),
        ["Bearer 00D!old", "Bearer 00D!new", "Bearer 00D!new"]
    );
    assert_eq!(connection.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_handle_goes_on_with_the_token_of_a_revoked_session() {
    for used in 0..4 {
        let (connection, org) = (Connection::hot().await, Org::always(200, "{}"));
        let mut auth = auth(&connection, &org);
        for _ in 0..used {
            auth.ready().await.unwrap().call(request("/x")).await.unwrap();
        }
        let copied = auth.clone();
        connection.session.revoke().await.unwrap();
        for mut handle in [auth, copied] {
            let error = handle.ready().await.unwrap().call(request("/x")).await.unwrap_err();
            assert_eq!(kind(&error), Some(AuthErrorKind::Revoked));
        }
        assert_eq!((org.got().len(), connection.exchanges()), (used, 0));
    }
}

type Erased = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

#[tokio::test(start_paused = true)]
async fn f173_a_service_that_is_not_sync_can_be_spawned() {
    let (connection, org) = (Connection::hot().await, Org::after_refresh());
    let erased: Erased = BoxCloneService::new(org.clone());
    let auth = SalesforceAuthLayer::new(connection.session.clone()).layer(erased);
    let response = tokio::spawn(auth.clone().oneshot(request("/x"))).await.unwrap().unwrap();
    assert_eq!((response.status(), org.got().len()), (StatusCode::OK, 2));
    let mut auth = auth;
    let response =
        tokio::spawn(async move { auth.ready().await?.call(request("/x")).await }).await.unwrap().unwrap();
    assert_eq!((response.status(), org.got().len()), (StatusCode::OK, 3));
    assert_eq!(connection.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn f185_debug_of_the_public_types_shows_no_token_and_no_uri() {
    let (connection, org) = (Connection::cold(), Org::always(200, ""));
    connection.publish("00D!canary", OLD).await;
    let mut auth = auth(&connection, &org);
    let response = auth.ready().await.unwrap().call(request("/canary"));
    let layer = SalesforceAuthLayer::new(connection.session.clone());
    assert!(!format!("{layer:?} {auth:?} {response:?}").contains("canary"));
}

/// It has 176 bytes, where 384 are the most that is acceptable; growth is to be noticed long before that.
#[test]
fn the_future_over_a_hyper_client_has_at_most_192_bytes() {
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    type Hyper = Client<HttpConnector, Full<Bytes>>;
    type Future = ResponseFuture<Hyper, Cloned, Full<Bytes>, hyper::body::Incoming>;
    fn send<T: Send>() {}
    send::<Future>();
    let size = size_of::<Future>();
    assert!(size <= 192, "{size} bytes");
}
