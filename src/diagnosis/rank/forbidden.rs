//! Refusals that are not of the session: what their codes say.

use super::{Cause, High, Low, Medium, Ranking};

/// A permission, in so many words.
const PERMISSIONS: [&str; 9] = [
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "APEX_REST_SERVICES_DISABLED",
    "FUNCTIONALITY_NOT_ENABLED",
    "FeatureNotEnabled",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "PORTAL_NO_ACCESS",
];

/// The app, or this user of it, is not let in (reported of the first, by name of the others).
const CLIENTS: [&str; 5] = [
    "CLIENT_NOT_ACCESSIBLE_FOR_USER",
    "CLIENT_REQUIRE_UPDATE_FOR_USER",
    "UNSUPPORTED_CLIENT",
    "INVALID_CLIENT",
    "OAUTH_APPROVAL_ERROR_GENERIC",
];

/// A login that the caller made by itself.
const LOGINS: [&str; 5] = [
    "INVALID_LOGIN",
    "LOGIN_MUST_USE_SECURITY_TOKEN",
    "LOGIN_CHALLENGE_ISSUED",
    "LOGIN_CHALLENGE_PENDING",
    "PASSWORD_LOCKOUT",
];

/// Of a session, under a status that is not the one for it.
const SESSIONS: [&str; 4] = ["INVALID_SESSION_ID", "InvalidSessionId", "Bad_OAuth_Token", "invalid_token"];

impl Ranking<'_> {
    pub(super) fn malformed(&mut self) {
        // Reported of requests whose content type was missing, although it speaks of the token.
        let is_vague = self.code_is_one_of(&["LOGIN_OAUTH_INVALID_TOKEN"]);
        self.add(Cause::MalformedCredentials, if is_vague { Medium } else { High }, []);
        if is_vague {
            self.add(Cause::Revoked, Low, []);
        }
    }

    pub(super) fn forbidden(&mut self) {
        if self.code_is_one_of(&["LOGIN_DURING_RESTRICTED_DOMAIN"]) {
            self.add(Cause::IpLocked, High, []);
        } else if self.code_is_one_of(&PERMISSIONS) {
            self.add(Cause::PermissionMissing, High, []);
        } else if self.code_is_one_of(&CLIENTS) {
            self.add(Cause::ApiAccessControl, Medium, []);
            self.add(Cause::PermissionMissing, Low, []);
        } else if self.code_is_one_of(&LOGINS) {
            self.add(Cause::ClientRejected, Medium, []);
            self.add(Cause::PermissionMissing, Low, []);
        } else if self.code_is_one_of(&["Wrong_Org"]) {
            self.add(Cause::WrongInstanceUrl, Medium, []);
        } else if self.code_is_one_of(&SESSIONS) {
            // Not in the way in which the API says it of a session; so Salesforce's own clients do not refresh on it.
            self.add(Cause::PermissionMissing, Medium, []);
            self.add(Cause::Expired, Low, []);
            self.add(Cause::Revoked, Low, []);
        } else if let Some(code) = self.code() {
            if code.to_ascii_uppercase().contains("LIMIT") || self.mentions("limit exceeded") {
                self.add(Cause::LimitReached, Medium, []);
            }
            self.add(Cause::PermissionMissing, Medium, []);
            if !self.code_is_known() {
                self.add(Cause::Intermediary, Low, []);
            }
        } else {
            self.add(Cause::Intermediary, Medium, []);
            self.add(Cause::PermissionMissing, Low, []);
        }
    }
}
