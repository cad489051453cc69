//! The control plane, as a suite in another language uses it.

use serde_json::{Value, json};
use tower_salesforce_auth::testing::FakeOrg;

use crate::client::{Answer, both, consent, get};

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
async fn conditions_are_imposed_and_lifted_over_http() {
    for client in both() {
        let org = FakeOrg::builder().control_plane(true).start().await.unwrap();
        let command = async |command: &str| {
            let answer = client.post(&format!("{}/__fake/{command}", org.url()), "").await;
            assert_eq!(answer.json(), json!({ "ok": true }), "{command}");
        };
        let (access, mut refresh) = consent(&org);
        // An error of REST or of OAuth, or the status of anything else.
        let code = |answer: Answer| match serde_json::from_slice::<Value>(&answer.body) {
            Ok(Value::Array(errors)) => errors[0]["message"].as_str().unwrap().to_owned(),
            Ok(error) if error["error_description"].is_string() => answer.text("error_description"),
            _ => answer.status.as_u16().to_string(),
        };
        for (condition, api, token) in [
            ("ip-lock", "This session is not valid for use with the REST API", "200"),
            ("ip-lock&wording=expired", "Session expired or invalid", "200"),
            ("app-ip-policy&allowing=192.0.2.7,2001:db8::1&wording=error&code=X&message=no", "no", "200"),
            ("app-ip-policy&allowing=192.0.2.2", "200", "200"),
            ("refresh-ip-allowlist&allowing=192.0.2.1", "200", "200"),
            ("refresh-ip-allowlist&description=ip+restricted", "200", "ip restricted"),
            (
                "api-access-control&tokens=app-not-installed",
                "This session is not valid for use with the REST API",
                "app must be installed into org",
            ),
            ("api-scope-missing&wording=expired", "Session expired or invalid", "200"),
            ("grant-cap&most=1&counting_sessions=true", "200", "200"),
            (
                "read-only-mode&status=500&reads_refused=true&sessions_survive=true",
                "This session is not valid for use with the REST API",
                "200",
            ),
            ("maintenance&page=edge", "420", "200"),
            ("maintenance&page=server-unavailable&also_at_token_endpoint=true", "Server too busy", "503"),
            ("request-limit&limit=daily", "TotalRequests Limit exceeded.", "200"),
            ("intermediary&status=401&body=json", "401", "200"),
            ("introspection-inactive", "200", "200"),
            ("user-deactivated&as_error=true", "Session expired or invalid", "user is inactive"),
            ("app-blocked&how=deleted", "Session expired or invalid", "client identifier invalid"),
        ] {
            command("place?tokens=192.0.2.1&api=192.0.2.2").await;
            command(&format!("impose?kind={condition}")).await;
            assert_eq!(code(client.limits(&org, &access).await), api, "{condition}");
            let answer = client.refresh(&org, &refresh).await;
            if answer.status.is_success() {
                refresh = answer.text("refresh_token");
            }
            assert_eq!(code(answer), token, "{condition}");
            command(&format!("lift?kind={}", condition.split('&').next().unwrap())).await;
        }
        command("impose?kind=api-access-control").await;
        command("lift").await;
        let access = client.refresh(&org, &refresh).await.text("access_token");
        assert_eq!(client.limits(&org, &access).await.status, 200);
        command("place?api=192.0.2.1").await;
        command("revoke?by=password-change").await;
        let (_, refresh) = consent(&org);
        command("revoke?by=admin&description=gone").await;
        assert_eq!(client.refresh(&org, &refresh).await.refusal(), (400, "gone".into()));
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
            ("impose", 400, "the query parameter `kind` is missing"),
            ("impose?kind=odd", 400, "the query parameter `kind` cannot be read"),
            ("impose?kind=ip-lock&wording=odd", 400, "the query parameter `wording` cannot be read"),
            (
                "impose?kind=ip-lock&identity_served=1",
                400,
                "the query parameter `identity_served` cannot be read",
            ),
            ("impose?kind=app-ip-policy&allowing=home", 400, "the query parameter `allowing` cannot be read"),
            ("lift?kind=odd", 400, "the query parameter `kind` cannot be read"),
            ("place", 400, "the query parameter `tokens` is missing"),
            ("place?api=home", 400, "the query parameter `api` cannot be read"),
            ("revoke?by=nobody", 400, "the query parameter `by` cannot be read"),
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
