//! A token answer that may be used.

use std::{fmt, time::Duration};

use super::{
    error::{TokenError, TokenErrorKind},
    reading::{self, Fault, Reading},
    taxonomy::{self, Asked},
};
use crate::secret::Secret;

/// What a token endpoint grants.
///
/// Grants get it from [`TokenEndpoint::exchange`](super::TokenEndpoint::exchange). A web application that has just
/// exchanged an authorisation code makes it [from the answer's body](Self::from_json), for `Session::reconnect`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenResponse {
    access_token: Secret,
    refresh_token: Option<Secret>,
    instance_url: Option<String>,
    id: Option<String>,
    issued_at: Option<u64>,
    scope: Option<String>,
    expires_in: Option<Duration>,
}

/// The longest token that is believed: Salesforce's opaque ones have some 110 bytes, its JWTs some 2,000 (F109).
const TOKEN_BYTES: usize = 8 * 1024;

/// The longest list of scopes that is kept: all that Salesforce defines fill a few hundred bytes. The scopes are stored
/// with the tokens, and an answer may have 64 KiB, as much as a whole record: one that does not fit could be stored
/// never, and with it the refresh token that has just been issued.
const SCOPE_BYTES: usize = 4 * 1024;

/// Whether `text` can be a token: 1 to 8,192 visible ASCII characters.
///
/// The check is this crate's own, because header values take more (blanks, tabs, an empty text, F109) and RFC 6750's
/// `b64token` takes less: Salesforce's access tokens hold a `!`.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TOKEN_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn fits(scope: &str) -> bool {
    scope.len() <= SCOPE_BYTES
}

impl TokenResponse {
    /// An answer with this access token and nothing else.
    ///
    /// What a token must look like is checked where the answer is used, so that a refresh token next to a malformed
    /// access token is not lost.
    pub fn new(access_token: impl Into<Secret>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            instance_url: None,
            id: None,
            issued_at: None,
            scope: None,
            expires_in: None,
        }
    }

    /// Reads the body of a token endpoint's answer (status 200).
    ///
    /// Unknown fields are ignored. `token_type` may be missing, since older answers of Salesforce have none and it
    /// issues bearer tokens only.
    ///
    /// # Errors
    ///
    /// - the kinds of [`TokenErrorKind`] that fit an `error` in the body;
    /// - [`Rejected`](TokenErrorKind::Rejected) for a field that comes twice or has the wrong type, a malformed or
    ///   missing access token, a malformed refresh token, a token type other than `Bearer`; a well-formed refresh token
    ///   of that answer is in [`TokenError::kept`];
    /// - [`OutcomeUnknown`](TokenErrorKind::OutcomeUnknown) for anything that is not one JSON object.
    pub fn from_json(body: &[u8]) -> Result<Self, TokenError> {
        Self::read(body, Asked::elsewhere())
    }

    /// Adds the refresh token that replaces the one that was sent.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(refresh_token.into());
        self
    }

    /// Adds the origin of the org's API, for example `https://acme.my.salesforce.com`.
    #[must_use]
    pub fn with_instance_url(mut self, instance_url: impl Into<String>) -> Self {
        self.instance_url = Some(instance_url.into());
        self
    }

    /// Adds the identity URL, whose path names the org and the user: `https://…/id/00D…/005…`.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds when the token was issued, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn with_issued_at(mut self, milliseconds: u64) -> Self {
        self.issued_at = Some(milliseconds);
        self
    }

    /// Adds the scopes, separated by blanks. More than 4 KiB of them count as absent.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into()).filter(|scope| fits(scope));
        self
    }

    /// Adds for how long the token lives. Salesforce says so for few tokens: sessions last while they are used.
    #[must_use]
    pub fn with_expires_in(mut self, expires_in: Duration) -> Self {
        self.expires_in = Some(expires_in);
        self
    }

    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &Secret {
        &self.access_token
    }

    /// The new refresh token; `None` when the one that was sent lives on.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// The origin of the org's API as it was received, not yet checked.
    #[must_use]
    pub fn instance_url(&self) -> Option<&str> {
        self.instance_url.as_deref()
    }

    /// The identity URL as it was received, not yet checked.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// When the token was issued, in milliseconds since the Unix epoch, by Salesforce's clock.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The scopes, separated by blanks.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// For how long the token lives, at most 24 h when it was read from an answer.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// Whether the tokens can be tokens at all. A well-formed refresh token outlives the refusal of the rest.
    pub(crate) fn check(&self) -> Result<(), TokenError> {
        let fault = if !is_token(self.access_token.expose()) {
            "the access token is empty, too long or holds characters that no token has"
        } else if self.refresh_token.as_ref().is_some_and(|token| !is_token(token.expose())) {
            "the refresh token is empty, too long or holds characters that no token has"
        } else {
            return Ok(());
        };
        Err(rejected(fault, self.refresh_token.clone()))
    }

    /// Reads the body of an answer with status 200 to what was `asked`.
    pub(super) fn read(body: &[u8], asked: Asked<'_>) -> Result<Self, TokenError> {
        let read = reading::read(body);
        if let (Some(code), None) = (&read.error, &read.access_token) {
            // F102: the status alone does not make it a success.
            let error = taxonomy::named(asked, code, &read);
            return Err(error.with_kept(read.refresh_token.filter(|token| is_token(token.expose()))));
        }
        let fault = match (read.fault, read.token_type.as_deref()) {
            (Some(Fault::Unreadable), _) => return Err(salvage(read, &Fault::Unreadable.to_string())),
            (Some(fault), _) => fault.to_string(),
            (None, _) if read.error.is_some() => "the answer holds an error and a token".to_owned(),
            (None, Some(kind)) if !kind.eq_ignore_ascii_case("bearer") => {
                "the token type is not Bearer".to_owned() // F108
            }
            (None, _) => match read.access_token {
                None => "the answer holds no access token".to_owned(),
                Some(access_token) => {
                    let response = Self {
                        access_token,
                        refresh_token: read.refresh_token,
                        instance_url: read.instance_url,
                        id: read.id,
                        issued_at: read.issued_at,
                        scope: read.scope.filter(|scope| fits(scope)),
                        expires_in: read.expires_in,
                    };
                    response.check()?;
                    return Ok(response);
                }
            },
        };
        Err(rejected(&fault, read.refresh_token))
    }

    /// What can be kept of an answer that came only in part.
    pub(super) fn salvage(body: &[u8], why: &str) -> TokenError {
        salvage(reading::read(body), why)
    }
}

/// An answer that cannot be read: the outcome is unknown, unless its refresh token came through (F024, F025).
fn salvage(read: Reading, why: &str) -> TokenError {
    let error = rejected(why, read.refresh_token);
    if error.kept().is_some() {
        error
    } else {
        TokenError::new(TokenErrorKind::OutcomeUnknown).with_note(why)
    }
}

fn rejected(why: &str, refresh_token: Option<Secret>) -> TokenError {
    TokenError::new(TokenErrorKind::Rejected)
        .with_note(why)
        .with_kept(refresh_token.filter(|token| is_token(token.expose())))
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("access_token", &self.access_token)
            .field("refresh_token", &self.refresh_token)
            .field("instance_url", &self.instance_url)
            .field("id", &self.id)
            .field("issued_at", &self.issued_at)
            .field("scope", &self.scope)
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

#[cfg(test)]
mod tests;
