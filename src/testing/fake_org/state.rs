//! Sessions and the grants they come from: what lives, what is spent, what dies together.

use std::{collections::HashMap, time::Duration};

use super::{clock::Clock, mint::Mint};

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
    /// Never issued, or revoked.
    Unknown,
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
    /// In milliseconds since the Unix epoch.
    issued_at: u64,
}

struct RefreshToken {
    family: u64,
    spent: bool,
}

/// What introspection tells about a living token.
pub(super) enum Living {
    Session { idle_left: Duration, issued_at: u64 },
    RefreshToken,
}

impl Sessions {
    pub(super) fn new(org_id: String, policy: Policy, mint: Mint) -> Self {
        Self { org_id, policy, mint, sessions: HashMap::new(), refresh_tokens: HashMap::new(), families: 0 }
    }

    /// Starts a new family: with a refresh token if a user consented to offline access, without for the grants that
    /// can be repeated (JWT bearer, client credentials).
    pub(super) fn grant(&mut self, clock: &mut Clock, offline: bool) -> Issued {
        self.families += 1;
        self.issue(self.families, clock, offline)
    }

    pub(super) fn refresh(&mut self, presented: &str, clock: &mut Clock) -> Refreshed {
        let Some(token) = self.refresh_tokens.get_mut(presented) else { return Refreshed::Unknown };
        let family = token.family;
        if token.spent {
            return Refreshed::Reused { family_revoked: self.revoke_family(family) };
        }
        token.spent = self.policy.rotation;
        if self.policy.refresh_ends_previous_session {
            self.sessions.retain(|_, session| session.family != family);
        }
        Refreshed::Granted(self.issue(family, clock, self.policy.rotation))
    }

    fn issue(&mut self, family: u64, clock: &mut Clock, with_refresh_token: bool) -> Issued {
        let access_token = self.mint.access_token(&self.org_id);
        let issued_at = clock.issued_at();
        self.sessions.insert(access_token.clone(), Session { family, last_used: clock.now(), issued_at });
        let refresh_token = with_refresh_token.then(|| self.mint.refresh_token());
        if let Some(token) = &refresh_token {
            self.refresh_tokens.insert(token.clone(), RefreshToken { family, spent: false });
        }
        Issued { access_token, refresh_token, issued_at }
    }

    /// Whether this is the token of a living session. If so, the session is used now and its idle time starts anew.
    pub(super) fn touch(&mut self, access_token: &str, now: Duration) -> bool {
        self.forget_idle(now);
        self.sessions.get_mut(access_token).map(|session| session.last_used = now).is_some()
    }

    /// What lives under this token, without using it.
    pub(super) fn look_up(&mut self, token: &str, now: Duration) -> Option<Living> {
        self.forget_idle(now);
        if let Some(session) = self.sessions.get(token) {
            let idle = now.saturating_sub(session.last_used);
            let idle_left = self.policy.session_timeout.saturating_sub(idle);
            return Some(Living::Session { idle_left, issued_at: session.issued_at });
        }
        self.refresh_tokens.get(token).filter(|token| !token.spent).map(|_| Living::RefreshToken)
    }

    /// Ends what lives under this token: an access token's session, or a refresh token's whole family. `false` if
    /// nothing does.
    pub(super) fn revoke(&mut self, token: &str) -> bool {
        if self.sessions.remove(token).is_some() {
            return true;
        }
        let family = self.refresh_tokens.get(token).filter(|token| !token.spent).map(|token| token.family);
        family.is_some_and(|family| self.revoke_family(family))
    }

    pub(super) fn expire_all(&mut self) {
        self.sessions.clear();
    }

    /// Revokes every family that has a refresh token, with its sessions.
    pub(super) fn revoke_refresh_tokens(&mut self) {
        let families: Vec<u64> = self.refresh_tokens.values().map(|token| token.family).collect();
        for family in families {
            self.revoke_family(family);
        }
    }

    /// `true` if anything of the family lived.
    fn revoke_family(&mut self, family: u64) -> bool {
        let before = self.sessions.len() + self.refresh_tokens.len();
        self.sessions.retain(|_, session| session.family != family);
        // Spent tokens stay known, so that presenting one is still seen as reuse.
        self.refresh_tokens.retain(|_, token| token.family != family || token.spent);
        before != self.sessions.len() + self.refresh_tokens.len()
    }

    fn forget_idle(&mut self, now: Duration) {
        let timeout = self.policy.session_timeout;
        self.sessions.retain(|_, session| now.saturating_sub(session.last_used) < timeout);
    }
}
