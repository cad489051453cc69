//! Conditions: how each refuses, that it is over when it is lifted, and which one answers when several apply.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use tower_salesforce_auth::testing::{
    FakeOrg, LeftHost,
    fake_org::conditions::{
        ApiAccessControl, ApiScopeMissing, AppBlocked, AppIpPolicy, GrantCap, Intermediary,
        IntrospectionInactive, IpLock, Maintenance, ReadOnlyMode, RefreshIpAllowlist, RequestLimit,
        UserDeactivated, Wording,
    },
};

use crate::client::{Answer, Client, both, consent, get, token_url};

const HOME: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const AWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const NOT_VALID: &str = "This session is not valid for use with the REST API";
const EXPIRED: &str = "Session expired or invalid";

impl Answer {
    /// Status and `message` of a refusal by a REST resource.
    fn rest_message(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()[0]["message"].as_str().unwrap().to_owned())
    }

    fn is(&self, status: u16, message: &str) {
        assert_eq!(self.rest_message(), (status, message.to_owned()));
    }
}

impl Client {
    async fn userinfo(&self, org: &FakeOrg, token: &str) -> Answer {
        self.get(&format!("{}/services/oauth2/userinfo", org.url()), token).await
    }

    async fn active(&self, org: &FakeOrg, token: &str) -> bool {
        let form =
            format!("token={token}&client_id={}&client_secret={}", org.client_id(), org.client_secret());
        let url = format!("{}/services/oauth2/introspect", org.url());
        self.post(&url, &form).await.json()["active"] == true
    }

    async fn create(&self, org: &FakeOrg, token: &str) -> Answer {
        let request = Request::post(format!("{}/services/data/v65.0/sobjects/Account", org.instance_url()))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::from(r#"{"Name":"x"}"#));
        self.send(request.unwrap()).await
    }

    async fn bulk(&self, org: &FakeOrg, token: &str) -> Answer {
        let request = Request::post(format!("{}/services/async/65.0/job", org.instance_url()))
            .header("x-sfdc-session", token)
            .header("content-type", "application/json");
        self.send(request.body(Full::default()).unwrap()).await
    }

    async fn soap(&self, org: &FakeOrg, token: &str) -> Answer {
        let request = Request::post(format!("{}/services/Soap/u/65.0", org.instance_url()))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::<Bytes>::default());
        self.send(request.unwrap()).await
    }

    async fn client_credentials(&self, org: &FakeOrg) -> Answer {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            org.client_id(),
            org.client_secret()
        );
        self.post(&token_url(org), &form).await
    }
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

// === where the client is ===

#[tokio::test]
async fn an_ip_lock_refuses_sessions_elsewhere_and_a_refresh_from_there_heals_it() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.place_clients(HOME);
        let (access, refresh) = consent(&org);
        org.impose(IpLock::new());
        assert_eq!(client.limits(&org, &access).await.status, 200);

        org.place_clients(AWAY);
        client.limits(&org, &access).await.is(401, NOT_VALID);
        assert_eq!(client.userinfo(&org, &access).await.status, 403);
        assert!(client.active(&org, &access).await);
        let moved = client.refresh(&org, &refresh).await.text("access_token");
        assert_eq!(client.limits(&org, &moved).await.status, 200);
        client.limits(&org, &access).await.is(401, NOT_VALID);

        org.place_clients(HOME);
        assert_eq!(client.limits(&org, &access).await.status, 200);
        client.limits(&org, &moved).await.is(401, NOT_VALID);
        org.lift::<IpLock>();
        assert_eq!(client.limits(&org, &moved).await.status, 200);
        let seen = org.counters();
        assert_eq!((seen.requests, seen.refused, seen.living_sessions_refused), (8, 4, 4));
    }
}

