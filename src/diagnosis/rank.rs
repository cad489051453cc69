//! From evidence to causes: which are possible, how sure, and why.
//!
//! Pure, so that every rule is a test without a server. The rules follow what is known of Salesforce:
//!
//! - One code, `INVALID_SESSION_ID`, comes in two wordings. *Session expired or invalid* is said of sessions that do not
//!   live on the host that was asked; *not valid for use with the REST API* of sessions that live but may not.
//! - Within one wording the body tells nothing more. What tells is the past: whether a session worked before, whether a
//!   new one works, what the token endpoint says, whether the org was in maintenance lately.
//! - Only what Salesforce says in so many words is `High`. All else is somebody's guess, also ours.

mod endpoint;
mod forbidden;
#[cfg(test)]
mod tests;

use super::{
    Diagnosis,
    cause::{Cause, Confidence, RankedCause},
    evidence::{Evidence, Facts, TokenFacts},
    outcome::Outcome,
};
use crate::refusal::{self, Refusal, Verdict};
use Confidence::{High, Low, Medium};

/// So many sessions that die young in a row are no accident: Salesforce revokes a user's oldest approval of an app with
/// the sixth.
pub(crate) const EVICTION: u32 = 3;

/// The possible causes, the likeliest first. Empty if nothing is refused.
pub(super) fn causes(diagnosis: &Diagnosis) -> Vec<RankedCause> {
    let mut ranking = Ranking {
        refusal: diagnosis.refusal.as_deref(),
        outcome: &diagnosis.outcome,
        facts: &diagnosis.facts,
        causes: Vec::new(),
    };
    if let Outcome::RefreshFailed(error) = ranking.outcome {
        ranking.failed_refresh(error);
    }
    match ranking.refusal.map(|refusal| refusal.verdict) {
        None => ranking.eviction(),
        Some(Verdict::SessionExpired) => ranking.dead_session(),
        Some(Verdict::SessionNotPermitted) => ranking.live_session(),
        Some(Verdict::UnrecognisedRefusal) => ranking.unrecognised(),
        Some(Verdict::WrongHost) => ranking.wrong_host(),
        Some(Verdict::ReadOnlyMaintenance) => ranking.add(Cause::Maintenance, High, []),
        Some(Verdict::OrgUnavailable) => ranking.unavailable(),
        Some(Verdict::RateLimited) => ranking.add(Cause::LimitReached, High, []),
        Some(Verdict::Forbidden) => ranking.forbidden(),
        Some(Verdict::MalformedRequest) => ranking.malformed(),
        Some(Verdict::PasswordExpired) => ranking.add(Cause::PasswordExpired, High, []),
        // It is concluded from an empty answer.
        Some(Verdict::TokenFormat) => ranking.add(Cause::TokenFormat, Medium, []),
        Some(Verdict::NotAuth) => return Vec::new(),
    }
    ranking.finish()
}

struct Ranking<'a> {
    refusal: Option<&'a Refusal>,
    outcome: &'a Outcome,
    facts: &'a Facts,
    causes: Vec<RankedCause>,
}

