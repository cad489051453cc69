//! The token endpoint, revocation and introspection.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_salesforce_auth::testing::{FakeOrg, Revocation};

use crate::client::{Client, both, consent, token_url};

const REUSED: (u16, &str) = (400, "expired access/refresh token");

fn is(refusal: (u16, String), expected: (u16, &str)) {
    assert_eq!((refusal.0, refusal.1.as_str()), expected);
}

#[tokio::test]
async fn a_refresh_answers_the_classic_fields() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let answer = client.refresh(&org, &org.issue_refresh_token()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let fields = answer.json();
        let (prefix, rest) = fields["access_token"].as_str().unwrap().split_once('!').unwrap();
        assert_eq!(prefix, &org.org_id()[..15]);
        assert!(rest.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'.' || c == b'_'), "{rest}");
        assert_eq!(fields["instance_url"], org.url());
        assert_eq!(fields["id"], format!("{}/id/{}/{}", org.url(), org.org_id(), org.user_id()));
        assert_eq!(fields["token_type"], "Bearer");
        assert!(fields["issued_at"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000);
        assert_eq!(STANDARD.decode(fields["signature"].as_str().unwrap()).unwrap().len(), 32);
        assert!(fields["refresh_token"].is_string());
        assert_eq!(fields.get("expires_in"), None);
        assert_eq!(client.limits(&org, fields["access_token"].as_str().unwrap()).await.status, 200);
        assert_eq!(org.counters().tokens_issued, 1);
    }
}

#[tokio::test]
async fn without_rotation_a_refresh_token_is_used_again_and_never_sent() {
    for client in both() {
        let org = FakeOrg::builder().rotation(false).start().await.unwrap();
        let token = org.issue_refresh_token();
        let mut issued_at = Vec::new();
        for _ in 0..3 {
            let answer = client.refresh(&org, &token).await;
            assert_eq!(answer.json().get("refresh_token"), None);
            issued_at.push(answer.text("issued_at").parse::<u64>().unwrap());
        }
        assert!(issued_at.is_sorted_by(|earlier, later| earlier < later), "{issued_at:?}");
        assert_eq!(org.counters().tokens_issued, 3);
    }
}

#[tokio::test]
async fn with_rotation_every_refresh_has_a_successor() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let mut token = org.issue_refresh_token();
        for _ in 0..3 {
            let answer = client.refresh(&org, &token).await;
            assert_eq!(answer.status, StatusCode::OK);
            token = answer.text("refresh_token");
        }
        assert_eq!(org.counters().refresh_tokens_reused, 0);
    }
}

#[tokio::test]
async fn reuse_of_a_spent_refresh_token_revokes_the_whole_family_and_no_other() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (first_access, first) = consent(&org);
        let (other_access, other) = consent(&org);
        let second = client.refresh(&org, &first).await;
        let (second_access, second) = (second.text("access_token"), second.text("refresh_token"));
        // Rotation by itself ends no session.
        assert_eq!(client.limits(&org, &first_access).await.status, 200);

        is(client.refresh(&org, &first).await.refusal(), REUSED);
        assert_eq!(client.limits(&org, &first_access).await.status, 401);
        assert_eq!(client.limits(&org, &second_access).await.status, 401);
        is(client.refresh(&org, &second).await.refusal(), REUSED);
        assert_eq!(client.limits(&org, &other_access).await.status, 200);
        assert_eq!(client.refresh(&org, &other).await.status, 200);

        // What is revoked already is not revoked again; the living token of a revoked family is unknown, not spent.
        is(client.refresh(&org, &first).await.refusal(), REUSED);
        let seen = org.counters();
        assert_eq!((seen.refresh_tokens_reused, seen.families_revoked), (2, 1));
        assert_eq!((seen.token_requests, seen.token_requests_refused, seen.tokens_issued), (5, 3, 2));
    }
}

#[tokio::test]
async fn a_refresh_can_end_the_previous_sessions_of_its_family() {
    for client in both() {
        let org = FakeOrg::builder().refresh_ends_previous_session(true).start().await.unwrap();
        let (access, refresh) = consent(&org);
        let (other, _) = consent(&org);
        let fresh = client.refresh(&org, &refresh).await.text("access_token");
        assert_eq!(client.limits(&org, &access).await.status, 401);
        assert_eq!(client.limits(&org, &fresh).await.status, 200);
        assert_eq!(client.limits(&org, &other).await.status, 200);
    }
}

