//! What the caller gets for an answer that refuses, and for one that does not.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header::LOCATION};
use http_body::{Body, Frame};
use tower::{Layer, ServiceExt, service_fn};
use tower_salesforce_auth::{
    BoxError, Diagnosis, Outcome, SalesforceAuthLayer,
    refusal::Verdict::{
        self, Forbidden, OrgUnavailable, SessionExpired, SessionNotPermitted, UnrecognisedRefusal,
    },
};

use super::{
    auth, connected,
    probe::{Got, OLD, Probe, reply, token},
    request,
    support::{EXPIRED, NOT_PERMITTED, text},
};

const DATA: &str = "/services/data";

/// An answer that stays the same whatever is sent, five times in a minute: how often it is refreshed for, and what its
/// callers are told each time.
async fn in_a_minute(path: &str, status: u16, body: &'static str) -> (usize, Vec<Option<Diagnosis>>) {
    let (org, session) = connected().await;
    // The token has been good for an hour: its age is no reason to doubt a refresh.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let api = Probe::always(status, body);
    let mut told = Vec::new();
    for _ in 0..5 {
        let response = auth(&session, &api).oneshot(request(path)).await.unwrap();
        told.push(Diagnosis::of(&response).cloned());
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-answer"].as_bytes()),
            (status, &b"kept"[..])
        );
        assert_eq!(text(response).await, body, "F151");
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    let refreshes = org.token_requests() - 1;
    assert_eq!(api.got().len(), 5 + refreshes, "a resend for each refresh, and none besides");
    (refreshes, told)
}

