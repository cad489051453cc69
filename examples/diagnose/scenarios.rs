//! Every way in which an org refuses a session, as far as it is known or plausible, and what only looks like it.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use tower_salesforce_auth::{
    Cause,
    testing::{
        ApiAnswer, TokenAnswer,
        fake_org::{
            Revocation,
            conditions::{
                ApiAccessControl, ApiScopeMissing, AppBlocked, AppIpPolicy, GrantCap, Intermediary, IpLock,
                Maintenance, ReadOnlyMode, RefreshIpAllowlist, RequestLimit, UserDeactivated, Wording,
            },
        },
    },
};

use super::stage::{Grant, Scenario, Step};
use Step::{
    Asks, AsksWithRefresh, Happens, Moves, OnceRefused, Refreshes, Refused, RefusedAtOnce, RefusedNextDoor,
    Works, WriteRefused,
};

/// Another address of the client, of the block that is reserved for documentation.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

pub(crate) fn all() -> Vec<Scenario> {
    [expired(), wrong_host(), ip_locked(), access_control(), revoked(), maintenance(), look_alikes()]
        .into_iter()
        .flatten()
        .collect()
}

/// A scenario whose evidence decides.
fn decided(name: &'static str, truth: Cause, token_requests: u64, steps: &[Step]) -> Scenario {
    Scenario { name, truth, decided: true, token_requests, grant: Grant::RefreshToken, steps: steps.to_vec() }
}

/// A scenario that other causes answer alike.
fn open(name: &'static str, truth: Cause, token_requests: u64, steps: &[Step]) -> Scenario {
    Scenario { decided: false, ..decided(name, truth, token_requests, steps) }
}

fn with(grant: Grant, scenario: Scenario) -> Scenario {
    Scenario { grant, ..scenario }
}

/// The token endpoint refuses with these words.
macro_rules! refuses {
    ($what:literal, $error:literal, $description:literal) => {
        Happens($what, |org, _| {
            org.answer_token_requests(TokenAnswer::Error {
                error: $error.into(),
                description: $description.into(),
            });
        })
    };
}

const IDLE: Step = Happens("three idle hours pass", |org, _| org.advance(Duration::from_secs(3 * 3_600)));
const LIFTED: Step = Happens("the cause is lifted", |org, _| org.lift_all());

fn expired() -> Vec<Scenario> {
    vec![
        decided(
            "expired, and the token endpoint's answer is lost",
            Cause::Expired,
            2,
            &[
                Works,
                IDLE,
                Happens("the token endpoint drops what it is sent", |org, _| {
                    org.answer_token_requests(TokenAnswer::DropBefore);
                }),
                Refused,
            ],
        ),
        decided(
            "expired, and the call must not be sent twice",
            Cause::Expired,
            2,
            &[Works, IDLE, OnceRefused, Works],
        ),
        decided(
            "expired, then maintenance at the token endpoint",
            Cause::Maintenance,
            2,
            &[
                Works,
                IDLE,
                Happens("the token endpoint answers with a maintenance page", |org, _| {
                    org.answer_token_requests(TokenAnswer::Html(503));
                }),
                Refused,
            ],
        ),
    ]
}

fn wrong_host() -> Vec<Scenario> {
    const ASTRAY: Step = Happens("token answers name a neighbour's host", |org, neighbour| {
        let patch = serde_json::json!({ "instance_url": neighbour.url() });
        org.answer_token_requests(TokenAnswer::Patch(patch));
    });
    vec![
        decided("the token answer names another org's host", Cause::WrongInstanceUrl, 2, &[ASTRAY, Refused]),
        decided(
            "the token answer names another org's host, asked",
            Cause::WrongInstanceUrl,
            3,
            &[ASTRAY, Refused, Asks],
        ),
        decided(
            "the token answer names the login host",
            Cause::WrongInstanceUrl,
            2,
            &[
                Happens("token answers name the login host", |org, _| {
                    let patch = serde_json::json!({ "instance_url": org.url() });
                    org.answer_token_requests(TokenAnswer::Patch(patch));
                }),
                Refused,
            ],
        ),
        decided(
            "the host turns into another org's, and later calls cool down",
            Cause::WrongInstanceUrl,
            3,
            &[Works, ASTRAY, IDLE, Refused, Refused, Refused],
        ),
        decided(
            "an allowed origin that does not take the org's token",
            Cause::WrongInstanceUrl,
            2,
            &[Works, RefusedNextDoor],
        ),
        with(
            Grant::ClientCredentials,
            decided(
                "the token answer names another org's host, many calls",
                Cause::WrongInstanceUrl,
                2,
                &[ASTRAY, RefusedAtOnce(20), Refused],
            ),
        ),
    ]
}