#[tokio::test]
async fn revoking_all_refresh_tokens_ends_their_sessions_too() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        org.revoke_refresh_tokens();
        assert_eq!(client.limits(&org, &access).await.status, 401);
        is(client.refresh(&org, &refresh).await.refusal(), REUSED);
        assert_eq!(org.counters().refresh_tokens_reused, 0);
    }
}

#[tokio::test]
async fn a_revocation_ends_every_session_at_once_and_is_told_by_its_cause() {
    for client in both() {
        for (revocation, description) in [
            (Revocation::by_user(), "expired access/refresh token"),
            (Revocation::by_admin(), "expired access/refresh token"),
            (Revocation::by_password_change(), "authentication failure"),
            (Revocation::by_admin().description("inactive user"), "inactive user"),
        ] {
            let org = FakeOrg::start().await.unwrap();
            let (access, first) = consent(&org);
            let second = client.refresh(&org, &first).await.text("refresh_token");
            let without_grant = org.issue_access_token();
            org.revoke(revocation);
            for token in [&access, &without_grant] {
                assert_eq!(client.limits(&org, token).await.status, 401);
            }
            let answer = client.refresh(&org, &second).await;
            assert_eq!(
                (answer.refusal(), answer.text("error").as_str()),
                ((400, description.into()), "invalid_grant")
            );
            // A token that was spent before is told as reuse.
            is(client.refresh(&org, &first).await.refusal(), REUSED);
            let seen = org.counters();
            assert_eq!((seen.refresh_tokens_reused, seen.families_revoked), (1, 0));
            // Only a new consent heals it.
            let (access, refresh) = consent(&org);
            assert_eq!(client.limits(&org, &access).await.status, 200);
            assert_eq!(client.refresh(&org, &refresh).await.status, 200);
        }
    }
}

#[tokio::test]
async fn clients_are_told_what_is_wrong_with_their_credentials() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_refresh_token();
        let (id, secret) = (org.client_id(), org.client_secret());
        let form = |rest: &str| format!("grant_type=refresh_token&refresh_token={token}{rest}");
        for (rest, error) in [
            (String::new(), "invalid_client_id"),
            (format!("&client_id=x&client_secret={secret}"), "invalid_client_id"),
            (format!("&client_id={id}"), "invalid_client"),
            (format!("&client_id={id}&client_secret=x"), "invalid_client"),
        ] {
            let answer = client.post(&token_url(&org), &form(&rest)).await;
            assert_eq!((answer.status.as_u16(), answer.text("error").as_str()), (400, error), "{rest}");
        }
        // None of that spent the token; Basic is taken as well.
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::post(token_url(&org)).header("authorization", format!("Basic {basic}"));
        assert_eq!(client.send(request.body(Full::from(form(""))).unwrap()).await.status, 200);
    }
}

#[tokio::test]
async fn a_public_client_refreshes_without_a_secret() {
    for client in both() {
        let org = FakeOrg::builder().require_client_secret(false).start().await.unwrap();
        let form = |token: String, rest: &str| {
            format!("grant_type=refresh_token&client_id={}&refresh_token={token}{rest}", org.client_id())
        };
        let url = token_url(&org);
        assert_eq!(client.post(&url, &form(org.issue_refresh_token(), "")).await.status, 200);
        let wrong = client.post(&url, &form(org.issue_refresh_token(), "&client_secret=wrong")).await;
        assert_eq!(wrong.text("error"), "invalid_client");
    }
}

#[tokio::test]
async fn client_credentials_give_a_session_without_a_refresh_token() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let form = |secret: &str| {
            format!("grant_type=client_credentials&client_id={}&client_secret={secret}", org.client_id())
        };
        let answer = client.post(&token_url(&org), &form(org.client_secret())).await;
        assert_eq!(answer.json().get("refresh_token"), None);
        assert_eq!(client.limits(&org, &answer.text("access_token")).await.status, 200);
        assert_eq!(client.post(&token_url(&org), &form("wrong")).await.text("error"), "invalid_client");
    }
}

#[tokio::test]
async fn other_grants_and_methods_are_refused() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        for form in ["", "grant_type=password&username=x&password=y"] {
            let answer = client.post(&token_url(&org), form).await;
            assert_eq!(answer.text("error"), "unsupported_grant_type");
        }
        assert_eq!(client.get(&token_url(&org), "x").await.refusal().1, "must use HTTP POST");
    }
}

#[allow(clippy::disallowed_methods)]
fn wall() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

