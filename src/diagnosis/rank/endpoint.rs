//! Refreshes that failed: what the token endpoint says, or this side.

use super::{Cause, Evidence, High, Low, Medium, Ranking};
use crate::{
    error::{AuthError, AuthErrorKind},
    token_endpoint::{TokenError, TokenErrorReason},
};

impl Ranking<'_> {
    /// No new session could be had; the token endpoint, or this side, says why.
    pub(super) fn failed_refresh(&mut self, error: &AuthError) {
        // Beside a refusal it is why there is no new session, and not why the old one was refused.
        let confidence = if self.refusal.is_some() { Low } else { Medium };
        let Some(refused) = TokenError::find(error) else {
            return match error.kind() {
                AuthErrorKind::ForeignOrigin => self.add(Cause::WrongInstanceUrl, Medium, []),
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
                _ => self.add(Cause::Local, confidence, said()),
            };
        };
        use TokenErrorReason as Reason;
        match reason {
            Reason::IpRestricted => self.add(Cause::IpLocked, High, said()),
            Reason::ChallengeRequired => self.add(Cause::IpLocked, Medium, said()),
            Reason::UserNotApproved => self.add(Cause::ApiAccessControl, High, said()),
            Reason::AppNotInstalled | Reason::AppBlocked => {
                self.add(Cause::ApiAccessControl, Medium, said());
                // Where it was let in before, taking it away or blocking it has ended its sessions.
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
}
