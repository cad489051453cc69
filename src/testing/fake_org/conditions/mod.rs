//! Conditions of an org under which sessions or grants are refused, each lifted as easily as it is imposed.
//!
//! [`FakeOrg::impose`](super::FakeOrg::impose) puts one in force at once, [`FakeOrg::lift`](super::FakeOrg::lift) and
//! [`FakeOrg::lift_all`](super::FakeOrg::lift_all) end it. There is at most one of a type, a second one replaces the
//! first; different ones combine.
//!
//! ```
//! # use http::{Request, header::AUTHORIZATION};
//! # use http_body_util::Empty;
//! # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use std::net::Ipv4Addr;
//! use tower_salesforce_auth::testing::{FakeOrg, fake_org::conditions::IpLock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let org = FakeOrg::start().await?;
//! let token = org.issue_access_token();
//! # let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
//! # let url = format!("{}/services/data/v65.0/limits", org.url());
//! # let get = || Request::get(&url).header(AUTHORIZATION, format!("Bearer {token}")).body(Empty::new());
//! org.impose(IpLock::new());
//! assert_eq!(client.request(get()?).await?.status(), 200);
//! // The client's traffic leaves by another address from now on.
//! org.place_clients(Ipv4Addr::new(203, 0, 113, 9));
//! assert_eq!(client.request(get()?).await?.status(), 401);
//! org.lift::<IpLock>();
//! assert_eq!(client.request(get()?).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # Precedence
//!
//! Scripts ([`ApiAnswer`](super::ApiAnswer), [`TokenAnswer`](super::TokenAnswer)) come before everything else. Then the
//! first of these that has something to say answers:
//!
//! 1. whatever stands before the org, and so before its hosts: [`Intermediary`], [`Maintenance`];
//! 2. the host: one that the org has left, or the login host;
//! 3. the session: missing, expired, revoked, of another org, or ended by [`UserDeactivated`] or [`AppBlocked`];
//! 4. where the client is: [`IpLock`], [`AppIpPolicy`];
//! 5. what its application may do: [`ApiAccessControl`], [`ApiScopeMissing`];
//! 6. what the org does just now: [`ReadOnlyMode`], [`RequestLimit`].
//!
//! For a token request: 1 and 2, the client's credentials or assertion, then [`UserDeactivated`], [`AppBlocked`],
//! [`RefreshIpAllowlist`] and [`ApiAccessControl`], and the refresh token at last. A condition that refuses a token
//! request spends no refresh token.
//!
//! # Certainty
//!
//! Every condition says how sure its answers are: *recorded* (a capture, a fixture of the vendor, or its
//! documentation), *reported* (one person's log or another project's documentation), *inferred* (a guess, because
//! nothing is known). Where Salesforce's answer is not proven there is a switch between those that are plausible, so that
//! a client can be shown to be right under each.

mod api_access_control;
mod api_scope_missing;
mod app_blocked;
mod app_ip_policy;
mod grant_cap;
mod intermediary;
mod introspection_inactive;
mod ip_lock;
mod maintenance;
mod read_only_mode;
mod refresh_ip_allowlist;
mod request_limit;
mod user_deactivated;
mod wording;

use std::net::{IpAddr, Ipv4Addr};

use http::request::Parts;

pub use self::{
    api_access_control::ApiAccessControl, api_scope_missing::ApiScopeMissing, app_blocked::AppBlocked,
    app_ip_policy::AppIpPolicy, grant_cap::GrantCap, intermediary::Intermediary,
    introspection_inactive::IntrospectionInactive, ip_lock::IpLock, maintenance::Maintenance,
    read_only_mode::ReadOnlyMode, refresh_ip_allowlist::RefreshIpAllowlist, request_limit::RequestLimit,
    user_deactivated::UserDeactivated, wording::Wording,
};
use super::{answers::Answer, control::Problem, dialect::Dialect, form::Form, org::State, state::Sessions};

/// A condition that can be imposed on a [`FakeOrg`](super::FakeOrg). Only the types of this module are.
#[allow(private_bounds)]
pub trait Condition: Cause {}

/// What a condition does to the requests that it concerns.
pub(super) trait Cause: Sized {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self>;

    /// The condition as a command of the control plane describes it: parameters are named as the methods are.
    fn from_query(query: &Form) -> Result<Self, Problem>;

    fn begin(&self, _sessions: &mut Sessions) {}

    fn end(&self, _sessions: &mut Sessions) {}

    /// What answers before the org has a say.
    fn page(&self, _part: Part) -> Option<Answer> {
        None
    }

    /// Why a session that lives is not let in.
    fn refusal(&self, _presented: &Presented<'_>) -> Option<Answer> {
        None
    }

    /// Why there is no token for a client whose credentials are right.
    fn token_refusal(&self, _asked: &Asked) -> Option<Refusal> {
        None
    }

    /// Whether introspection says of a living session that it is not active.
    fn hides(&self, _started_from: IpAddr, _places: Places) -> bool {
        false
    }
}

/// The parts of an org that a page can stand before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Data: REST, Bulk, SOAP.
    Api,
    /// `/services/oauth2/…` and the identity URL.
    OAuth,
}