async fn present(client: &Client, org: &FakeOrg, header: &Value, claims: &Value) -> (u16, String) {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}.{}.c2lnbmVk",
        part(header),
        part(claims)
    );
    let answer = client.post(&token_url(org), &form).await;
    let field = if answer.status.is_success() { "access_token" } else { "error_description" };
    (answer.status.as_u16(), answer.text(field))
}

#[tokio::test]
async fn an_assertion_gives_a_session_if_its_claims_are_right() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let header = json!({ "alg": "RS256" });
        let claims = json!({
            "iss": org.client_id(), "sub": org.username(), "aud": "https://login.salesforce.com",
            "exp": wall() + 180,
        });
        let (status, token) = present(&client, &org, &header, &claims).await;
        assert_eq!(status, 200, "{token}");
        assert_eq!(client.limits(&org, &token).await.status, 200);

        let with = |field: &str, value: Value| {
            let mut claims = claims.clone();
            claims[field] = value;
            claims
        };
        assert_eq!(present(&client, &org, &header, &with("aud", org.url().into())).await.0, 200);
        for (claims, description) in [
            (with("iss", "another".into()), "client identifier invalid"),
            (with("sub", "another".into()), "user hasn't approved this consumer"),
            (with("prn", "another".into()), "user hasn't approved this consumer"),
            (with("aud", "https://login.example".into()), "audience is invalid"),
            (with("exp", (wall() - 1).into()), "expired authorization code"),
            (with("exp", (wall() + 300).into()), "invalid assertion"),
            (with("exp", (wall() * 1_000).into()), "invalid assertion"),
            (with("exp", Value::Null), "invalid assertion"),
        ] {
            is(present(&client, &org, &header, &claims).await, (400, description));
        }
        is(present(&client, &org, &json!({ "alg": "none" }), &claims).await, (400, "invalid assertion"));
        assert_eq!(org.counters().tokens_issued, 2);
    }
}

#[tokio::test]
async fn revoking_a_token_ends_what_lives_under_it() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        let url = format!("{}/services/oauth2/revoke", org.url());
        let next = client.refresh(&org, &refresh).await;
        let (next_access, next) = (next.text("access_token"), next.text("refresh_token"));

        assert_eq!(client.post(&url, &format!("token={access}")).await.status, 200);
        assert_eq!(client.limits(&org, &access).await.status, 401);
        assert_eq!(client.limits(&org, &next_access).await.status, 200);
        assert_eq!(client.post(&url, &format!("token={next}")).await.status, 200);
        assert_eq!(client.limits(&org, &next_access).await.status, 401);
        is(client.refresh(&org, &next).await.refusal(), REUSED);

        assert_eq!(client.post(&url, &format!("token={next}")).await.text("error"), "invalid_token");
        assert_eq!(client.post(&url, "").await.text("error"), "unsupported_token_type");
        assert_eq!(org.counters().revocations, 4);
    }
}

#[tokio::test]
async fn introspection_tells_how_long_a_session_has_left() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        let url = format!("{}/services/oauth2/introspect", org.url());
        let form = |token: &str| {
            format!("token={token}&client_id={}&client_secret={}", org.client_id(), org.client_secret())
        };
        org.advance(std::time::Duration::from_secs(3_600));
        let answer = client.post(&url, &form(&access)).await.json();
        assert_eq!((&answer["active"], &answer["username"]), (&true.into(), &org.username().into()));
        assert_eq!(
            (&answer["scope"], &answer["client_id"]),
            (&"refresh_token api id".into(), &org.client_id().into())
        );
        for field in ["sub", "token_type", "iat", "nbf"] {
            assert!(!answer[field].is_null(), "{field}");
        }
        let left = answer["exp"].as_u64().unwrap() - wall();
        assert!((3_595..=3_601).contains(&left), "{left}");
        // Looking at a session is not using it.
        org.advance(std::time::Duration::from_secs(3_600));
        assert_eq!(client.post(&url, &form(&access)).await.json(), json!({ "active": false }));
        assert_eq!(client.post(&url, &form(&refresh)).await.json()["token_type"], "refresh_token");
        for credentials in ["", "&client_id=x&client_secret=y", "&client_secret=y"] {
            let answer = client.post(&url, &format!("token={access}{credentials}")).await;
            assert_eq!((answer.status.as_u16(), answer.text("error").as_str()), (400, "invalid_client"));
        }
        assert_eq!(org.counters().introspections, 6);
    }
}