#[tokio::test]
async fn no_refresh_heals_an_ip_lock_if_data_leaves_by_another_address() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.place_token_requests(HOME);
        org.place_api_requests(AWAY);
        org.impose(IpLock::new());
        let mut refresh = org.issue_refresh_token();
        for _ in 0..3 {
            let answer = client.refresh(&org, &refresh).await;
            client.limits(&org, &answer.text("access_token")).await.is(401, NOT_VALID);
            refresh = answer.text("refresh_token");
        }
    }
}

#[tokio::test]
async fn the_variants_of_an_ip_lock_change_wording_introspection_and_identity() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let access = org.issue_access_token();
        org.place_clients(AWAY);
        org.impose(IpLock::new().wording(Wording::Expired).introspection_inactive().identity_served());
        client.limits(&org, &access).await.is(401, EXPIRED);
        assert!(!client.active(&org, &access).await);
        assert_eq!(client.userinfo(&org, &access).await.status, 200);
        let here = org.issue_access_token();
        assert!(client.active(&org, &here).await);
        // The second lock takes the place of the first.
        org.impose(IpLock::new());
        client.limits(&org, &access).await.is(401, NOT_VALID);
    }
}

#[tokio::test]
async fn a_refused_session_is_not_used_and_grows_idle() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let access = org.issue_access_token();
        org.impose(ApiAccessControl::new());
        org.advance(std::time::Duration::from_secs(7_000));
        client.limits(&org, &access).await.is(401, NOT_VALID);
        org.advance(std::time::Duration::from_secs(200));
        client.limits(&org, &access).await.is(401, EXPIRED);
    }
}

#[tokio::test]
async fn an_app_ip_policy_refuses_every_session_from_outside() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        org.impose(AppIpPolicy::new().allowing(HOME));
        client.limits(&org, &access).await.is(401, NOT_VALID);
        assert_eq!(client.userinfo(&org, &access).await.status, 403);
        let next = client.refresh(&org, &refresh).await.text("access_token");
        client.limits(&org, &next).await.is(401, NOT_VALID);
        org.place_api_requests(HOME);
        assert_eq!(client.limits(&org, &access).await.status, 200);

        org.impose(AppIpPolicy::new().wording(Wording::Expired).identity_served());
        client.limits(&org, &access).await.is(401, EXPIRED);
        assert_eq!(client.userinfo(&org, &access).await.status, 200);
        org.lift::<AppIpPolicy>();
        assert_eq!(client.limits(&org, &access).await.status, 200);
    }
}

#[tokio::test]
async fn a_refresh_from_outside_the_allow_list_is_refused_and_spends_nothing() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        org.impose(RefreshIpAllowlist::new().allowing(HOME));
        let answer = client.refresh(&org, &refresh).await;
        assert_eq!(answer.refusal(), (400, "ip restricted by app developer".into()));
        assert_eq!(answer.text("error"), "invalid_grant");
        // Sessions and other grants are not concerned.
        assert_eq!(client.limits(&org, &access).await.status, 200);
        assert_eq!(client.client_credentials(&org).await.status, 200);
        org.impose(RefreshIpAllowlist::new().description("ip restricted"));
        assert_eq!(client.refresh(&org, &refresh).await.refusal().1, "ip restricted");
        org.impose(RefreshIpAllowlist::new().allowing(HOME));
        org.place_token_requests(HOME);
        let next = client.refresh(&org, &refresh).await;
        assert_eq!(next.status, 200);
        org.lift_all();
        org.place_token_requests(AWAY);
        assert_eq!(client.refresh(&org, &next.text("refresh_token")).await.status, 200);
        let seen = org.counters();
        assert_eq!((seen.token_requests_refused, seen.refresh_tokens_reused), (2, 0));
    }
}

// === what the application may do ===