impl Ranking<'_> {
    /// Of causes that are equally sure, the one that was named first stays first.
    fn add(&mut self, cause: Cause, confidence: Confidence, because: impl IntoIterator<Item = Evidence>) {
        match self.causes.iter_mut().find(|known| known.cause == cause) {
            None => {
                self.causes.push(RankedCause { cause, confidence, because: because.into_iter().collect() });
            }
            Some(known) if confidence > known.confidence => {
                known.confidence = confidence;
                known.because.extend(because);
            }
            Some(_) => {}
        }
    }

    fn finish(mut self) -> Vec<RankedCause> {
        let is_refused = self.refusal.is_some() || !matches!(self.outcome, Outcome::Examined);
        if self.causes.is_empty() && is_refused {
            self.add(Cause::Unknown, Low, []);
        }
        let words = self.words();
        for cause in &mut self.causes {
            if cause.because.is_empty() {
                cause.because.clone_from(&words);
            }
        }
        self.causes.sort_by_key(|cause| std::cmp::Reverse(cause.confidence));
        self.causes
    }

    /// What the refusal itself says: speaks for a cause that has nothing else.
    fn words(&self) -> Vec<Evidence> {
        let Some(refusal) = self.refusal else { return Vec::new() };
        let code = refusal.code.clone().map(Evidence::Code);
        let message = refusal.message.clone().map(Evidence::Message);
        if code.is_none() && message.is_none() {
            return vec![Evidence::Verdict(refusal.verdict)];
        }
        code.into_iter().chain(message).collect()
    }

    fn accepted(&self) -> bool {
        self.facts.token.as_ref().is_some_and(|token| token.accepted)
    }

    /// Whether any session of this connection was accepted.
    fn worked(&self) -> bool {
        self.facts.past.worked || self.accepted()
    }

    /// That a session was accepted where the org is now: the refused one, or one before it.
    fn worked_here(&self) -> Option<Evidence> {
        if self.accepted() {
            Some(Evidence::Accepted)
        } else {
            self.facts.past.worked_here.then_some(Evidence::WorkedHere)
        }
    }

    /// That a new session is refused as well, if it was tried.
    fn new_session(&self) -> Option<Evidence> {
        if self.outcome.refresh_was_no_help() {
            Some(Evidence::Refresh(self.outcome.clone()))
        } else {
            self.facts.past.refused_again.then_some(Evidence::Refresh(Outcome::RefusedAgain))
        }
    }

    /// That no session was accepted so far.
    fn barren(&self) -> Evidence {
        Evidence::NeverAccepted { sessions: self.facts.past.barren.max(1) }
    }

    fn introspection(&self, active: bool) -> Option<Evidence> {
        (self.facts.probes.introspection == Some(active)).then_some(Evidence::Introspection { active })
    }

    /// Whether a read was let in with the refused session.
    fn read_is_let_in(&self) -> bool {
        self.facts.probes.read == Some(Ok(()))
    }

    fn code(&self) -> Option<&str> {
        self.refusal.and_then(|refusal| refusal.code.as_deref())
    }

    fn code_is_one_of(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.iter().any(|known| code.eq_ignore_ascii_case(known)))
    }

    /// Whether the code is one of Salesforce's. Gateways have codes, too.
    fn code_is_known(&self) -> bool {
        refusal::known().iter().filter_map(|known| known.code).any(|known| self.code_is_one_of(&[known]))
    }

    fn mentions(&self, part: &str) -> bool {
        let message = self.refusal.and_then(|refusal| refusal.message.as_deref());
        message.is_some_and(|message| message.to_ascii_lowercase().contains(part))
    }

    // --- one verdict each ---

    /// "Session expired or invalid": over, revoked, or not of this host.
    fn dead_session(&mut self) {
        self.maintenance(Medium);
        self.eviction();
        self.jwt_over_soap();
        if self.facts.host.as_ref().is_some_and(|host| !host.is_home) {
            self.dead_elsewhere();
        } else if self.new_session().is_some() || self.facts.past.barren > 1 || self.read_is_let_in() {
            self.dead_again();
        } else {
            self.dead_once();
        }
    }

    /// Nothing says yet that a new session is refused as well.
    fn dead_once(&mut self) {
        let is_revoked =
            self.causes.iter().any(|known| known.cause == Cause::Revoked && known.confidence == High);
        if is_revoked {
            return;
        }
        let inactive = self.introspection(false);
        if self.accepted() {
            self.add(Cause::Expired, Medium, [Evidence::Accepted].into_iter().chain(inactive));
        } else {
            self.add(Cause::Expired, Low, inactive);
            self.add(Cause::WrongInstanceUrl, Low, [self.barren()]);
        }
        self.add(Cause::Revoked, Low, []);
    }

    /// A new session is refused as well, so that time has not ended this one.
    fn dead_again(&mut self) {
        if let Some(worked) = self.worked_here() {
            self.active_elsewhere();
            self.add(Cause::IpLocked, Medium, [worked].into_iter().chain(self.new_session()));
            self.resource_refuses();
            self.add(Cause::WrongInstanceUrl, Low, []);
        } else {
            // Alive in the eyes of the login host, unknown here: another host's session. Not if this host let it in.
            let confidence = if self.read_is_let_in() { Low } else { Medium };
            let because = [self.barren()]
                .into_iter()
                .chain(self.new_session())
                .chain(self.facts.past.worked.then_some(Evidence::WorkedElsewhere))
                .chain(self.introspection(true));
            self.add(Cause::WrongInstanceUrl, confidence, because);
            self.active_elsewhere();
            self.add(Cause::IpLocked, Low, []);
        }
        self.add(Cause::Revoked, Low, []);
        self.add(Cause::ApiAccessControl, Low, []);
        self.maintenance(Low);
    }

    /// At an origin that is allowed to get the token and is not the org's: what was accepted by the org says nothing here.
    fn dead_elsewhere(&mut self) {
        let confidence = if self.new_session().is_some() { Medium } else { Low };
        self.add(Cause::WrongInstanceUrl, confidence, self.host().into_iter().chain(self.new_session()));
        self.add(Cause::TokenFormat, Low, []);
        if self.new_session().is_none() {
            self.add(Cause::Expired, Low, []);
            self.add(Cause::Revoked, Low, []);
        }
        self.add(Cause::IpLocked, Low, []);
    }

    /// "Not valid for use with the REST API": alive, but not permitted.
    fn live_session(&mut self) {
        if self.mentions("agent") {
            self.add(Cause::PermissionMissing, Medium, []);
        }
        let api_scope = self.facts.token.as_ref().and_then(|token: &TokenFacts| token.api_scope);
        if api_scope == Some(false) {
            self.add(Cause::MissingScope, High, [Evidence::ApiScope(false)]);
        }
        self.maintenance(Medium);
        self.active_elsewhere();
        if let Some(worked) = self.worked_here() {
            self.add(Cause::IpLocked, Medium, [worked].into_iter().chain(self.new_session()));
            self.resource_refuses();
            self.add(Cause::ApiAccessControl, Low, []);
        } else {
            let is_explained = api_scope == Some(false) || self.read_is_let_in();
            let scope = api_scope.filter(|has| *has).map(Evidence::ApiScope);
            let because = [self.barren()].into_iter().chain(scope);
            self.add(Cause::ApiAccessControl, if is_explained { Low } else { Medium }, because);
            self.add(Cause::IpLocked, Low, []);
        }
        if api_scope.is_none() {
            self.add(Cause::MissingScope, Low, []);
        }
        self.add(Cause::Maintenance, Low, []);
    }

    /// A 401 in a form that is not Salesforce's.
    fn unrecognised(&mut self) {
        self.maintenance(Low);
        let read = self.read_is_let_in().then_some(Evidence::Read { refused: None });
        self.add(Cause::Intermediary, Medium, self.words().into_iter().chain(read));
        if self.new_session().is_none() {
            self.add(Cause::Expired, Low, []);
        }
        self.resource_refuses();
        self.add(Cause::Unknown, Low, []);
    }

    /// `URL_NOT_RESET`, or a redirect or page that stands where the org's API was.
    fn wrong_host(&mut self) {
        let is_said = self.code().is_some();
        let because = self.words().into_iter().chain(self.host());
        self.add(Cause::WrongInstanceUrl, if is_said { High } else { Medium }, because);
        if !is_said {
            self.maintenance(Low);
            self.add(Cause::Intermediary, Low, []);
        }
    }

    fn unavailable(&mut self) {
        // A page says it, too, but pages are anybody's.
        let is_said = self.code_is_one_of(&["ORG_IN_MAINTENANCE", "LOGIN_ERROR_ORG_IN_MAINTENANCE"]);
        self.add(Cause::Maintenance, if is_said { High } else { Medium }, []);
        if !is_said && self.mentions("busy") {
            self.add(Cause::LimitReached, Low, []);
        }
        if !self.code_is_known() {
            self.add(Cause::WrongInstanceUrl, Low, []);
            self.add(Cause::Intermediary, Low, []);
        }
    }

    // --- what several verdicts share ---

    fn host(&self) -> Option<Evidence> {
        let host = self.facts.host.as_ref()?;
        Some(Evidence::Host { record: host.record.to_string(), is_home: host.is_home })
    }

    /// The org spoke of maintenance lately.
    fn maintenance(&mut self, confidence: Confidence) {
        if let Some(ago) = self.facts.past.maintenance {
            self.add(Cause::Maintenance, confidence, [Evidence::MaintenanceSeen { ago }]);
        }
    }

    /// Sessions end soon after they begin, over and over.
    fn eviction(&mut self) {
        let sessions = self.facts.past.died_young;
        if sessions >= EVICTION {
            self.add(Cause::Revoked, Medium, [Evidence::DiedYoung { sessions }]);
        }
    }

    /// A session that is let in elsewhere and refused here may be refused by what stands behind the path.
    fn resource_refuses(&mut self) {
        if self.accepted() && (self.new_session().is_some() || self.read_is_let_in()) {
            let because = [Evidence::Accepted].into_iter().chain(self.new_session());
            self.add(Cause::ResourceRefuses, Medium, because);
        }
    }

    /// SOAP takes no token in JWT format, and says of it what it says of a dead session (jsforce, soap.ts).
    fn jwt_over_soap(&mut self) {
        let is_soap = self.mentions("sessionheader") || self.mentions("illegal session");
        if is_soap && self.facts.token.as_ref().is_some_and(|token| token.is_jwt) {
            let words = self.words();
            self.add(Cause::TokenFormat, Medium, [Evidence::JwtFormat].into_iter().chain(words));
        }
    }

    /// Salesforce calls the session alive, or lets it in by another way than this process's client goes.
    fn active_elsewhere(&mut self) {
        let probes = &self.facts.probes;
        let active = probes.introspection == Some(true);
        let read = probes.read.map(|read| Evidence::Read { refused: read.err() });
        match (probes.read, probes.identity) {
            // By the client's own way it is let in as well, to other resources.
            (Some(Ok(())), _) if self.accepted() => {}
            (Some(Ok(())), _) => self.add(Cause::IpLocked, Medium, read),
            (Some(Err(_)), Some(false)) if active => {
                let because = [Evidence::Introspection { active }, Evidence::Identity { accepted: false }];
                self.add(Cause::IpLocked, Medium, because);
            }
            (Some(Err(Verdict::SessionNotPermitted)), Some(true)) => {
                let because = [Evidence::Identity { accepted: true }].into_iter().chain(read);
                self.add(Cause::ApiAccessControl, Medium, because);
            }
            _ => {}
        }
    }
}