fn ip_locked() -> Vec<Scenario> {
    const LEAVES: Step = Happens("calls leave by another address than token requests", |org, _| {
        org.place_api_requests(ELSEWHERE);
    });
    vec![
        decided(
            "locked to an address, worded as not valid",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| org.impose(IpLock::new())),
                LEAVES,
                Refused,
            ],
        ),
        decided(
            "locked to an address, worded as expired",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| {
                    org.impose(IpLock::new().wording(Wording::Expired));
                }),
                LEAVES,
                Refused,
            ],
        ),
        decided(
            "locked to an address, asked",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| org.impose(IpLock::new())),
                LEAVES,
                Refused,
                Asks,
            ],
        ),
        decided(
            "locked to an address, introspection says inactive",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| {
                    org.impose(IpLock::new().introspection_inactive());
                }),
                LEAVES,
                Refused,
                Asks,
            ],
        ),
        decided(
            "locked to an address, worded as expired, asked",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| {
                    org.impose(IpLock::new().wording(Wording::Expired));
                }),
                LEAVES,
                Refused,
                Asks,
            ],
        ),
        decided(
            "the app's IP policy from the first call, asked",
            Cause::IpLocked,
            2,
            &[
                Happens("the app's IP restrictions are enforced", |org, _| org.impose(AppIpPolicy::new())),
                Refused,
                Asks,
            ],
        ),
        with(
            Grant::KeptRefreshToken,
            decided(
                "locked to an address, without rotation, many calls",
                Cause::IpLocked,
                2,
                &[
                    Works,
                    Happens("the org locks sessions to their address", |org, _| org.impose(IpLock::new())),
                    LEAVES,
                    RefusedAtOnce(20),
                ],
            ),
        ),
        open(
            "locked to an address from the first call",
            Cause::IpLocked,
            2,
            &[
                Happens("the org locks sessions to their address", |org, _| org.impose(IpLock::new())),
                LEAVES,
                Refused,
            ],
        ),
        decided(
            "the app's IP policy is enforced at noon",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("the app's IP restrictions are enforced", |org, _| org.impose(AppIpPolicy::new())),
                Refused,
            ],
        ),
        decided(
            "the refresh token's allow-list, after expiry",
            Cause::IpLocked,
            2,
            &[
                Works,
                Happens("refreshes from here are not on the allow-list", |org, _| {
                    org.impose(RefreshIpAllowlist::new());
                }),
                IDLE,
                Refused,
            ],
        ),
        decided(
            "a lock with rotation, healed by moving back",
            Cause::IpLocked,
            3,
            &[
                Works,
                Happens("the org locks sessions to their address", |org, _| org.impose(IpLock::new())),
                LEAVES,
                Refused,
                Happens("the network is put right", |org, _| org.place_clients(ELSEWHERE)),
                Refreshes,
                Works,
            ],
        ),
    ]
}

fn access_control() -> Vec<Scenario> {
    const ON: Step =
        Happens("API Access Control is switched on", |org, _| org.impose(ApiAccessControl::new()));
    vec![
        decided("API Access Control from the first call", Cause::ApiAccessControl, 2, &[ON, Refused]),
        decided(
            "API Access Control from the first call, asked",
            Cause::ApiAccessControl,
            2,
            &[ON, Refused, Asks],
        ),
        decided("API Access Control at noon, asked", Cause::ApiAccessControl, 2, &[Works, ON, Refused, Asks]),
        decided(
            "API Access Control, many calls",
            Cause::ApiAccessControl,
            2,
            &[ON, RefusedAtOnce(20), RefusedAtOnce(20)],
        ),
        with(
            Grant::ClientCredentials,
            decided("API Access Control with client credentials", Cause::ApiAccessControl, 2, &[ON, Refused]),
        ),
        with(
            Grant::JwtBearer,
            decided(
                "the user has not approved the app of an assertion",
                Cause::ApiAccessControl,
                1,
                &[
                    refuses!(
                        "the user is not approved",
                        "invalid_grant",
                        "user hasn't approved this consumer"
                    ),
                    Refused,
                ],
            ),
        ),
        open("expired, then API Access Control", Cause::ApiAccessControl, 2, &[Works, IDLE, ON, Refused]),
        decided("API Access Control, a refresh allowed", Cause::ApiAccessControl, 2, &[ON, AsksWithRefresh]),
        open(
            "API Access Control worded as expired",
            Cause::ApiAccessControl,
            2,
            &[
                Happens("API Access Control is switched on", |org, _| {
                    org.impose(ApiAccessControl::new().wording(Wording::Expired));
                }),
                Refused,
            ],
        ),
        decided(
            "API Access Control with a code of its own",
            Cause::ApiAccessControl,
            1,
            &[
                Happens("API Access Control is switched on", |org, _| {
                    org.impose(
                        ApiAccessControl::new().wording(Wording::Error {
                            status: 403,
                            code: "CLIENT_NOT_ACCESSIBLE_FOR_USER".into(),
                            message:
                                "The current user does not have permission to access the specified client."
                                    .into(),
                        }),
                    );
                }),
                Refused,
            ],
        ),
        decided(
            "the app is not installed, no token",
            Cause::ApiAccessControl,
            1,
            &[
                Happens("API Access Control refuses tokens", |org, _| {
                    org.impose(ApiAccessControl::new().app_not_installed());
                }),
                Refused,
            ],
        ),
        decided(
            "the user is not approved for the app",
            Cause::ApiAccessControl,
            1,
            &[
                Happens("API Access Control refuses tokens", |org, _| {
                    org.impose(ApiAccessControl::new().user_not_approved());
                }),
                Refused,
            ],
        ),
        open(
            "API Access Control on an org that moved",
            Cause::ApiAccessControl,
            2,
            &[Works, Moves, ON, Refused],
        ),
        open(
            "API Access Control at noon, lifted later",
            Cause::ApiAccessControl,
            3,
            &[Works, ON, Refused, LIFTED, Refreshes, Works],
        ),
        decided(
            "the app lacks the scope api",
            Cause::MissingScope,
            2,
            &[Happens("the app loses the scope", |org, _| org.impose(ApiScopeMissing::new())), Refused],
        ),
    ]
}