/// A living session that was presented.
pub(super) struct Presented<'a> {
    pub(super) dialect: Dialect,
    pub(super) head: &'a Parts,
    /// The client's address when the session was started.
    pub(super) started_from: IpAddr,
    pub(super) places: Places,
}

/// A token request that nothing else is wrong with.
pub(super) struct Asked {
    /// Whether a refresh token was presented.
    pub(super) refresh: bool,
    pub(super) places: Places,
}

/// An `error` and its `error_description`.
pub(super) struct Refusal(pub(super) &'static str, pub(super) String);

/// Where requests are said to come from: on loopback all clients have one address.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) tokens: IpAddr,
    pub(super) api: IpAddr,
}

macro_rules! in_order_of_precedence {
    ($($slot:ident: $Type:ident = $kind:literal,)*) => {
        /// What is imposed.
        #[derive(Default)]
        pub(super) struct Conditions {
            $(pub(super) $slot: Option<$Type>,)*
        }

        $(impl Condition for $Type {})*

        impl Conditions {
            pub(super) fn page(&self, part: Part) -> Option<Answer> {
                None$(.or_else(|| self.$slot.as_ref()?.page(part)))*
            }

            pub(super) fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
                None$(.or_else(|| self.$slot.as_ref()?.refusal(presented)))*
            }

            pub(super) fn token_refusal(&self, asked: &Asked) -> Option<Refusal> {
                None$(.or_else(|| self.$slot.as_ref()?.token_refusal(asked)))*
            }

            pub(super) fn hides(&self, started_from: IpAddr, places: Places) -> bool {
                false$(|| self.$slot.as_ref().is_some_and(|it| it.hides(started_from, places)))*
            }
        }

        impl State {
            /// Imposes what the command `impose` describes.
            pub(super) fn impose_from(&mut self, query: &Form) -> Result<(), Problem> {
                match query.get("kind").ok_or(Problem::Missing("kind"))? {
                    $($kind => self.impose($Type::from_query(query)?),)*
                    _ => return Err(Problem::Malformed("kind")),
                }
                Ok(())
            }

            /// Lifts what the command `lift` names, or everything.
            pub(super) fn lift_from(&mut self, query: &Form) -> Result<(), Problem> {
                match query.get("kind") {
                    None => self.lift_all(),
                    $(Some($kind) => self.lift::<$Type>(),)*
                    Some(_) => return Err(Problem::Malformed("kind")),
                }
                Ok(())
            }

            pub(super) fn lift_all(&mut self) {
                $(self.lift::<$Type>();)*
            }
        }
    };
}

in_order_of_precedence! {
    intermediary: Intermediary = "intermediary",
    maintenance: Maintenance = "maintenance",
    user_deactivated: UserDeactivated = "user-deactivated",
    app_blocked: AppBlocked = "app-blocked",
    ip_lock: IpLock = "ip-lock",
    app_ip_policy: AppIpPolicy = "app-ip-policy",
    refresh_ip_allowlist: RefreshIpAllowlist = "refresh-ip-allowlist",
    api_access_control: ApiAccessControl = "api-access-control",
    api_scope_missing: ApiScopeMissing = "api-scope-missing",
    read_only_mode: ReadOnlyMode = "read-only-mode",
    request_limit: RequestLimit = "request-limit",
    introspection_inactive: IntrospectionInactive = "introspection-inactive",
    grant_cap: GrantCap = "grant-cap",
}

impl State {
    pub(super) fn impose<C: Cause>(&mut self, condition: C) {
        condition.begin(&mut self.sessions);
        *C::slot(&mut self.conditions) = Some(condition);
    }

    pub(super) fn lift<C: Cause>(&mut self) {
        if let Some(condition) = C::slot(&mut self.conditions).take() {
            condition.end(&mut self.sessions);
        }
    }
}

impl Part {
    pub(super) fn of(dialect: Dialect) -> Self {
        if dialect == Dialect::Identity { Self::OAuth } else { Self::Api }
    }
}

impl Presented<'_> {
    /// Whether it was presented to the identity URL or its OpenID twin, which no policy on API calls concerns.
    fn to_identity(&self) -> bool {
        self.dialect == Dialect::Identity
    }
}

impl Default for Places {
    /// The truth.
    fn default() -> Self {
        Self { tokens: Ipv4Addr::LOCALHOST.into(), api: Ipv4Addr::LOCALHOST.into() }
    }
}

// === parameters of commands ===

/// `name=true` or `name=false`, the default.
fn flag(query: &Form, name: &'static str) -> Result<bool, Problem> {
    query.get(name).map_or(Ok(false), |value| value.parse().map_err(|_| Problem::Malformed(name)))
}

/// Addresses with commas between them.
fn addresses(query: &Form, name: &'static str) -> Result<Vec<IpAddr>, Problem> {
    query.get(name).map_or(Ok(Vec::new()), |list| {
        list.split(',').map(|address| address.trim().parse().map_err(|_| Problem::Malformed(name))).collect()
    })
}