/// A new session may be let in where the old one was not, once a lock of addresses is lifted: it is tried once.
#[tokio::test(start_paused = true)]
async fn f146_f147_f152_a_refusal_that_a_refresh_rarely_heals_gets_one_in_a_cool_down() {
    for (body, verdict) in [
        (NOT_PERMITTED, SessionNotPermitted),
        (
            r#"{"error":"UnauthorizedException","message":"Connected app is not attached to Agent"}"#,
            SessionNotPermitted,
        ),
        ("<html><h1>401 Authorization Required</h1></html>", UnrecognisedRefusal),
        ("", UnrecognisedRefusal),
        (EXPIRED, SessionExpired),
    ] {
        let (refreshes, told) = in_a_minute(DATA, 401, body).await;
        assert_eq!(refreshes, 1, "{body}");
        for (n, told) in told.into_iter().enumerate() {
            let told = told.unwrap();
            assert_eq!(told.verdict(), Some(verdict), "{body}");
            match told.outcome() {
                Outcome::RefusedAgain => assert_eq!(n, 0, "{body}"),
                Outcome::CoolingDown { .. } => assert_ne!(n, 0, "{body}"),
                outcome => panic!("{body}: {outcome}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f146_f150_what_no_session_can_change_refreshes_nothing_whatever_it_says_of_the_session() {
    const SOAP: &str = "/services/Soap/u/65.0";
    const DISABLED: &str =
        r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"The REST API is not enabled"}]"#;
    for (path, status, body, verdict) in [
        (DATA, 400, EXPIRED, None),
        (DATA, 403, EXPIRED, Some(Forbidden)),
        (DATA, 403, NOT_PERMITTED, Some(Forbidden)),
        (DATA, 403, DISABLED, Some(Forbidden)),
        (DATA, 404, EXPIRED, None),
        (DATA, 500, EXPIRED, None),
        (DATA, 503, EXPIRED, Some(OrgUnavailable)),
        (SOAP, 500, "<faultcode>sf:API_DISABLED_FOR_ORG</faultcode>", Some(Forbidden)),
    ] {
        let (refreshes, told) = in_a_minute(path, status, body).await;
        assert_eq!(refreshes, 0, "{status} {body}");
        for told in told {
            assert_eq!(told.as_ref().and_then(Diagnosis::verdict), verdict, "{status} {body}");
            assert!(
                told.is_none_or(|told| matches!(told.outcome(), Outcome::NotRefreshable)),
                "{status} {body}"
            );
        }
    }
    // The same words where they mean it.
    let fault = "<faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Illegal Session</faultstring>";
    assert_eq!(in_a_minute(SOAP, 500, fault).await.0, 1);
    assert_eq!(
        in_a_minute("/services/async/65.0/job", 400, r#"{"exceptionCode":"InvalidSessionId"}"#).await.0,
        1
    );
    assert_eq!(in_a_minute("/id/00D/005", 403, "Bad_OAuth_Token").await.0, 1);
}

/// The refresh healed the session; what is refused now is another matter, and the words must not blame the session.
#[tokio::test(start_paused = true)]
async fn a_resend_that_meets_another_refusal_says_so_and_not_that_the_session_is_refused() {
    let (org, session) = connected().await;
    let limited = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let answer =
        move |got: &Got| Ok(if token(got) == OLD { reply(401, EXPIRED) } else { reply(403, limited) });
    let api = Probe::new(answer);
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert_eq!((diagnosis.verdict(), response.status().as_u16()), (Some(Verdict::RateLimited), 403));
    assert!(matches!(diagnosis.outcome(), Outcome::RefusedOtherwise), "{diagnosis}");
    assert_eq!((api.got().len(), org.token_requests()), (2, 2));

    // The new session is good, so no cool-down is left behind: when it ends, it is refreshed.
    let third = "Bearer 00DR0000000KvIt!token.3";
    let api =
        Probe::new(move |got| Ok(if token(got) == third { reply(200, "") } else { reply(401, EXPIRED) }));
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    assert_eq!((response.status().as_u16(), org.token_requests()), (200, 3));
}

/// Never ends, and counts how often it is asked.
#[derive(Clone, Default)]
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data")))))
    }
}

#[tokio::test(start_paused = true)]
async fn f161_the_body_of_an_answer_that_is_no_refusal_is_not_polled_once() {
    let (org, session) = connected().await;
    for (path, status, location) in [
        ("/services/data/v65.0/query", 200, None),
        ("/services/data/v65.0/composite", 207, None),
        ("/services/data/v65.0/sobjects/Account/x", 304, None),
        ("/services/data/v65.0/sobjects/Account/Ext__c/x", 300, None),
        (
            "/services/data/v65.0/sobjects/ContentVersion/x/VersionData",
            302,
            Some("https://acme.file.force.com/x"),
        ),
        (
            "/services/data/v65.0/limits",
            307,
            Some("https://acme.my.salesforce.com/services/data/v66.0/limits"),
        ),
        ("/apex/page", 302, Some("https://login.salesforce.com/")),
    ] {
        let body = Endless::default();
        let polls = Arc::clone(&body.0);
        let api = service_fn(move |_| {
            let mut response = Response::builder().status(status);
            if let Some(location) = location {
                response = response.header(LOCATION, location);
            }
            std::future::ready(Ok::<_, BoxError>(response.body(body.clone()).unwrap()))
        });
        let auth = SalesforceAuthLayer::new(session.clone()).layer(api);
        let response = auth.oneshot(request(path)).await.unwrap();
        assert_eq!((response.status().as_u16(), polls.load(Ordering::SeqCst)), (status, 0), "{path}");
        assert!(Diagnosis::of(&response).is_none());
    }
    assert_eq!(org.token_requests(), 1);
}

/// The dialect is decided by the whole path, as the header is: the prefix of a site may be of any length.
#[tokio::test(start_paused = true)]
async fn f138_f145_below_a_long_site_prefix_bulk_and_soap_are_still_understood() {
    const BULK: &str = "<error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
        <exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>";
    const SOAP: &str = "<soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>Illegal Session</faultstring></soapenv:Fault>";
    let site = format!("/{}", "partners-of-the-north".repeat(10));
    for (api, header, status, refusal) in [
        ("/services/async/65.0/job", "x-sfdc-session", 400, BULK),
        ("/services/Soap/u/65.0", "authorization", 500, SOAP),
    ] {
        let (org, session) = connected().await;
        let probe = Probe::new(move |got| {
            let token = got.headers[header].to_str().unwrap();
            Ok(if token.ends_with("!token.1") { reply(status, refusal) } else { reply(200, "") })
        });
        let response = auth(&session, &probe).oneshot(request(&format!("{site}{api}"))).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), probe.got().len(), org.token_requests()),
            (200, 2, 2),
            "{api}"
        );
    }
}

/// A redirect to where the org is now is handed over and not followed; the way there is asked of the token endpoint.
#[tokio::test(start_paused = true)]
async fn f135_an_org_that_has_moved_is_asked_again_at_the_address_that_the_refresh_brings() {
    let (org, session) = connected().await;
    let api = Probe::new(|got| {
        let mut response = reply(301, "");
        if got.uri.host() == Some(crate::SECOND_HOST) {
            return Ok(reply(200, ""));
        }
        let location = format!("https://elsewhere.my.salesforce.com{}", got.uri.path());
        response.headers_mut().insert(LOCATION, location.parse().unwrap());
        Ok(response)
    });
    let response = auth(&session, &api).oneshot(request("/services/data/v65.0/limits")).await.unwrap();
    let hosts: Vec<_> = api.got().iter().map(|got| got.uri.host().unwrap().to_owned()).collect();
    assert_eq!(hosts, [crate::FIRST_HOST, crate::SECOND_HOST]);
    assert_eq!((response.status().as_u16(), org.token_requests()), (200, 2));
}
