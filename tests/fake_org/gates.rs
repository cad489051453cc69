//! Requests that wait for the test.

use tower_salesforce_auth::testing::FakeOrg;

use crate::client::{both, consent, get, refresh};

#[tokio::test]
async fn a_second_request_while_the_first_is_processed_is_refused() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (token, other) = (org.issue_refresh_token(), org.issue_refresh_token());
        let gate = org.hold_token_requests();
        let send = |token: &str| {
            let (client, mut request) = (client.clone(), refresh(&org, token));
            request.headers_mut().insert("user-agent", token.parse().unwrap());
            tokio::spawn(async move { client.send(request).await })
        };
        let first = send(&token);
        gate.arrived(1).await;
        assert_eq!(gate.user_agents(), [token.as_str()]);
        assert_eq!(org.counters().token_requests, 1);
        let second = send(&token).await.unwrap();
        assert_eq!(second.refusal(), (400, "token request is already being processed".into()));
        // Another refresh token is another matter.
        let third = send(&other);
        gate.arrived(2).await;
        assert_eq!(gate.user_agents(), [token, other], "in the order of their arrival");
        gate.release();
        assert_eq!(first.await.unwrap().status, 200);
        assert_eq!(third.await.unwrap().status, 200);
        let seen = org.counters();
        assert_eq!((seen.token_requests, seen.tokens_issued, seen.families_revoked), (3, 2, 0));
        assert_eq!(seen.max_concurrent_token_requests, 2);
    }
}

#[tokio::test]
async fn f001_a_token_request_whose_client_has_left_is_processed_all_the_same() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_refresh_token();
        let gate = org.hold_token_requests();
        let leaving = tokio::spawn({
            let (client, request) = (client.clone(), refresh(&org, &token));
            async move { client.send(request).await }
        });
        gate.arrived(1).await;
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
        // Its connection is gone, but it still waits; then it goes on and spends the token.
        assert_eq!(client.send(get(&format!("{}/services/data", org.url()), "")).await.status, 200);
        assert_eq!(gate.waiting(), 1);
        gate.release();
        while org.counters().tokens_issued == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.refresh(&org, &token).await.refusal().1, "expired access/refresh token");
        assert_eq!(org.counters().families_revoked, 1);
    }
}

#[tokio::test]
async fn late_refusals_come_one_by_one() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (token, _) = consent(&org);
        let gate = org.hold_api_requests();
        let url = format!("{}/services/data/v65.0/limits", org.url());
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (client, request) = (client.clone(), get(&url, &token));
            requests.spawn(async move { client.send(request).await.status.as_u16() });
        }
        gate.arrived(3).await;
        assert_eq!((org.counters().requests, org.counters().refused), (3, 0));
        gate.let_through(1);
        assert_eq!(requests.join_next().await.unwrap().unwrap(), 200);
        assert_eq!(gate.waiting(), 2);
        org.expire_sessions();
        for refused in 1..=2 {
            gate.let_through(1);
            assert_eq!(requests.join_next().await.unwrap().unwrap(), 401);
            assert_eq!(org.counters().refused, refused);
        }
        drop(gate);
        assert_eq!(client.get(&url, &token).await.status, 401);
    }
}

#[tokio::test]
async fn a_thousand_requests_wait_on_one_http2_connection_and_may_all_be_dropped() {
    let [_, client] = both();
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_access_token();
    assert_eq!(client.limits(&org, &token).await.status, 200);
    let gate = org.hold_api_requests();
    let url = format!("{}/services/data/v65.0/limits", org.url());
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (client, request) = (client.clone(), get(&url, &token));
        requests.spawn(async move { client.try_send(request).await });
    }
    gate.arrived(1_000).await;
    requests.shutdown().await;
    gate.release();
    assert_eq!(client.get(&url, &token).await.status, 200);
    let seen = org.counters();
    assert_eq!((seen.connections, seen.max_concurrent_requests), (1, 1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_gate_no_two_token_requests_overlap() {
    for client in both() {
        let org = FakeOrg::builder().rotation(false).start().await.unwrap();
        let token = org.issue_refresh_token();
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            let requests: Vec<_> = (0..25).map(|_| refresh(&org, &token)).collect();
            clients.spawn(async move {
                for request in requests {
                    assert_eq!(client.send(request).await.status, 200);
                }
            });
        }
        clients.join_all().await;
        assert_eq!(org.counters().tokens_issued, 200);
    }
}