#[tokio::test]
async fn api_access_control_refuses_every_session_and_lets_oauth_work() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.impose(ApiAccessControl::new());
        let (access, refresh) = consent(&org);
        client.limits(&org, &access).await.is(401, NOT_VALID);
        let next = client.refresh(&org, &refresh).await.text("access_token");
        client.limits(&org, &next).await.is(401, NOT_VALID);
        assert_eq!(client.userinfo(&org, &next).await.status, 200);
        assert!(client.active(&org, &next).await);
        let bulk = client.bulk(&org, &next).await;
        assert_eq!((bulk.status.as_u16(), bulk.text("exceptionCode")), (400, "InvalidSessionId".into()));
        let soap = client.soap(&org, &next).await;
        assert_eq!(soap.status, 500);
        assert!(
            text(&soap).contains("INVALID_SESSION_ID: This session is not valid for use with the API"),
            "{soap:?}"
        );

        let not_accessible = Wording::Error {
            status: 403,
            code: "CLIENT_NOT_ACCESSIBLE_FOR_USER".into(),
            message: "not <you> & yours".into(),
        };
        org.impose(ApiAccessControl::new().wording(not_accessible));
        client.limits(&org, &next).await.is(403, "not <you> & yours");
        assert!(text(&client.soap(&org, &next).await).contains("not &lt;you> &amp; yours"));
        org.lift::<ApiAccessControl>();
        assert_eq!(client.limits(&org, &next).await.status, 200);
    }
}

#[tokio::test]
async fn api_access_control_can_refuse_at_the_token_endpoint_too() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let refresh = org.issue_refresh_token();
        for (condition, error, description) in [
            (ApiAccessControl::new().app_not_installed(), "invalid_client", "app must be installed into org"),
            (
                ApiAccessControl::new().user_not_approved(),
                "invalid_app_access",
                "user is not admin approved to access this app",
            ),
        ] {
            org.impose(condition);
            for answer in [client.refresh(&org, &refresh).await, client.client_credentials(&org).await] {
                assert_eq!(answer.refusal(), (400, description.into()));
                assert_eq!(answer.text("error"), error);
            }
        }
        org.lift_all();
        assert_eq!(client.refresh(&org, &refresh).await.status, 200);
    }
}

#[tokio::test]
async fn without_the_scope_api_only_identity_is_served_and_the_scope_says_so() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.impose(ApiScopeMissing::new());
        let answer = client.refresh(&org, &org.issue_refresh_token()).await;
        assert_eq!(answer.text("scope"), "refresh_token id");
        let access = answer.text("access_token");
        client.limits(&org, &access).await.is(401, NOT_VALID);
        assert_eq!(client.userinfo(&org, &access).await.status, 200);
        org.lift::<ApiScopeMissing>();
        assert_eq!(client.limits(&org, &access).await.status, 200);
        let answer = client.refresh(&org, &answer.text("refresh_token")).await;
        assert_eq!(answer.text("scope"), "refresh_token api id");
    }
}

#[tokio::test]
async fn a_user_or_an_app_that_is_gone_ends_sessions_at_once_and_grants_come_back() {
    type Impose = fn(&FakeOrg);
    let causes: [(Impose, &str, &str); 6] = [
        (|org| org.impose(UserDeactivated::new()), "invalid_grant", "inactive user"),
        (|org| org.impose(UserDeactivated::new().as_error()), "inactive_user", "user is inactive"),
        (|org| org.impose(AppBlocked::by_admin()), "OAUTH_APP_BLOCKED", "this app is blocked by admin"),
        (|org| org.impose(AppBlocked::uninstalled()), "invalid_client", "app must be installed into org"),
        (
            |org| org.impose(AppBlocked::external_app_uninstalled()),
            "invalid_grant",
            "External client app is not installed in this org",
        ),
        (|org| org.impose(AppBlocked::deleted()), "invalid_client_id", "client identifier invalid"),
    ];
    for client in both() {
        for (impose, error, description) in causes {
            let org = FakeOrg::start().await.unwrap();
            let (access, refresh) = consent(&org);
            impose(&org);
            client.limits(&org, &access).await.is(401, EXPIRED);
            client.limits(&org, &org.issue_access_token()).await.is(401, EXPIRED);
            assert!(!client.active(&org, &org.issue_access_token()).await);
            for answer in [client.refresh(&org, &refresh).await, client.client_credentials(&org).await] {
                assert_eq!(answer.refusal(), (400, description.into()));
                assert_eq!(answer.text("error"), error);
            }
            org.lift_all();
            client.limits(&org, &access).await.is(401, EXPIRED);
            let fresh = client.refresh(&org, &refresh).await.text("access_token");
            assert_eq!(client.limits(&org, &fresh).await.status, 200);
        }
    }
}

