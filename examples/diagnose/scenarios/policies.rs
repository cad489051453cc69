//! Sessions that live and may not come in.

use std::net::Ipv4Addr;

use tower_salesforce_auth::{
    Cause,
    testing::fake_org::conditions::{
        ApiAccessControl, ApiScopeMissing, AppIpPolicy, IpLock, RefreshIpAllowlist, Wording,
    },
};

use super::{Grant, IDLE, LIFTED, Scenario, Step, decided, open, with};
use Step::{Asks, AsksWithRefresh, Happens, Moves, Refreshes, Refused, RefusedAtOnce, Works};

/// Another address of the client, of the block that is reserved for documentation.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

pub(super) fn ip_locked() -> Vec<Scenario> {
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

pub(super) fn access_control() -> Vec<Scenario> {
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
