//! From evidence to causes: which are possible, how sure, and why.
//!
//! Pure, so that every rule is a test without a server. The rules follow what is known of Salesforce:
//!
//! - One code, `INVALID_SESSION_ID`, comes in two wordings. *Session expired or invalid* is said of sessions that do not
//!   live on the host that was asked; *not valid for use with the REST API* of sessions that live but may not.
//! - Within one wording the body tells nothing more. What tells is the past: whether a session worked before, whether a
//!   new one works, what the token endpoint says, whether the org was in maintenance lately.
//! - Only what Salesforce says in so many words is `High`. All else is somebody's guess, also ours.

use super::{
    Diagnosis,
    cause::{Cause, Confidence, RankedCause},
    evidence::{Evidence, Facts, TokenFacts},
    outcome::Outcome,
};
use crate::{
    error::{AuthError, AuthErrorKind},
    refusal::{Refusal, Verdict},
    token_endpoint::{TokenError, TokenErrorReason},
};
use Confidence::{High, Low, Medium};

/// So many sessions that die young in a row are no accident: Salesforce revokes a user's oldest approval of an app with
/// the sixth.
pub(crate) const EVICTION: u32 = 3;

/// The possible causes, the likeliest first. Empty if nothing is refused.
pub(super) fn causes(diagnosis: &Diagnosis) -> Vec<RankedCause> {
    let mut ranking = Ranking {
        refusal: diagnosis.refusal.as_ref(),
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
        Some(Verdict::MalformedRequest) => ranking.add(Cause::MalformedCredentials, High, []),
        Some(Verdict::PasswordExpired) => ranking.add(Cause::PasswordExpired, High, []),
        Some(Verdict::TokenFormat) => ranking.add(Cause::TokenFormat, High, []),
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

    fn done(&self) -> Evidence {
        Evidence::Refresh(self.outcome.clone())
    }

    /// That no session was accepted so far.
    fn barren(&self) -> Evidence {
        Evidence::NeverAccepted { sessions: self.facts.past.barren.max(1) }
    }

    fn mentions(&self, part: &str) -> bool {
        let message = self.refusal.and_then(|refusal| refusal.message.as_deref());
        message.is_some_and(|message| message.to_ascii_lowercase().contains(part))
    }

    // --- one verdict each ---

    /// "Session expired or invalid": over, revoked, or not of this host.
    fn dead_session(&mut self) {
        let past = &self.facts.past;
        self.maintenance(Medium);
        self.eviction();
        if !self.outcome.refresh_was_no_help() && past.barren <= 1 {
            let revoked =
                self.causes.iter().any(|known| known.cause == Cause::Revoked && known.confidence == High);
            if revoked {
                return;
            }
            if self.accepted() {
                self.add(Cause::Expired, Medium, [Evidence::Accepted]);
            } else {
                self.add(Cause::Expired, Low, []);
                self.add(Cause::WrongInstanceUrl, Low, [self.barren()]);
            }
            self.add(Cause::Revoked, Low, []);
            return;
        }
        if past.worked_here || self.accepted() {
            self.active_elsewhere();
            self.add(Cause::IpLocked, Medium, [Evidence::WorkedHere, self.done()]);
            self.add(Cause::WrongInstanceUrl, Low, []);
        } else {
            // Alive in the eyes of the login host, unknown here: another host's session.
            let active = self.facts.probes.introspection.filter(|active| *active);
            let because = [self.barren(), self.done()]
                .into_iter()
                .chain(past.worked.then_some(Evidence::WorkedElsewhere))
                .chain(active.map(|active| Evidence::Introspection { active }));
            self.add(Cause::WrongInstanceUrl, Medium, because);
            self.active_elsewhere();
            self.add(Cause::IpLocked, Low, []);
        }
        self.add(Cause::Revoked, Low, []);
        self.add(Cause::ApiAccessControl, Low, []);
        self.maintenance(Low);
    }

    /// "Not valid for use with the REST API": alive, but not permitted.
    fn live_session(&mut self) {
        let past = &self.facts.past;
        if self.mentions("agent") {
            self.add(Cause::PermissionMissing, Medium, []);
        }
        let api_scope = self.facts.token.as_ref().and_then(|token: &TokenFacts| token.api_scope);
        if api_scope == Some(false) {
            self.add(Cause::MissingScope, High, [Evidence::ApiScope(false)]);
        }
        self.maintenance(Medium);
        self.active_elsewhere();
        if past.worked_here || self.accepted() {
            let because = if self.accepted() { Evidence::Accepted } else { Evidence::WorkedHere };
            self.add(Cause::IpLocked, Medium, [because]);
            self.add(Cause::ApiAccessControl, Low, []);
        } else {
            let confidence = if api_scope == Some(false) { Low } else { Medium };
            let scope = api_scope.filter(|has| *has).map(Evidence::ApiScope);
            self.add(Cause::ApiAccessControl, confidence, [self.barren()].into_iter().chain(scope));
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
        self.add(Cause::Intermediary, Medium, []);
        if !self.outcome.refresh_was_no_help() {
            self.add(Cause::Expired, Low, []);
        }
        self.add(Cause::Unknown, Low, []);
    }

    /// `URL_NOT_RESET`, or a redirect or page that stands where the org's API was.
    fn wrong_host(&mut self) {
        let is_said = self.refusal.is_some_and(|refusal| refusal.code.is_some());
        let because = self.words().into_iter().chain(self.host());
        self.add(Cause::WrongInstanceUrl, if is_said { High } else { Medium }, because);
        if !is_said {
            self.maintenance(Low);
            self.add(Cause::Intermediary, Low, []);
        }
    }

    fn unavailable(&mut self) {
        let is_said = self.mentions("maintenance")
            || self
                .refusal
                .and_then(|refusal| refusal.code.as_deref())
                .is_some_and(|code| code.eq_ignore_ascii_case("ORG_IN_MAINTENANCE"));
        self.add(Cause::Maintenance, if is_said { High } else { Medium }, []);
        if !is_said {
            self.add(Cause::WrongInstanceUrl, Low, []);
            self.add(Cause::Intermediary, Low, []);
        }
    }

    fn forbidden(&mut self) {
        let code = self.refusal.and_then(|refusal| refusal.code.as_deref());
        match code.map(str::to_ascii_uppercase).as_deref() {
            // The user may not use the app that the session was made with (reported, SalesforceMobileSDK).
            Some("CLIENT_NOT_ACCESSIBLE_FOR_USER") => {
                self.add(Cause::ApiAccessControl, Medium, []);
                self.add(Cause::PermissionMissing, Low, []);
            }
            Some("LOGIN_DURING_RESTRICTED_DOMAIN") => self.add(Cause::IpLocked, High, []),
            Some(_) => self.add(Cause::PermissionMissing, High, []),
            None => {
                self.add(Cause::Intermediary, Medium, []);
                self.add(Cause::PermissionMissing, Low, []);
            }
        }
    }

    // --- what several verdicts share ---

    fn host(&self) -> Option<Evidence> {
        let host = self.facts.host.as_ref()?;
        Some(Evidence::Host { record: host.record.clone(), is_home: host.is_home })
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

    /// Salesforce calls the session alive, or lets it in by another way than this process's client goes.
    fn active_elsewhere(&mut self) {
        let probes = &self.facts.probes;
        let active = probes.introspection == Some(true);
        let read = probes.read.map(|read| Evidence::Read { refused: read.err() });
        match (probes.read, probes.identity) {
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

    /// No new session could be had; the token endpoint, or this side, says why.
    fn failed_refresh(&mut self, error: &AuthError) {
        let Some(refused) = TokenError::find(error) else {
            let confidence = if self.refusal.is_some() { Low } else { Medium };
            return match error.kind() {
                AuthErrorKind::Revoked => self.add(Cause::Revoked, High, []),
                AuthErrorKind::ReauthorisationRequired => self.add(Cause::Revoked, Medium, []),
                _ => self.add(Cause::Local, confidence, []),
            };
        };
        let said = || Some(Evidence::TokenEndpoint(refused.said()));
        let Some(reason) = refused.reason() else {
            return match error.kind() {
                // An `invalid_grant` in words that are not known.
                AuthErrorKind::ReauthorisationRequired => self.add(Cause::Revoked, Medium, said()),
                AuthErrorKind::OperatorMustAct => self.add(Cause::ClientRejected, Medium, said()),
                _ => self.add(Cause::Local, Low, said()),
            };
        };
        use TokenErrorReason as Reason;
        match reason {
            Reason::IpRestricted => self.add(Cause::IpLocked, High, said()),
            Reason::ChallengeRequired => self.add(Cause::IpLocked, Medium, said()),
            Reason::UserNotApproved => self.add(Cause::ApiAccessControl, High, said()),
            Reason::AppNotInstalled => {
                self.add(Cause::ApiAccessControl, Medium, said());
                // Where it was installed before, taking it away has ended its sessions.
                let ended = self.refusal.is_some() && self.worked();
                self.add(Cause::Revoked, if ended { Medium } else { Low }, said());
            }
            Reason::ExpiredOrRevoked
            | Reason::AuthorizationCodeExpired
            | Reason::AuthenticationFailure
            | Reason::UserInactive => self.add(Cause::Revoked, High, said()),
            Reason::OrgInactive => self.add(Cause::Revoked, Medium, said()),
            Reason::PasswordExpired => self.add(Cause::PasswordExpired, High, said()),
            Reason::Maintenance => self.add(Cause::Maintenance, High, said()),
            Reason::Unavailable => self.add(Cause::Maintenance, Low, said()),
            Reason::LoginRateExceeded | Reason::RateLimited => self.add(Cause::LimitReached, High, said()),
            Reason::LoginHours | Reason::ApiDisabled => self.add(Cause::PermissionMissing, High, said()),
            Reason::OrgGone => self.add(Cause::WrongInstanceUrl, Medium, said()),
            Reason::NotTokenEndpoint | Reason::Redirected => self.add(Cause::Intermediary, Medium, said()),
            Reason::RequestInProgress => self.add(Cause::Local, Low, said()),
            Reason::ClientUnknown
            | Reason::ClientCredentialsWrong
            | Reason::GrantTypeUnsupported
            | Reason::DomainUnsupported
            | Reason::RunAsUserMissing
            | Reason::AudienceInvalid
            | Reason::AssertionInvalid
            | Reason::AssertionExpired
            | Reason::RequestInvalid
            | Reason::TokenUnknown
            | Reason::TokenTypeUnsupported => self.add(Cause::ClientRejected, High, said()),
        }
    }

    /// Whether any session of this connection was accepted.
    fn worked(&self) -> bool {
        self.facts.past.worked || self.accepted()
    }
}

#[cfg(test)]
mod tests;