#[tokio::test]
async fn introspection_can_deny_a_session_that_lives() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let access = org.issue_access_token();
        org.impose(IntrospectionInactive);
        assert!(!client.active(&org, &access).await);
        assert_eq!(client.limits(&org, &access).await.status, 200);
        org.lift::<IntrospectionInactive>();
        assert!(client.active(&org, &access).await);
    }
}

// === how many grants ===

#[tokio::test]
async fn the_sixth_consent_revokes_the_oldest() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.impose(GrantCap::new());
        let grants: Vec<_> = (0..5).map(|_| consent(&org)).collect();
        // Neither a refresh nor a session without a consent counts.
        let oldest = client.refresh(&org, &grants[0].1).await;
        assert_eq!(client.client_credentials(&org).await.status, 200);
        for (access, _) in &grants {
            assert_eq!(client.limits(&org, access).await.status, 200);
        }
        let (sixth, _) = consent(&org);
        client.limits(&org, &grants[0].0).await.is(401, EXPIRED);
        client.limits(&org, &oldest.text("access_token")).await.is(401, EXPIRED);
        let refused = client.refresh(&org, &oldest.text("refresh_token")).await;
        assert_eq!(refused.refusal(), (400, "expired access/refresh token".into()));
        for access in grants[1..].iter().map(|(access, _)| access).chain([&sixth]) {
            assert_eq!(client.limits(&org, access).await.status, 200);
        }
        let seen = org.counters();
        assert_eq!((seen.grants_evicted, seen.families_revoked), (1, 0));
        org.lift::<GrantCap>();
        for _ in 0..9 {
            let _ = org.issue_refresh_token();
        }
        assert_eq!(org.counters().grants_evicted, 1);
    }
}

#[tokio::test]
async fn sessions_without_a_refresh_token_count_where_that_is_chosen() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let start = async || client.client_credentials(&org).await.text("access_token");
        org.impose(GrantCap::of(1));
        let (one, two) = (start().await, start().await);
        assert_eq!(client.limits(&org, &one).await.status, 200);
        org.impose(GrantCap::of(1).counting_sessions());
        let three = start().await;
        for evicted in [&one, &two] {
            client.limits(&org, evicted).await.is(401, EXPIRED);
        }
        let four = start().await;
        client.limits(&org, &three).await.is(401, EXPIRED);
        assert_eq!(client.limits(&org, &four).await.status, 200);
        assert_eq!(org.counters().grants_evicted, 3);
    }
}

#[tokio::test]
async fn a_session_that_has_grown_idle_takes_no_place_under_a_cap() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.impose(GrantCap::of(2).counting_sessions());
        let (_, refresh) = consent(&org);
        let _idle = org.issue_access_token();
        org.advance(std::time::Duration::from_secs(7_200));
        let _third = org.issue_access_token();
        assert_eq!(client.refresh(&org, &refresh).await.status, 200);
        assert_eq!(org.counters().grants_evicted, 0);
    }
}

#[tokio::test]
async fn grants_over_a_new_cap_are_revoked_at_the_next_one_that_counts() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (old, _) = consent(&org);
        let (newer, _) = consent(&org);
        org.impose(GrantCap::of(1));
        assert_eq!(client.client_credentials(&org).await.status, 200);
        assert_eq!(client.limits(&org, &old).await.status, 200);
        let (newest, _) = consent(&org);
        for evicted in [&old, &newer] {
            client.limits(&org, evicted).await.is(401, EXPIRED);
        }
        assert_eq!(client.limits(&org, &newest).await.status, 200);
        assert_eq!(org.counters().grants_evicted, 2);
    }
}

// === what the org does just now ===

