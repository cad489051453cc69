//! How an org is set up.

use std::{io, sync::Arc, time::Duration};

use super::{
    FakeOrg,
    api::LeftHost,
    data::Records,
    mint::Mint,
    org::{Facts, Org, bind},
    server,
    state::{Policy, Sessions},
};

/// Sets up a [`FakeOrg`]; made by [`FakeOrg::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is served until `start` is called"]
pub struct FakeOrgBuilder {
    policy: Policy,
    require_client_secret: bool,
    left_host: LeftHost,
    separate_login_host: bool,
    accounts: usize,
    port: u16,
    control_plane: bool,
}

impl FakeOrgBuilder {
    pub(super) fn new() -> Self {
        Self {
            policy: Policy {
                rotation: true,
                // An org's default (Salesforce help on session settings).
                session_timeout: Duration::from_secs(2 * 60 * 60),
                refresh_ends_previous_session: false,
            },
            require_client_secret: true,
            left_host: LeftHost::default(),
            separate_login_host: false,
            // One more page than the first.
            accounts: 2_500,
            port: 0,
            control_plane: false,
        }
    }

    /// Whether refresh tokens rotate, which they do by default: each works once and is answered with its successor.
    /// Presenting a spent one revokes the whole family, that is, its living refresh token and all its sessions.
    pub fn rotation(mut self, rotation: bool) -> Self {
        self.policy.rotation = rotation;
        self
    }

    /// How long a session lives without being used, 2 hours by default. It is measured on the org's own clock, which
    /// only [`FakeOrg::advance`] moves. Salesforce allows 15 minutes to 24 hours; here any time is taken.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.policy.session_timeout = timeout;
        self
    }

    /// Whether a refresh ends the sessions that the same consent led to before. By default they live on.
    pub fn refresh_ends_previous_session(mut self, ends: bool) -> Self {
        self.policy.refresh_ends_previous_session = ends;
        self
    }

    /// Whether a refresh needs the client secret, as confidential clients have it. It does by default; a secret that is
    /// sent is checked in any case.
    pub fn require_client_secret(mut self, required: bool) -> Self {
        self.require_client_secret = required;
        self
    }

    /// How the hosts that the org has left answer.
    pub fn left_host(mut self, left_host: LeftHost) -> Self {
        self.left_host = left_host;
        self
    }

    /// Whether the login host is another host than the org's own, as `login.salesforce.com` is. By default it is the
    /// same until the org moves.
    ///
    /// A separate one serves `/services/oauth2/…` and `/id/…` only. Other requests get 400 `URL_NOT_RESET` there (recorded;
    /// Bulk API 1.0 `InvalidUrl`, SOAP `UNKNOWN_EXCEPTION`), whatever [`left_host`](Self::left_host) says.
    pub fn separate_login_host(mut self, separate: bool) -> Self {
        self.separate_login_host = separate;
        self
    }

    /// How many accounts there are to be queried, 2,500 by default: two pages of 2,000.
    pub fn accounts(mut self, accounts: usize) -> Self {
        self.accounts = accounts;
        self
    }

    /// The port to listen on; 0, the default, lets the system choose.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether the org can be controlled over HTTP, see [the module](super#control-over-http). It cannot by default.
    pub fn control_plane(mut self, enabled: bool) -> Self {
        self.control_plane = enabled;
        self
    }

    /// Binds a port of the loopback interface and serves the org on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// The port cannot be bound, or the system gives no random numbers.
    pub async fn start(self) -> io::Result<FakeOrg> {
        let mut mint = Mint::new()?;
        let (listener, url) = bind(self.port).await?;
        let facts = Facts {
            client_id: mint.client_id(),
            client_secret: mint.client_secret(),
            org_id: mint.id("00D"),
            user_id: mint.id("005"),
            username: "integration@fake-org.example".to_owned(),
            session_timeout: self.policy.session_timeout,
            secret_required: self.require_client_secret,
            left_host: self.left_host,
            separate_login_host: self.separate_login_host,
            control_plane: self.control_plane,
        };
        let sessions = Sessions::new(facts.org_id.clone(), self.policy, mint);
        let org = Org::new(facts, sessions, Records::new(self.accounts), url.clone());
        org.spawn(server::accept(listener, Arc::clone(&org), 0));
        if self.separate_login_host {
            org.move_host().await;
        }
        Ok(FakeOrg { org, url })
    }
}
