//! The one error of the layer and the session.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{
    BoxError,
    diagnosis::{Diagnosis, Facts, Outcome},
};

/// Why a request was not sent, or why a session has no usable token.
///
/// The layer's error type is a `BoxError`, so that it composes with every Tower stack; [`AuthError::find`] picks this
/// error out of a chain. Cloning shares it: everyone who waited for one refresh gets the same error.
#[cfg_attr(doc, doc = "\nWhat to do about each kind is on the page [`guide::errors`](crate::guide::errors).")]
#[derive(Clone)]
pub struct AuthError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: AuthErrorKind,
    message: String,
    retry_after: Option<Duration>,
    diagnosis: Option<Diagnosis>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`AuthError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// The request's absolute URI is not of this session's org. Nothing was sent.
    ForeignOrigin,
    /// The request's target cannot go to an org: `*`, authority form, `CONNECT`.
    UnsupportedTarget,
    /// There is neither a record in the store nor a seed to begin with: connect first.
    NotConnected,
    /// The grant has ended. A person must connect again, then call `Session::reconnect`.
    ReauthorisationRequired,
    /// The grant is good, but an administrator or the app's owner must change something.
    OperatorMustAct,
    /// The token endpoint cannot be reached or refuses for now.
    TokenEndpointUnavailable,
    /// A token request was sent and no definite answer came back. It is not repeated blindly.
    OutcomeUnknown,
    /// A token answer came that must not be used: another org, a hostile instance URL, a malformed token.
    TokenAnswerRejected,
    /// The grant could not make its token request: a malformed key, a signer that failed.
    Grant,
    /// The store cannot be read or written, so a rotating refresh token must not be spent.
    StoreUnavailable,
    /// The stored record is damaged or of a newer schema.
    StoreCorrupt,
    /// The stored record belongs to another client, login host or org.
    ConnectionMismatch,
    /// The refresh went on for longer than the wait budget; it continues without this caller.
    WaitBudgetExceeded,
    /// The refresh panicked: a grant, a store or a transport has a bug.
    RefreshPanicked,
    /// The session was closed, or its runtime is shutting down.
    ShuttingDown,
    /// The session was revoked through `Session::revoke`.
    Revoked,
    /// A token request was sent through the layer it is meant to serve.
    Recursion,
}

impl AuthErrorKind {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::TokenEndpointUnavailable
                | Self::OutcomeUnknown
                | Self::StoreUnavailable
                | Self::WaitBudgetExceeded
                | Self::RefreshPanicked
        )
    }

    /// Whether a refresh was neither due nor tried.
    pub(crate) fn is_before_any_refresh(self) -> bool {
        matches!(
            self,
            Self::ForeignOrigin
                | Self::UnsupportedTarget
                | Self::NotConnected
                | Self::ShuttingDown
                | Self::Revoked
                | Self::Recursion
        )
    }
}

impl AuthError {
    pub(crate) fn new(kind: AuthErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            retry_after: None,
            diagnosis: None,
            source: None,
        }))
    }

    /// Adds the underlying error.
    #[must_use]
    pub(crate) fn with_source(self, source: impl Into<BoxError>) -> Self {
        self.edit(|inner| inner.source = Some(Arc::from(source.into())))
    }

    #[must_use]
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        self.edit(|inner| inner.retry_after = retry_after)
    }

    /// Adds a diagnosis that says no more than this error, unless it has one: what callers get who had no answer to be
    /// diagnosed.
    #[must_use]
    pub(crate) fn diagnosed(self, facts: Facts) -> Self {
        if self.0.diagnosis.is_some() {
            return self;
        }
        let diagnosis = Diagnosis::new(None, Outcome::RefreshFailed(self.clone()), facts);
        self.edit(|inner| inner.diagnosis = Some(diagnosis))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// Finds an `AuthError` in `error` or among its sources.
    ///
    /// With a boxed error, hand over what is in the box: `AuthError::find(&*boxed)`.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.kind.is_transient()
    }

    /// When the next attempt makes sense, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What is known about the cause.
    #[must_use]
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.0.diagnosis.as_ref()
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Finds a `T` in `error` or among its sources.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An I/O error made from another error has that one inside, but not as its source.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The most bytes of a server's text that an error repeats.
const PRINTABLE_BYTES: usize = 256;

/// A server's text, made fit for a log line: control characters escaped, length capped (F192).
pub(crate) fn printable(text: &str) -> String {
    escaped(text, PRINTABLE_BYTES)
}

/// As [`printable`], with a cap of one's own.
pub(crate) fn escaped(text: &str, cap: usize) -> String {
    // Nearly every text: refusals are read by the thousand while one is being mended.
    if text.len() <= cap && !text.contains(is_unfit) {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in text.chars() {
        let at = out.len();
        if is_unfit(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
        if out.len() > cap {
            out.truncate(at);
            out.push('…');
            break;
        }
    }
    out
}

/// Whether `character` would change how a line of a log looks, or where it ends.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_at_any_depth() {
        let error = AuthError::new(AuthErrorKind::ForeignOrigin, "foreign");
        let boxed: BoxError = Box::new(std::io::Error::other(std::io::Error::other(error.clone())));
        assert_eq!(AuthError::find(&*boxed).map(AuthError::kind), Some(AuthErrorKind::ForeignOrigin));
        assert_eq!(AuthError::find(&error).map(AuthError::kind), Some(AuthErrorKind::ForeignOrigin));
        assert!(AuthError::find(&std::io::Error::other("other")).is_none());
    }

    #[test]
    fn f192_a_servers_text_is_escaped_and_capped() {
        assert_eq!(printable("a\r\nb\u{202e}c"), "a\\r\\nb\\u{202e}c");
        assert!(printable(&"é".repeat(1_000)).len() <= PRINTABLE_BYTES + '…'.len_utf8());
    }
}