#[tokio::test]
async fn read_only_mode_refuses_writes_and_ends_sessions_when_it_is_over() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        org.impose(ReadOnlyMode::new());
        let write = client.create(&org, &access).await;
        write.is(503, "Updates can't be made during maintenance. Try again when maintenance is complete.");
        assert_eq!(write.rest_error().1, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE");
        assert_eq!(client.limits(&org, &access).await.status, 200);
        assert_eq!(client.bulk(&org, &access).await.text("exceptionCode"), "InternalServerError");
        assert_eq!(client.soap(&org, &access).await.status, 200);

        org.impose(ReadOnlyMode::new().write_status(500).reads_refused());
        assert_eq!(client.create(&org, &access).await.status, 500);
        client.limits(&org, &access).await.is(401, NOT_VALID);
        let next = client.refresh(&org, &refresh).await;
        client.limits(&org, &next.text("access_token")).await.is(401, NOT_VALID);
        assert_eq!(client.userinfo(&org, &access).await.status, 200);

        org.lift::<ReadOnlyMode>();
        client.limits(&org, &next.text("access_token")).await.is(401, EXPIRED);
        let last = client.refresh(&org, &next.text("refresh_token")).await.text("access_token");
        assert_eq!(client.create(&org, &last).await.status, 201);
        org.impose(ReadOnlyMode::new().sessions_survive());
        org.lift_all();
        assert_eq!(client.create(&org, &last).await.status, 201);
    }
}

#[tokio::test]
async fn maintenance_pages_stand_before_data_and_before_tokens_if_that_is_chosen() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        for (condition, status, part) in [
            (Maintenance::page(), 503, "We are down for maintenance."),
            (Maintenance::edge(), 420, "<title>Error Page</title>"),
            (Maintenance::server_unavailable(), 503, r#""errorCode":"SERVER_UNAVAILABLE""#),
        ] {
            org.impose(condition.clone());
            let versions = client.get(&format!("{}/services/data", org.url()), &access).await;
            for answer in
                [client.limits(&org, &access).await, client.bulk(&org, &access).await, versions.clone()]
            {
                assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, None));
                assert!(text(&answer).contains(part), "{answer:?}");
            }
            assert_eq!(versions.header("x-sfdc-edge-err"), (status == 420).then_some("true"));
            assert!(client.active(&org, &access).await);
            assert_eq!(client.userinfo(&org, &access).await.status, 200);

            org.impose(condition.also_at_token_endpoint().retry_after(120));
            let revoke = client.post(&format!("{}/services/oauth2/revoke", org.url()), "token=x").await;
            for answer in [
                client.refresh(&org, &refresh).await,
                client.userinfo(&org, &access).await,
                client.limits(&org, &access).await,
                revoke,
            ] {
                assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, Some("120")));
            }
            org.lift::<Maintenance>();
            assert_eq!(client.limits(&org, &access).await.status, 200);
        }
        // Nothing was spent, and no living session was asked for.
        assert_eq!(client.refresh(&org, &refresh).await.status, 200);
        let seen = org.counters();
        assert_eq!((seen.pages, seen.token_requests_refused, seen.living_sessions_refused), (21, 3, 0));
    }
}

#[tokio::test]
async fn limits_and_intermediaries_look_like_refusals_and_are_none() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, refresh) = consent(&org);
        for (limit, message) in [
            (RequestLimit::Daily, "TotalRequests Limit exceeded."),
            (RequestLimit::Concurrent, "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
            (RequestLimit::LongTransactions, "ConcurrentPerOrgLongTxn Limit exceeded."),
        ] {
            org.impose(limit);
            let answer = client.limits(&org, &access).await;
            answer.is(403, message);
            assert_eq!(answer.rest_error().1, "REQUEST_LIMIT_EXCEEDED");
            assert_eq!(client.bulk(&org, &access).await.text("exceptionCode"), "ExceededQuota");
            assert_eq!(client.userinfo(&org, &access).await.status, 200);
        }
        for (condition, status, content_type) in [
            (Intermediary::empty(401), 401, None),
            (Intermediary::html(403), 403, Some("text/html; charset=UTF-8")),
            (Intermediary::json(401), 401, Some("application/json;charset=UTF-8")),
        ] {
            org.impose(condition.clone());
            let answer = client.limits(&org, &access).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, content_type));
            assert_eq!(client.userinfo(&org, &access).await.status, 200);
            org.impose(condition.also_at_token_endpoint());
            assert_eq!(client.refresh(&org, &refresh).await.status.as_u16(), status);
        }
        org.lift_all();
        assert_eq!(client.limits(&org, &access).await.status, 200);
        assert_eq!(client.refresh(&org, &refresh).await.status, 200);
        assert_eq!(org.counters().pages, 6);
    }
}

