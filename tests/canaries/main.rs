//! No secret is ever seen: the main flows run with a subscriber that records everything at TRACE, all that can be printed
//! is printed, and then all of it is searched for every credential and token that passed by (S12, S13, S15, S16).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod rig;
mod watch;

use std::time::Duration;

use http::Response;
use rig::{DOWN, DSN, HEALTHY, PANICS, REPEATS, Rig, note_tokens};
use tower_salesforce_auth::{
    AuthErrorKind, Session,
    grant::{Client, ClientCredentials, JwtBearer, RefreshToken},
    testing::{ApiAnswer, TokenAnswer},
    token_endpoint::TokenResponse,
};

const LIMITS: &str = "/services/data/v65.0/limits";
const JOBS: &str = "/services/async/65.0/job/750xx0000000001";

#[tokio::test]
async fn s12_s13_cold_start_refresh_and_refused_again_show_nothing() {
    let rig = Rig::new().await;
    let session = rig.builder().build().unwrap();
    let stack = rig.stack(&session);
    let mut events = session.events();
    for path in [LIMITS, JOBS, "/services/Soap/u/65.0", "/services/oauth2/userinfo"] {
        assert_eq!(rig.send(&stack, path).await, 200);
        rig.org.expire_sessions();
        assert_eq!(rig.send(&stack, path).await, 200);
    }
    rig.org.move_host().await;
    assert_eq!(rig.send(&stack, LIMITS).await, 200);
    for (path, status) in [(LIMITS, 401), (JOBS, 400)] {
        rig.org.answer_api_requests(ApiAnswer::DeadSession.next(2));
        assert_eq!(rig.send(&stack, path).await, status);
        rig.org.answer_api_requests(ApiAnswer::Normal);
    }
    rig.watch.debug(&(&session, session.access_token().await.unwrap(), &events));
    for _ in 0..4 {
        let event = events.next().await.unwrap();
        rig.watch.debug(&event);
        rig.watch.display(&event);
    }
    assert!(rig.watch.secrets().len() >= 10, "two tokens a refresh");
    assert!(
        rig.watch.log().contains("tower_salesforce_auth::event: message=refreshed"),
        "{}",
        rig.watch.log()
    );
    rig.watch.assert_clean();
    // Not ours to keep clean, but ours to know: sensitive headers stay hidden in what hyper and h2 say at TRACE.
    println!("secrets found in what other crates emitted: {}", rig.watch.found_in_others());
}

/// What a caller has in a query may be as secret as a token.
#[tokio::test]
async fn f137_the_target_of_a_request_shows_nowhere() {
    let rig = Rig::new().await;
    let secret = "canary-query-0123456789";
    rig.watch.secret(secret);
    let [query, path] = [format!("{LIMITS}?q={secret}"), format!("/{secret}")];
    let foreign = format!("https://evil.example/{secret}");
    for (target, accepted, refused) in [(&query, 200, 401), (&path, 404, 401), (&foreign, 0, 0)] {
        let session = rig.builder().build().unwrap();
        let stack = rig.stack(&session);
        assert_eq!(rig.send(&stack, target).await, accepted);
        rig.org.expire_sessions();
        assert_eq!(rig.send(&stack, target).await, accepted);
        rig.org.answer_api_requests(ApiAnswer::DeadSession);
        assert_eq!(rig.send(&stack, target).await, refused, "twice");
        rig.org.answer_api_requests(ApiAnswer::DropBefore);
        assert_eq!(rig.send(&stack, target).await, 0, "the client's own error");
        rig.org.answer_api_requests(ApiAnswer::Normal);
        rig.watch.debug(&(&session, &stack));
    }
    rig.watch.assert_clean();
}

