//! Sessions that are over, or were never alive where they are used.

use tower_salesforce_auth::{
    Cause,
    testing::{
        TokenAnswer,
        fake_org::{
            Revocation,
            conditions::{AppBlocked, GrantCap, UserDeactivated},
        },
    },
};

use super::{Grant, IDLE, Scenario, Step, decided, open, with};
use Step::{Asks, Happens, OnceRefused, Refused, RefusedAtOnce, RefusedNextDoor, Works};

pub(super) fn expired() -> Vec<Scenario> {
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

pub(super) fn wrong_host() -> Vec<Scenario> {
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

pub(super) fn revoked() -> Vec<Scenario> {
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
                    org.impose(AppBlocked::external_app_uninstalled());
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

const EVICTED: Step = Happens("another process begins a session, which evicts this one", |org, _| {
    org.impose(GrantCap::of(1).counting_sessions());
    drop(org.issue_access_token());
});
