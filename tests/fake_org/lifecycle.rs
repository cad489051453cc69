//! An org's beginning and end.

use tokio::net::TcpStream;
use tower_salesforce_auth::testing::{FakeOrg, TokenAnswer};

use crate::client::{both, consent, get, refresh};

#[tokio::test]
async fn both_versions_are_served_on_one_port() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_access_token();
    for client in both() {
        assert_eq!(client.limits(&org, &token).await.status, 200);
        assert_eq!(client.limits(&org, &token).await.status, 200);
    }
    assert_eq!(org.counters().connections, 2);
}

#[tokio::test]
async fn stopping_closes_every_port_and_ends_what_waits() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let moved = org.move_host().await;
        let (access, token) = consent(&org);
        let _held = (org.hold_api_requests(), org.hold_token_requests());
        let waiting = [get(&format!("{moved}/services/data/v65.0/limits"), &access), refresh(&org, &token)]
            .map(|request| {
                let client = client.clone();
                tokio::spawn(async move { client.try_send(request).await })
            });
        _held.0.arrived(1).await;
        _held.1.arrived(1).await;
        let hosts = [org.url(), moved];
        org.stop().await;
        for request in waiting {
            assert!(request.await.unwrap().is_err());
        }
        for host in hosts {
            assert!(TcpStream::connect(host.trim_start_matches("http://")).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_dropped_org_answers_no_more() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let url = format!("{}/services/data", org.url());
        assert_eq!(client.get(&url, "").await.status, 200);
        drop(org);
        // The runtime closes the sockets when it next comes to their tasks.
        while client.try_send(get(&url, "")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn s12_debug_shows_no_secret() {
    let org = FakeOrg::start().await.unwrap();
    let (access, refresh) = consent(&org);
    let gate = org.hold_api_requests();
    let shown = format!("{org:?} {gate:?} {:?} {:?}", FakeOrg::builder(), TokenAnswer::Huge.next(1));
    assert!(shown.contains(org.org_id()), "{shown}");
    for secret in [&access, &refresh, org.client_secret()] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let org = FakeOrg::start().await.unwrap();
    let port = org.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let taken = FakeOrg::builder().port(port).start().await;
    assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