#[tokio::test]
async fn s12_s16_hostile_answers_that_repeat_what_they_know_are_not_repeated() {
    let rig = Rig::new().await;
    let session = rig.builder().build().unwrap();
    let stack = rig.stack(&session);
    assert_eq!(rig.send(&stack, LIMITS).await, 200);
    let secrets = rig.watch.secrets();
    let all = secrets.join(" ");
    let echo = |status: u16, kind: &str, body: String| {
        Response::builder().status(status).header("content-type", kind).body(body.into()).unwrap()
    };
    for text in secrets.iter().map(String::as_str).chain([all.as_str()]) {
        // From the API: the token it was shown, in every dialect.
        for answer in [
            ApiAnswer::Error { status: 401, code: "INVALID_SESSION_ID".into(), message: text.into() },
            ApiAnswer::Error {
                status: 403,
                code: text.into(),
                message: format!("missing session key: {text}"),
            },
            ApiAnswer::Raw(echo(
                500,
                "text/xml",
                format!("<faultcode>sf:X</faultcode><faultstring>{text}</faultstring>"),
            )),
            ApiAnswer::Raw(echo(401, "text/html", format!("<html>{text}</html>"))),
        ] {
            rig.org.answer_api_requests(answer.next(1));
            rig.send(&stack, LIMITS).await;
        }
        // From the token endpoint: what was sent to it, what it issues, in errors and in fields that must be refused.
        let url = format!("https://{}@evil.example/{}", text.replace(' ', "."), text.replace(' ', "/"));
        for answer in [
            TokenAnswer::Error { error: text.into(), description: text.into() },
            TokenAnswer::InvalidGrant(format!("invalid assertion {text}")),
            TokenAnswer::Raw(echo(200, "text/html", format!("<html>{text}</html>"))),
            TokenAnswer::with("instance_url", url.as_str()),
            TokenAnswer::with("id", format!("https://login.salesforce.com/id/{text}")),
            TokenAnswer::with("token_type", text),
            TokenAnswer::with("access_token", format!("{text}\r\n")),
        ] {
            let fresh = rig.builder().build().unwrap();
            rig.org.answer_token_requests(answer.next(8));
            if let Err(error) = fresh.refresh().await {
                rig.watch.error(&error);
                rig.watch.debug(&error.diagnosis());
            }
            rig.org.answer_token_requests(TokenAnswer::Normal);
        }
    }
    assert!(rig.watch.seen() > 10_000);
    rig.watch.assert_clean();
}

#[tokio::test]
async fn s12_s16_lost_cut_and_odd_token_answers_show_nothing() {
    for answer in [
        TokenAnswer::DropBefore,
        TokenAnswer::DropAfter,
        TokenAnswer::Truncate,
        TokenAnswer::Huge,
        TokenAnswer::Html(200),
        TokenAnswer::Html(503),
        TokenAnswer::without("access_token"),
        TokenAnswer::with("refresh_token", 7),
        TokenAnswer::AlreadyProcessing,
    ] {
        let rig = Rig::new().await;
        let session = rig.builder().build().unwrap();
        session.access_token().await.unwrap();
        rig.org.answer_token_requests(answer.next(4));
        match session.refresh().await {
            Ok(token) => rig.watch.debug(&token),
            Err(error) => {
                rig.watch.error(&error);
                rig.watch.debug(&error.diagnosis());
            }
        }
        rig.watch.debug(&session);
        rig.watch.assert_clean();
    }
}

#[tokio::test]
async fn s12_reauthorisation_reconnect_and_revoke_show_nothing() {
    let rig = Rig::new().await;
    let session = rig.builder().build().unwrap();
    let stack = rig.stack(&session);
    assert_eq!(rig.send(&stack, LIMITS).await, 200);
    rig.org.revoke_refresh_tokens();
    assert_eq!(rig.send(&stack, LIMITS).await, 401);
    let error = session.refresh().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::ReauthorisationRequired);
    rig.watch.error(&error);

    let consent = rig.org.issue_token_response();
    note_tokens(&rig.watch, &consent);
    let other = tower_salesforce_auth::testing::FakeOrg::start().await.unwrap().issue_token_response();
    note_tokens(&rig.watch, &other);
    let [consent, other] = [consent, other].map(|body| TokenResponse::from_json(body.as_bytes()).unwrap());
    rig.watch.debug(&(&consent, &other));
    rig.watch.error(&session.reconnect(other).await.unwrap_err());
    session.reconnect(consent).await.unwrap();
    assert_eq!(rig.send(&stack, LIMITS).await, 200);

    session.revoke().await.unwrap();
    let error = session.access_token().await.unwrap_err();
    rig.watch.error(&error);
    session.clone().close(Duration::from_secs(1)).await.unwrap();
    rig.watch.debug(&session);
    rig.watch.assert_clean();
}

