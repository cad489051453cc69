//! What passes by itself, and what only looks like a refused session.

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use tower_salesforce_auth::{
    Cause,
    testing::{
        ApiAnswer,
        fake_org::conditions::{Intermediary, Maintenance, ReadOnlyMode, RequestLimit},
    },
};

use super::{Grant, LIFTED, Scenario, Step, decided, open, with};
use Step::{Happens, Refused, RefusedAtOnce, Works, WriteRefused};

pub(super) fn maintenance() -> Vec<Scenario> {
    vec![
        decided(
            "read-only mode refuses a write",
            Cause::Maintenance,
            1,
            &[
                Works,
                Happens("read-only mode begins", |org, _| org.impose(ReadOnlyMode::new())),
                WriteRefused,
                Works,
            ],
        ),
        decided(
            "read-only mode refuses a write with 400",
            Cause::Maintenance,
            1,
            &[
                Works,
                Happens("read-only mode begins", |org, _| org.impose(ReadOnlyMode::new().write_status(400))),
                WriteRefused,
            ],
        ),
        decided(
            "read-only mode refuses writes, then reads",
            Cause::Maintenance,
            2,
            &[
                Works,
                Happens("read-only mode begins", |org, _| org.impose(ReadOnlyMode::new().reads_refused())),
                WriteRefused,
                Refused,
            ],
        ),
        open(
            "read-only mode refuses reads, with no write before",
            Cause::Maintenance,
            2,
            &[
                Works,
                Happens("read-only mode begins", |org, _| org.impose(ReadOnlyMode::new().reads_refused())),
                Refused,
            ],
        ),
        decided(
            "a maintenance page",
            Cause::Maintenance,
            1,
            &[
                Works,
                Happens("maintenance begins", |org, _| org.impose(Maintenance::page().retry_after(600))),
                Refused,
            ],
        ),
        decided(
            "the edge says that the org is not there",
            Cause::Maintenance,
            1,
            &[Works, Happens("maintenance begins", |org, _| org.impose(Maintenance::edge())), Refused],
        ),
        decided(
            "the server is unavailable",
            Cause::Maintenance,
            1,
            &[
                Works,
                Happens("maintenance begins", |org, _| org.impose(Maintenance::server_unavailable())),
                Refused,
            ],
        ),
        decided(
            "a maintenance page, then the org is back",
            Cause::Maintenance,
            1,
            &[
                Works,
                Happens("maintenance begins", |org, _| org.impose(Maintenance::page())),
                RefusedAtOnce(20),
                LIFTED,
                Works,
            ],
        ),
        decided(
            "maintenance before the first call",
            Cause::Maintenance,
            1,
            &[
                Happens("maintenance begins everywhere", |org, _| {
                    org.impose(Maintenance::page().also_at_token_endpoint());
                }),
                Refused,
            ],
        ),
    ]
}

pub(super) fn look_alikes() -> Vec<Scenario> {
    let intermediary =
        |name, requests, happens| decided(name, Cause::Intermediary, requests, &[Works, happens, Refused]);
    vec![
        decided(
            "the daily limit is reached",
            Cause::LimitReached,
            1,
            &[
                Works,
                Happens("the day's requests are used up", |org, _| org.impose(RequestLimit::Daily)),
                Refused,
            ],
        ),
        intermediary(
            "a proxy's page with 403",
            1,
            Happens("a proxy answers", |org, _| org.impose(Intermediary::html(403))),
        ),
        intermediary(
            "a firewall's 401 without a body",
            2,
            Happens("a firewall answers", |org, _| org.impose(Intermediary::empty(401))),
        ),
        intermediary(
            "a firewall's 401 with a page",
            2,
            Happens("a firewall answers", |org, _| org.impose(Intermediary::html(401))),
        ),
        intermediary(
            "a gateway's 401 in JSON",
            2,
            Happens("a gateway answers", |org, _| org.impose(Intermediary::json(401))),
        ),
        intermediary(
            "a load balancer's page with 403",
            1,
            Happens("a load balancer answers", |org, _| {
                org.answer_api_requests(page(
                    "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center></body></html>",
                ));
            }),
        ),
        open(
            "a gateway's 403 with a code of its own",
            Cause::Intermediary,
            1,
            &[
                Works,
                Happens("a gateway answers", |org, _| {
                    org.answer_api_requests(ApiAnswer::Error {
                        status: 403,
                        code: "Forbidden".into(),
                        message: "policy 17".into(),
                    });
                }),
                Refused,
            ],
        ),
        decided(
            "the org's storage is full",
            Cause::LimitReached,
            1,
            &[
                Works,
                Happens("the storage is full", |org, _| {
                    org.answer_api_requests(ApiAnswer::Error {
                        status: 403,
                        code: "STORAGE_LIMIT_EXCEEDED".into(),
                        message: "storage limit exceeded".into(),
                    });
                }),
                WriteRefused,
            ],
        ),
        open(
            "one resource refuses, the others do not",
            Cause::ResourceRefuses,
            2,
            &[
                Works,
                Happens("a resource refuses in the words of a dead session", |org, _| {
                    org.answer_api_requests(ApiAnswer::DeadSession.next(2));
                }),
                Refused,
                Works,
                Happens("the resource refuses again", |org, _| {
                    org.answer_api_requests(ApiAnswer::DeadSession.next(1));
                }),
                Refused,
                Works,
            ],
        ),
        decided(
            "the consumer secret was changed",
            Cause::ClientRejected,
            1,
            &[
                refuses!("the consumer secret is changed", "invalid_client", "invalid client credentials"),
                Refused,
            ],
        ),
        with(
            Grant::JwtBearer,
            decided(
                "an assertion for another audience",
                Cause::ClientRejected,
                1,
                &[refuses!("the audience is wrong", "invalid_grant", "audience is invalid"), Refused],
            ),
        ),
        decided(
            "the user logs in too often",
            Cause::LimitReached,
            1,
            &[
                refuses!("too many logins in an hour", "invalid_grant", "login rate exceeded"),
                RefusedAtOnce(20),
                Refused,
            ],
        ),
        decided(
            "the user's password has expired",
            Cause::PasswordExpired,
            1,
            &[refuses!("the password expires", "invalid_grant", "password expired"), Refused],
        ),
    ]
}

fn page(html: &'static str) -> ApiAnswer {
    let mut page = Response::new(Bytes::from_static(html.as_bytes()));
    *page.status_mut() = http::StatusCode::FORBIDDEN;
    page.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
    ApiAnswer::Raw(page)
}