// === together ===

#[tokio::test]
async fn the_condition_that_stands_first_answers_and_lifting_uncovers_the_next() {
    for client in both() {
        let org = FakeOrg::builder().left_host(LeftHost::UrlNotReset).start().await.unwrap();
        let (dead, refresh) = consent(&org);
        org.expire_sessions();
        let access = org.issue_access_token();
        org.move_host().await;
        org.place_clients(AWAY);
        org.impose(RequestLimit::Daily);
        org.impose(ReadOnlyMode::new().sessions_survive());
        org.impose(ApiAccessControl::new().wording(Wording::Expired));
        org.impose(IpLock::new());
        org.impose(Maintenance::page());
        org.impose(Intermediary::empty(407));
        let old = format!("{}/services/data/v65.0/limits", org.url());
        let here = format!("{}/services/data/v65.0/sobjects/Account", org.instance_url());
        let write = async |token: &str| {
            let mut request = get(&here, token);
            *request.method_mut() = http::Method::POST;
            client.send(request).await
        };

        assert_eq!(client.get(&old, &dead).await.status, 407);
        org.lift::<Intermediary>();
        assert_eq!(client.get(&old, &dead).await.status, 503);
        org.lift::<Maintenance>();
        assert_eq!(client.get(&old, &dead).await.rest_error(), (400, "URL_NOT_RESET".into()));
        write(&dead).await.is(401, EXPIRED);
        write(&access).await.is(401, NOT_VALID);
        // A refresh unlocks the session, and API Access Control refuses it.
        let access = client.refresh(&org, &refresh).await.text("access_token");
        write(&access).await.is(401, EXPIRED);
        org.lift::<ApiAccessControl>();
        assert_eq!(write(&access).await.status, 503);
        org.lift::<ReadOnlyMode>();
        assert_eq!(write(&access).await.rest_error(), (403, "REQUEST_LIMIT_EXCEEDED".into()));
        org.lift::<RequestLimit>();
        assert_eq!(client.create(&org, &access).await.status, 201);
        let seen = org.counters();
        assert_eq!((seen.refused, seen.living_sessions_refused, seen.pages), (8, 4, 2));
    }
}

#[tokio::test]
async fn for_tokens_the_client_is_checked_first_and_the_refresh_token_last() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        org.impose(ApiAccessControl::new().app_not_installed());
        org.impose(RefreshIpAllowlist::new());
        org.impose(AppBlocked::by_admin());
        org.impose(UserDeactivated::new());
        let unauthenticated = client.post(&token_url(&org), "grant_type=refresh_token&refresh_token=x").await;
        assert_eq!(unauthenticated.text("error"), "invalid_client_id");
        let description = async || client.refresh(&org, "unknown").await.refusal().1;
        assert_eq!(description().await, "inactive user");
        org.lift::<UserDeactivated>();
        assert_eq!(description().await, "this app is blocked by admin");
        org.lift::<AppBlocked>();
        assert_eq!(description().await, "ip restricted by app developer");
        org.lift::<RefreshIpAllowlist>();
        assert_eq!(description().await, "app must be installed into org");
        org.lift::<ApiAccessControl>();
        assert_eq!(description().await, "expired access/refresh token");
    }
}
