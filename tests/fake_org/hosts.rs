//! An org that moves.

use tower_salesforce_auth::testing::{FakeOrg, LeftHost};

use crate::client::{both, consent};

const LIMITS: &str = "/services/data/v65.0/limits?x=%2e%2e";

#[tokio::test]
async fn after_a_move_tokens_name_the_new_host_and_the_old_one_refuses() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        let new = org.move_host().await;
        assert_ne!(new, org.url());
        assert_eq!(org.instance_url(), new);

        // The default looks like any dead session.
        let old = client.get(&format!("{}{LIMITS}", org.url()), &access).await;
        assert_eq!(old.rest_error(), (401, "INVALID_SESSION_ID".into()));
        let versions = client.get(&format!("{}/services/data", org.url()), &access).await;
        assert_eq!(versions.status, 401);
        // Logging in stays where it was, and the identity URL with it.
        let answer = client.refresh(&org, &refresh).await;
        assert_eq!(answer.text("instance_url"), new);
        let fresh = answer.text("access_token");
        assert_eq!(client.get(&answer.text("id"), &fresh).await.status, 200);
        assert_eq!(client.get(&format!("{new}{LIMITS}"), &fresh).await.status, 200);
        // The session has outlived the move.
        assert_eq!(client.get(&format!("{new}{LIMITS}"), &access).await.status, 200);
        let seen = org.counters();
        assert_eq!((seen.left_host_requests, seen.refused, seen.token_requests), (2, 2, 1));
    }
}

#[tokio::test]
async fn a_left_host_answers_as_it_was_told_to() {
    for client in both() {
        for (left_host, status) in [
            (LeftHost::Redirect, 301),
            (LeftHost::TemporaryRedirect, 307),
            (LeftHost::LoginRedirect, 302),
            (LeftHost::UrlNotReset, 400),
            (LeftHost::ForbiddenPage, 403),
            (LeftHost::Unrecognised, 401),
        ] {
            let org = FakeOrg::builder().left_host(left_host).start().await.unwrap();
            let token = org.issue_access_token();
            let new = org.move_host().await;
            let answer = client.get(&format!("{}{LIMITS}", org.url()), &token).await;
            assert_eq!(answer.status, status, "{left_host:?}");
            let expected = format!("{new}{LIMITS}");
            match left_host {
                LeftHost::Redirect | LeftHost::TemporaryRedirect => {
                    assert_eq!(answer.header("location"), Some(expected.as_str()));
                }
                LeftHost::LoginRedirect => {
                    let expected = format!("{new}/?ec=302&startURL=%2Fservices%2Fdata%2Fv65.0%2Flimits");
                    assert_eq!(answer.header("location"), Some(expected.as_str()));
                }
                LeftHost::UrlNotReset => assert_eq!(answer.rest_error().1, "URL_NOT_RESET"),
                LeftHost::ForbiddenPage => assert!(answer.body.starts_with(b"<html>")),
                _ => assert!(answer.body.is_empty()),
            }
        }
    }
}

#[tokio::test]
async fn a_separate_login_host_logs_in_and_does_nothing_else() {
    for client in both() {
        let builder = FakeOrg::builder().separate_login_host(true).left_host(LeftHost::Unrecognised);
        let org = builder.start().await.unwrap();
        assert_ne!(org.url(), org.instance_url());
        let (_, refresh) = consent(&org);
        let answer = client.refresh(&org, &refresh).await;
        assert_eq!(answer.text("instance_url"), org.instance_url());
        let access = answer.text("access_token");
        assert_eq!(client.get(&answer.text("id"), &access).await.status, 200);
        assert_eq!(client.limits(&org, &access).await.status, 200);

        let rest = client.get(&format!("{}{LIMITS}", org.url()), &access).await;
        let body = r#"[{"errorCode":"URL_NOT_RESET","message":"Destination URL not reset. The URL returned from login must be set"}]"#;
        assert_eq!((rest.status.as_u16(), &rest.body[..]), (400, body.as_bytes()));
        let bulk = client.get(&format!("{}/services/async/65.0/job/750", org.url()), &access).await;
        assert_eq!(bulk.status, 400);
        assert!(
            std::str::from_utf8(&bulk.body).unwrap().contains("<exceptionCode>InvalidUrl</exceptionCode>")
        );
        let soap = client.post(&format!("{}/services/Soap/u/65.0", org.url()), "").await;
        assert_eq!(soap.status, 500);
        assert!(std::str::from_utf8(&soap.body).unwrap().contains("must be set in the SforceService"));

        // A host that the org leaves later answers as it was told to.
        let left = org.instance_url();
        org.move_host().await;
        let left = client.get(&format!("{left}{LIMITS}"), &access).await;
        assert_eq!((left.status.as_u16(), left.body.len()), (401, 0));
        assert_eq!(client.get(&format!("{}{LIMITS}", org.url()), &access).await.status, 400);
        assert_eq!(client.limits(&org, &access).await.status, 200);
    }
}

#[tokio::test]
async fn a_host_in_between_is_left_for_good() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        let between = org.move_host().await;
        let last = org.move_host().await;
        assert_eq!(client.get(&format!("{between}{LIMITS}"), &access).await.status, 401);
        // It never was the login host.
        let userinfo = client.get(&format!("{between}/services/oauth2/userinfo"), &access).await;
        assert_eq!((userinfo.status.as_u16(), &userinfo.body[..]), (403, &b"Bad_OAuth_Token"[..]));
        assert_eq!(client.refresh(&org, &refresh).await.text("instance_url"), last);
    }
}
