//! Sessions and the grants they come from: what lives, what is spent, what dies together.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    time::Duration,
};

use super::{clock::Clock, mint::Mint, revocation::Revocation};

/// The rules of an org's connected app.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) rotation: bool,
    pub(super) session_timeout: Duration,
    pub(super) refresh_ends_previous_session: bool,
}

/// What a grant gave. Tokens that one consent led to form a family, and are revoked together.
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) issued_at: u64,
}

/// What became of a refresh token that was presented.
pub(super) enum Refreshed {
    Granted(Issued),
    /// Never issued, or revoked, with the description that tells it.
    Refused(String),
    /// Spent before. The family is revoked, if there was anything left of it.
    Reused {
        family_revoked: bool,
    },
}

/// The living sessions and all refresh tokens of an org. A session that ended is forgotten: Salesforce answers a dead
/// token and an invented one alike.
pub(super) struct Sessions {
    org_id: String,
    policy: Policy,
    mint: Mint,
    sessions: HashMap<String, Session>,
    refresh_tokens: HashMap<String, RefreshToken>,
    families: u64,
}

struct Session {
    family: u64,
    last_used: Duration,
    /// The client's address at that time.
    started_from: IpAddr,
    /// In milliseconds since the Unix epoch.
    issued_at: u64,
}

struct RefreshToken {
    family: u64,
    fate: Fate,
}

enum Fate {
    Good,
    Spent,
    /// With the description that tells it.
    Revoked(String),
}

/// What introspection tells about a living token.
pub(super) enum Living {
    Session { idle_left: Duration, issued_at: u64, started_from: IpAddr },
    RefreshToken,
}

impl Sessions {
    pub(super) fn new(org_id: String, policy: Policy, mint: Mint) -> Self {
        Self { org_id, policy, mint, sessions: HashMap::new(), refresh_tokens: HashMap::new(), families: 0 }
    }

    /// Starts a new family: with a refresh token if a user consented to offline access, without for the grants that
    /// can be repeated (JWT bearer, client credentials).
    pub(super) fn grant(&mut self, clock: &mut Clock, from: IpAddr, offline: bool) -> Issued {
        self.families += 1;
        self.issue(self.families, clock, from, offline)
    }

    pub(super) fn refresh(&mut self, presented: &str, clock: &mut Clock, from: IpAddr) -> Refreshed {
        let Some(token) = self.refresh_tokens.get_mut(presented) else {
            return Refreshed::Refused(Revocation::GONE.to_owned());
        };
        let family = token.family;
        match &token.fate {
            Fate::Good => {}
            Fate::Revoked(description) => return Refreshed::Refused(description.clone()),
            Fate::Spent => {
                return Refreshed::Reused { family_revoked: self.revoke_family(family, Revocation::GONE) };
            }
        }
        if self.policy.rotation {
            token.fate = Fate::Spent;
        }
        if self.policy.refresh_ends_previous_session {
            self.sessions.retain(|_, session| session.family != family);
        }
        Refreshed::Granted(self.issue(family, clock, from, self.policy.rotation))
    }

    fn issue(&mut self, family: u64, clock: &mut Clock, from: IpAddr, with_refresh_token: bool) -> Issued {
        let access_token = self.mint.access_token(&self.org_id);
        let issued_at = clock.issued_at();
        self.sessions.insert(
            access_token.clone(),
            Session { family, last_used: clock.now(), started_from: from, issued_at },
        );
        let refresh_token = with_refresh_token.then(|| self.mint.refresh_token());
        if let Some(token) = &refresh_token {
            self.refresh_tokens.insert(token.clone(), RefreshToken { family, fate: Fate::Good });
        }
        Issued { access_token, refresh_token, issued_at }
    }

    /// Where the living session of this token was started from, without using it.
    pub(super) fn started_from(&mut self, access_token: &str, now: Duration) -> Option<IpAddr> {
        self.forget_idle(now);
        self.sessions.get(access_token).map(|session| session.started_from)
    }

    /// The session is used now: its idle time starts anew.
    pub(super) fn touch(&mut self, access_token: &str, now: Duration) {
        if let Some(session) = self.sessions.get_mut(access_token) {
            session.last_used = now;
        }
    }

    /// What lives under this token, without using it.
    pub(super) fn look_up(&mut self, token: &str, now: Duration) -> Option<Living> {
        self.forget_idle(now);
        if let Some(session) = self.sessions.get(token) {
            let idle = now.saturating_sub(session.last_used);
            let idle_left = self.policy.session_timeout.saturating_sub(idle);
            let Session { issued_at, started_from, .. } = *session;
            return Some(Living::Session { idle_left, issued_at, started_from });
        }
        self.good(token).map(|_| Living::RefreshToken)
    }

    /// Ends what lives under this token: an access token's session, or a refresh token's whole family. `false` if
    /// nothing does.
    pub(super) fn revoke(&mut self, token: &str) -> bool {
        if self.sessions.remove(token).is_some() {
            return true;
        }
        let family = self.good(token).map(|token| token.family);
        family.is_some_and(|family| self.revoke_family(family, Revocation::GONE))
    }

    pub(super) fn expire_all(&mut self) {
        self.sessions.clear();
    }

    /// Revokes every family, with its sessions.
    pub(super) fn revoke_all(&mut self, revocation: &Revocation) {
        self.sessions.clear();
        for token in self.refresh_tokens.values_mut() {
            token.revoke(&revocation.description);
        }
    }

    /// Revokes the oldest living families but for `most`, and tells how many. A family without a good refresh token
    /// counts if `counting_sessions` and a session of it lives.
    pub(super) fn evict(&mut self, most: usize, counting_sessions: bool, now: Duration) -> u64 {
        self.forget_idle(now);
        let consents = self.refresh_tokens.values().filter(|token| matches!(token.fate, Fate::Good));
        let mut living: BTreeSet<u64> = consents.map(|token| token.family).collect();
        if counting_sessions {
            living.extend(self.sessions.values().map(|session| session.family));
        }
        let evicted: Vec<u64> = living.into_iter().rev().skip(most).collect();
        for family in &evicted {
            self.revoke_family(*family, Revocation::GONE);
        }
        evicted.len() as u64
    }

    /// `true` if anything of the family lived.
    fn revoke_family(&mut self, family: u64, description: &str) -> bool {
        let sessions = self.sessions.len();
        self.sessions.retain(|_, session| session.family != family);
        let mut lived = sessions != self.sessions.len();
        for token in self.refresh_tokens.values_mut().filter(|token| token.family == family) {
            lived |= token.revoke(description);
        }
        lived
    }

    fn good(&self, refresh_token: &str) -> Option<&RefreshToken> {
        self.refresh_tokens.get(refresh_token).filter(|token| matches!(token.fate, Fate::Good))
    }

    fn forget_idle(&mut self, now: Duration) {
        let timeout = self.policy.session_timeout;
        self.sessions.retain(|_, session| now.saturating_sub(session.last_used) < timeout);
    }
}

impl RefreshToken {
    /// `true` if it was good. Spent tokens stay spent, so that presenting one is still seen as reuse.
    fn revoke(&mut self, description: &str) -> bool {
        let good = matches!(self.fate, Fate::Good);
        if good {
            self.fate = Fate::Revoked(description.to_owned());
        }
        good
    }
}
