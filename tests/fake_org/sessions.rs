//! Sessions: how they live, how they die, and how each API tells.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use tower_salesforce_auth::testing::FakeOrg;

use crate::client::{both, consent, get};

#[tokio::test]
async fn a_session_that_is_used_lives_on_and_an_idle_one_dies() {
    for client in both() {
        let org = FakeOrg::builder().session_timeout(Duration::from_secs(900)).start().await.unwrap();
        let (used, idle) = (org.issue_access_token(), org.issue_access_token());
        for _ in 0..3 {
            org.advance(Duration::from_secs(899));
            assert_eq!(client.limits(&org, &used).await.status, 200);
        }
        assert_eq!(client.limits(&org, &idle).await.status, 401);
        org.advance(Duration::from_secs(900));
        assert_eq!(client.limits(&org, &used).await.status, 401);
        let seen = org.counters();
        assert_eq!((seen.requests, seen.refused), (5, 2));
    }
}

#[tokio::test]
async fn a_dead_session_is_refused_as_recorded() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        org.expire_sessions();
        let answer = client.limits(&org, &access).await;
        assert_eq!(answer.status, 401);
        let body = r#"[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]"#;
        assert_eq!(answer.body, body);
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
        assert_eq!(answer.header("www-authenticate"), Some("Token"));
        assert_eq!(answer.header("connection"), (!client.http2).then_some("close"));
        // The grant is not touched.
        assert_eq!(client.refresh(&org, &refresh).await.status, 200);
    }
}

#[tokio::test]
async fn unreadable_and_missing_credentials_are_told_apart() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        let url = format!("{}/services/data/v65.0/limits", org.url());
        let none = client.send(Request::get(&url).body(Full::default()).unwrap()).await;
        assert_eq!(none.rest_error(), (401, "INVALID_SESSION_ID".into()));
        for value in [format!("Basic {token}"), token.clone(), "Bearer ".into(), format!("Bearer {token} x")]
        {
            let request = Request::get(&url).header(AUTHORIZATION, value).body(Full::default()).unwrap();
            assert_eq!(client.send(request).await.rest_error(), (401, "INVALID_AUTH_HEADER".into()));
        }
        let older = Request::get(&url).header(AUTHORIZATION, format!("OAuth {token}"));
        assert_eq!(client.send(older.body(Full::default()).unwrap()).await.status, 200);
        let seen = org.counters();
        assert_eq!((seen.unauthenticated, seen.malformed_credentials, seen.refused), (1, 4, 5));
    }
}

#[tokio::test]
async fn f132_two_authorization_headers_are_never_taken() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let mut request =
            get(&format!("{}/services/data/v65.0/limits", org.url()), &org.issue_access_token());
        let again = request.headers()[AUTHORIZATION].clone();
        request.headers_mut().append(AUTHORIZATION, again);
        assert_eq!(client.send(request).await.rest_error(), (401, "INVALID_AUTH_HEADER".into()));
        assert_eq!(org.counters().malformed_credentials, 1);
    }
}

#[tokio::test]
async fn a_token_of_another_org_is_refused_and_counted() {
    for client in both() {
        let (org, other) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
        assert_ne!(org.org_id(), other.org_id());
        let answer = client.limits(&org, &other.issue_access_token()).await;
        assert_eq!(answer.rest_error(), (401, "INVALID_SESSION_ID".into()));
        assert_eq!((org.counters().foreign_tokens, other.counters().requests), (1, 0));
    }
}

#[tokio::test]
async fn identity_says_in_plain_text_that_a_token_is_bad() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        let id = format!("{}/id/{}/{}", org.url(), org.org_id(), org.user_id());
        let userinfo = format!("{}/services/oauth2/userinfo", org.url());
        assert_eq!(client.get(&id, &token).await.text("username"), org.username());
        assert_eq!(client.get(&userinfo, &token).await.text("organization_id"), org.org_id());

        let wrong_org = format!("{}/id/00Dxx0000000000EAA/{}", org.url(), org.user_id());
        let bad_id = format!("{}/id/{}/005xx0000000000AAA", org.url(), org.org_id());
        for (url, token, status, body) in [
            (&id, "dead", 403, "Bad_OAuth_Token"),
            (&userinfo, "dead", 403, "Bad_OAuth_Token"),
            (&wrong_org, token.as_str(), 403, "Wrong_Org"),
            (&bad_id, token.as_str(), 404, "Bad_Id"),
        ] {
            let answer = client.get(url, token).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body.as_bytes()));
            assert_eq!(answer.header("content-type"), Some("text/plain"));
        }
        let none = client.send(Request::get(&id).body(Full::default()).unwrap()).await;
        assert_eq!((none.status.as_u16(), &none.body[..]), (403, &b"Missing_OAuth_Token"[..]));
    }
}

#[tokio::test]
async fn bulk_takes_its_own_header_and_refuses_with_400() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let url = format!("{}/services/async/65.0/job", org.url());
        let open = |session: &str, content_type: &str| {
            Request::post(&url)
                .header("x-sfdc-session", session)
                .header("content-type", content_type)
                .body(Full::default())
                .unwrap()
        };
        let token = org.issue_access_token();
        let job = client.send(open(&token, "application/json")).await;
        assert_eq!((job.status.as_u16(), job.text("state").as_str()), (201, "Open"));
        let found = Request::get(format!("{url}/{}", job.text("id"))).header("x-sfdc-session", &token);
        assert_eq!(client.send(found.body(Full::default()).unwrap()).await.status, 200);

        let xml = client.send(open("dead", "application/xml")).await;
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
                    <error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
                    <exceptionCode>InvalidSessionId</exceptionCode>\
                    <exceptionMessage>Invalid session id</exceptionMessage></error>";
        assert_eq!((xml.status.as_u16(), &xml.body[..]), (400, body.as_bytes()));
        let json = client.send(open("dead", "application/json")).await;
        assert_eq!((json.status.as_u16(), json.text("exceptionCode").as_str()), (400, "InvalidSessionId"));
        // A Bearer token is none of its business.
        assert_eq!(client.send(get(&url, &token)).await.status, 400);
        assert_eq!(org.counters().unauthenticated, 1);
    }
}

#[tokio::test]
async fn soap_reads_its_envelope_and_refuses_with_a_fault() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let url = format!("{}/services/Soap/u/65.0", org.url());
        let call = |session: &str| {
            let envelope = format!("<x:SessionHeader><x:sessionId>{session}</x:sessionId></x:SessionHeader>");
            Request::post(&url).body(Full::new(Bytes::from(envelope))).unwrap()
        };
        let token = org.issue_access_token();
        let alive = client.send(call(&token)).await;
        assert_eq!(alive.status, 200);
        assert!(std::str::from_utf8(&alive.body).unwrap().contains("<sessionSecondsValid>7200<"));
        assert_eq!(client.send(get(&url, &token)).await.status, 200);

        let dead = client.send(call("dead")).await;
        assert_eq!(
            (dead.status.as_u16(), dead.header("content-type")),
            (500, Some("text/xml; charset=UTF-8"))
        );
        let body = std::str::from_utf8(&dead.body).unwrap();
        assert!(body.contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>"), "{body}");
    }
}
