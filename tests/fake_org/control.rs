//! The control plane, as a suite in another language uses it.

use serde_json::json;
use tower_salesforce_auth::testing::FakeOrg;

use crate::client::{both, get};

#[tokio::test]
async fn an_org_is_controlled_over_http() {
    for client in both() {
        let org = FakeOrg::builder().control_plane(true).start().await.unwrap();
        let command = async |command: &str| {
            let answer = client.post(&format!("{}/__fake/{command}", org.url()), "").await;
            (answer.status.as_u16(), answer.json())
        };
        let consent = command("consent").await.1;
        let [access, refresh] = ["access_token", "refresh_token"].map(|name| consent[name].as_str().unwrap());
        assert_eq!(client.limits(&org, access).await.status, 200);
        assert_eq!(command("advance?seconds=7200").await, (200, json!({ "ok": true })));
        assert_eq!(client.limits(&org, access).await.status, 401);

        command("token-answer?kind=html&status=502&times=1").await;
        assert_eq!(client.refresh(&org, refresh).await.status, 502);
        command("token-answer?kind=patch&patch=%7B%22scope%22%3A%22x%22%7D").await;
        let answer = client.refresh(&org, refresh).await;
        assert_eq!(answer.text("scope"), "x");
        command("token-answer?kind=normal").await;

        let fresh = answer.text("access_token");
        command("api-answer?kind=error&status=403&code=REQUEST_LIMIT_EXCEEDED&times=1").await;
        assert_eq!(client.limits(&org, &fresh).await.rest_error(), (403, "REQUEST_LIMIT_EXCEEDED".into()));
        assert_eq!(client.limits(&org, &fresh).await.status, 200);
        command("api-answer?kind=early-dead-session&bytes=1&times=1").await;
        assert_eq!(client.limits(&org, &fresh).await.status, 401);
        assert_eq!(client.limits(&org, &fresh).await.status, 200);
        command("expire").await;
        assert_eq!(client.limits(&org, &fresh).await.status, 401);
        assert_eq!(command("move").await.1["instance_url"], org.instance_url());
        assert_ne!(org.instance_url(), org.url());
        command("revoke").await;
        assert_eq!(client.refresh(&org, &answer.text("refresh_token")).await.status, 400);

        let counters = client.send(get(&format!("{}/__fake/counters", org.url()), "")).await.json();
        let seen = org.counters();
        assert_eq!(counters["requests"], seen.requests);
        assert_eq!(counters["token_requests"], 3);
        assert_eq!((seen.requests, seen.refused), (7, 4));
    }
}

#[tokio::test]
async fn commands_that_cannot_be_read_say_why() {
    for client in both() {
        let org = FakeOrg::builder().control_plane(true).start().await.unwrap();
        for (command, status, problem) in [
            ("nothing", 404, "no such command"),
            ("advance", 400, "the query parameter `seconds` is missing"),
            ("advance?seconds=soon", 400, "the query parameter `seconds` cannot be read"),
            ("token-answer?kind=odd", 400, "the query parameter `kind` cannot be read"),
            ("api-answer?kind=patch&patch=%7B", 400, "the query parameter `patch` cannot be read"),
            ("api-answer?kind=html&times=-1", 400, "the query parameter `times` cannot be read"),
        ] {
            let answer = client.post(&format!("{}/__fake/{command}", org.url()), "").await;
            assert_eq!((answer.status.as_u16(), answer.text("error").as_str()), (status, problem));
        }
    }
}

#[tokio::test]
async fn there_is_no_control_plane_unless_it_is_asked_for() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        assert_eq!(client.get(&format!("{}/__fake/counters", org.url()), &token).await.status, 404);
        assert_eq!(client.post(&format!("{}/__fake/expire", org.url()), "").await.status, 401);
        assert_eq!(client.limits(&org, &token).await.status, 200);
    }
}