fn revoked() -> Vec<Scenario> {
    let after = |name, happens| decided(name, Cause::Revoked, 2, &[Works, happens, Refused]);
    let evicted = Scenario {
        grant: Grant::ClientCredentials,
        ..decided(
            "another process keeps evicting the session",
            Cause::Revoked,
            4,
            &[Works, EVICTED, Works, EVICTED, Works, EVICTED, Works, Asks],
        )
    };
    vec![
        after(
            "the user disconnects the app",
            Happens("the user disconnects the app", |org, _| org.revoke(Revocation::by_user())),
        ),
        after(
            "the password is changed",
            Happens("the password is changed", |org, _| org.revoke(Revocation::by_password_change())),
        ),
        after(
            "an admin revokes the app",
            Happens("an admin revokes the app", |org, _| org.revoke(Revocation::by_admin())),
        ),
        after(
            "the user is deactivated",
            Happens("the user is deactivated", |org, _| org.impose(UserDeactivated::new())),
        ),
        after(
            "the user is deactivated, as an error of its own",
            Happens("the user is deactivated", |org, _| org.impose(UserDeactivated::new().as_error())),
        ),
        open(
            "the app is uninstalled",
            Cause::Revoked,
            2,
            &[
                Works,
                Happens("the app is uninstalled", |org, _| org.impose(AppBlocked::uninstalled())),
                Refused,
            ],
        ),
        open(
            "the external client app is uninstalled",
            Cause::Revoked,
            2,
            &[
                Works,
                Happens("the app is uninstalled", |org, _| {
                    org.impose(AppBlocked::external_app_uninstalled())
                }),
                Refused,
            ],
        ),
        decided(
            "the user disconnects the app, many calls",
            Cause::Revoked,
            2,
            &[
                Works,
                Happens("the user disconnects the app", |org, _| org.revoke(Revocation::by_user())),
                RefusedAtOnce(20),
                RefusedAtOnce(20),
            ],
        ),
        with(
            Grant::ClientCredentials,
            after(
                "the user that client credentials run as is deactivated",
                Happens("the user is deactivated", |org, _| org.impose(UserDeactivated::new())),
            ),
        ),
        open(
            "the app is blocked by an admin",
            Cause::Revoked,
            2,
            &[Works, Happens("the app is blocked", |org, _| org.impose(AppBlocked::by_admin())), Refused],
        ),
        after(
            "a sixth consent evicts the first",
            Happens("five more processes let the user consent", |org, _| {
                org.impose(GrantCap::new());
                (0..5).for_each(|_| drop(org.issue_refresh_token()));
            }),
        ),
        decided(
            "the refresh token was revoked before the first call",
            Cause::Revoked,
            1,
            &[
                Happens("the user disconnects the app", |org, _| org.revoke(Revocation::by_user())),
                Refused,
                Refused,
            ],
        ),
        evicted,
    ]
}

fn page(html: &'static str) -> ApiAnswer {
    let mut page = Response::new(Bytes::from_static(html.as_bytes()));
    *page.status_mut() = http::StatusCode::FORBIDDEN;
    page.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
    ApiAnswer::Raw(page)
}

const EVICTED: Step = Happens("another process begins a session, which evicts this one", |org, _| {
    org.impose(GrantCap::of(1).counting_sessions());
    drop(org.issue_access_token());
});

fn maintenance() -> Vec<Scenario> {
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

fn look_alikes() -> Vec<Scenario> {
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
