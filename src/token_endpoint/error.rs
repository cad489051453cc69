//! Why a token request gave no tokens.

use std::{error::Error as StdError, fmt, time::Duration};

use super::{reason::TokenErrorReason, wording};
use crate::{BoxError, secret::Secret};

/// Why a token request gave no tokens, and with it what may be done next.
pub struct TokenError(Box<Inner>); // boxed: a result of 160 bytes would be copied through every future

struct Inner {
    kind: TokenErrorKind,
    reason: Option<TokenErrorReason>,
    /// `error` of the answer, escaped and capped.
    code: Option<String>,
    /// `error_description` of the answer, or what the library has to say; escaped and capped.
    description: Option<String>,
    hint: Option<&'static str>,
    retry_after: Option<Duration>,
    kept: Option<Secret>,
    server_time: Option<Duration>,
    source: Option<BoxError>,
}

/// The classes of failure at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// No byte left this machine: name resolution, connection or TLS failed.
    NotSent,
    /// Another request with the same refresh token is under way (`token request is already being processed`).
    AlreadyProcessing,
    /// A definite refusal that passes: rate limits, 429, 503, login hours.
    Transient,
    /// The grant is gone: expired or revoked refresh token, changed password, inactive user. A person must connect
    /// again.
    Reauthorise,
    /// The grant is good, but an administrator or the app's owner must change something: IP allow-list, app not
    /// installed, wrong client, wrong host for this grant.
    OperatorMustAct,
    /// Bytes may have left and no definite answer came back: the refresh token may be spent.
    OutcomeUnknown,
    /// The answer came but must not be used: wrong token type, malformed tokens, a hostile instance URL, another org.
    Rejected,
    /// The grant itself could not make a request: a malformed key, a signer that failed.
    Grant,
}

impl TokenError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: TokenErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            reason: None,
            code: None,
            description: None,
            hint: None,
            retry_after: None,
            kept: None,
            server_time: None,
            source: None,
        }))
    }

    /// The grant could not make its request.
    pub fn grant(source: impl Into<BoxError>) -> Self {
        Self::new(TokenErrorKind::Grant).with_source(source)
    }

    /// The refusal that ended a connection, as its record remembers it: in words, because another process may have
    /// written them.
    pub(crate) fn remembered(said: &str) -> Self {
        let code = said.split(' ').next().unwrap_or_default();
        Self::new(TokenErrorKind::Reauthorise).with_reason(wording::reason(code, said)).with_note(said)
    }

    /// An answer that the endpoint gave and the connection cannot use.
    pub(crate) fn unfit(why: &str) -> Self {
        Self::new(TokenErrorKind::Rejected).with_note(why)
    }

    /// Adds the endpoint's own `error` and `error_description`. Control characters are escaped, 256 bytes are kept.
    #[must_use]
    pub fn with_answer(mut self, code: Option<&str>, description: Option<&str>) -> Self {
        self.0.code = code.map(crate::error::printable);
        self.0.description = description.map(crate::error::printable);
        self
    }

    /// Adds what has happened, as finely as it is known.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<TokenErrorReason>) -> Self {
        self.0.reason = reason;
        self
    }

    /// Adds how long the endpoint asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// Adds a refresh token that came with an answer which is otherwise refused: it is the only living one now.
    #[must_use]
    pub fn with_kept(mut self, refresh_token: Option<Secret>) -> Self {
        self.0.kept = refresh_token;
        self
    }

    /// Adds the underlying error. It must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the library's own explanation, in place of a `description` of the endpoint's.
    pub(super) fn with_note(mut self, note: &str) -> Self {
        self.0.description = Some(crate::error::printable(note));
        self
    }

    /// Adds what a person can do about it, in place of the reason's own hint.
    pub(super) fn with_hint(mut self, hint: Option<&'static str>) -> Self {
        self.0.hint = hint;
        self
    }

    /// Adds the time by the endpoint's clock, since the Unix epoch.
    pub(super) fn with_server_time(mut self, server_time: Option<Duration>) -> Self {
        self.0.server_time = server_time;
        self
    }

    /// Finds a `TokenError` in `error` or among its sources: behind an [`AuthError`](crate::AuthError) is the refusal
    /// that it comes from.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        crate::error::find(error)
    }

    /// What class of failure this is.
    #[must_use]
    pub fn kind(&self) -> TokenErrorKind {
        self.0.kind
    }

    /// What has happened, as finely as the answer says; `None` where it says nothing that is known.
    #[must_use]
    pub fn reason(&self) -> Option<TokenErrorReason> {
        self.0.reason
    }

    /// The answer's `error`, for example `invalid_grant`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The answer's `error_description`.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// What the endpoint said, in its own words where there are any.
    pub(crate) fn said(&self) -> String {
        match (self.code(), self.description()) {
            (Some(code), Some(description)) => format!("{code} ({description})"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => self.to_string(),
        }
    }

    /// What a person can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.0.hint.or_else(|| self.0.reason?.hint())
    }

    /// How long to wait: what the endpoint asked for, at most 60 s, or 5 min after too many logins in an hour.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The time of the answer by the endpoint's clock (its `Date`), since the Unix epoch: a clock of this machine that
    /// differs by minutes is why assertions are refused.
    #[must_use]
    pub fn server_time(&self) -> Option<Duration> {
        self.0.server_time
    }

    /// The refresh token that came with a refused answer.
    #[must_use]
    pub fn kept(&self) -> Option<&Secret> {
        self.0.kept.as_ref()
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenError")
            .field("kind", &self.0.kind)
            .field("reason", &self.0.reason)
            .field("code", &self.0.code)
            .field("description", &self.0.description)
            .field("hint", &self.hint())
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            TokenErrorKind::NotSent => "the token request could not be sent",
            TokenErrorKind::AlreadyProcessing => "another token request is being processed",
            TokenErrorKind::Transient => "the token endpoint refused for now",
            TokenErrorKind::Reauthorise => "the grant has ended; the user must connect again",
            TokenErrorKind::OperatorMustAct => {
                "the token endpoint refused; its configuration must be changed"
            }
            TokenErrorKind::OutcomeUnknown => "the outcome of the token request is unknown",
            TokenErrorKind::Rejected => "the token answer was rejected",
            TokenErrorKind::Grant => "the grant could not make a token request",
        })?;
        match (&self.0.code, &self.0.description) {
            (Some(code), Some(description)) => write!(f, ": {code} ({description})")?,
            (Some(text), None) | (None, Some(text)) => write!(f, ": {text}")?,
            (None, None) => {}
        }
        match self.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