#[tokio::test]
async fn f189_s12_what_a_store_blurts_out_is_masked() {
    let rig = Rig::new().await;
    rig.watch.secret("canary-password-0123456789");
    assert!(DSN.contains("canary-password-0123456789"));
    for mode in [DOWN, REPEATS] {
        let session = rig.builder().build().unwrap();
        rig.store.set(mode);
        let stack = rig.stack(&session);
        assert_eq!(rig.send(&stack, LIMITS).await, 0, "nothing can be had");
        let error = session.refresh().await.unwrap_err();
        assert!(error.is_transient());
        rig.watch.error(&error);
        rig.watch.debug(&error.diagnosis());
        let consent = rig.org.issue_token_response();
        note_tokens(&rig.watch, &consent);
        let consent = TokenResponse::from_json(consent.as_bytes()).unwrap();
        rig.watch.error(&session.reconnect(consent).await.unwrap_err());
        rig.store.set(HEALTHY);
    }
    rig.watch.assert_clean();
}

#[tokio::test]
async fn s15_panics_show_nothing() {
    let rig = Rig::new().await;
    let session = rig.builder().build().unwrap();
    let stack = rig.stack(&session);
    assert_eq!(rig.send(&stack, LIMITS).await, 200);
    rig.store.set(PANICS);
    rig.org.expire_sessions();
    assert_eq!(rig.send(&stack, LIMITS).await, 401);
    let error = session.refresh().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::RefreshPanicked);
    rig.watch.error(&error);
    assert!(rig.watch.log().contains("panic: "), "the panic itself is watched");
    rig.watch.assert_clean();
}

#[tokio::test]
async fn s12_s32_the_other_grants_and_unusable_configurations_show_nothing() {
    let rig = Rig::new().await;
    let pem = include_str!("../fixtures/test-only-keys/rsa-2048.pkcs8.pem");
    let id = rig.org.client_id().to_owned();
    let jwt = JwtBearer::from_pem(&id, rig.org.username(), rig.host(), pem).unwrap();
    let keyed = jwt.clone();
    let credentials = ClientCredentials::new(rig.client(), rig.host());
    rig.watch.debug(&(&jwt, &credentials, rig.client()));
    for builder in [Session::builder("jwt", jwt), Session::builder("cc", credentials)] {
        let session = rig.finish(builder).build().unwrap();
        let stack = rig.stack(&session);
        assert_eq!(rig.send(&stack, LIMITS).await, 200);
        let echo = rig.watch.secrets().join(" ");
        rig.org.answer_token_requests(TokenAnswer::InvalidGrant(echo).next(4));
        rig.org.expire_sessions();
        assert_eq!(rig.send(&stack, LIMITS).await, 401);
        rig.org.answer_token_requests(TokenAnswer::Normal);
    }
    // From here on: the endpoint never knew the key, and so cannot repeat it.
    for line in pem.lines().filter(|line| !line.starts_with("-----")) {
        rig.watch.secret(line);
    }
    rig.watch.debug(&keyed);
    // What cannot be used is not repeated to say so.
    for pem in
        [pem.replace("MII", "nil"), pem.replace('A', "\0"), pem.replace("BEGIN", "END"), pem[..400].into()]
    {
        let error = JwtBearer::from_pem(&id, "user", rig.host(), &pem).unwrap_err();
        rig.watch.error(&error);
    }
    let canary = "canary-refresh-token-0123456789";
    rig.watch.secret(canary);
    for seed in [format!("{canary} {canary}"), format!("{canary}\r\n"), canary.repeat(400)] {
        let grant = RefreshToken::new(Client::confidential("id", canary), rig.host(), seed);
        rig.watch.debug(&grant);
        rig.watch.error(&rig.finish(Session::builder("bad", grant)).build().unwrap_err());
    }
    assert!(rig.watch.secrets().iter().any(|secret| secret.starts_with("eyJ")), "the assertions are watched");
    rig.watch.assert_clean();
}
