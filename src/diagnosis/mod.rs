//! Why a request was refused, in words that a person can act on.

mod not_resendable;

use std::{error::Error as StdError, fmt, time::Duration};

use http::Response;

pub use self::not_resendable::NotResendable;
use crate::{
    BoxError,
    error::{AuthError, printable},
    refusal::{Refusal, Verdict},
    token::Generation,
};

/// What the layer knows about a refused request: an extension of the response, or part of an [`AuthError`].
///
/// `Display` writes a short paragraph for a log or a support case: what Salesforce said, what was done about it, and
/// when another attempt makes sense. It holds no secret.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) generation: Option<Generation>,
    pub(crate) outcome: Outcome,
}

/// What was done about a refusal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: this refusal is not about the token, a refresh would not help.
    NotRefreshable,
    /// A refresh was due and failed with this error.
    RefreshFailed(AuthError),
    /// The session was refreshed, the request sent once more, and refused again.
    RefusedAgain,
    /// The session was refreshed and the request sent once more; what is refused now has another reason.
    RefusedOtherwise,
    /// The session was refreshed, but this request could not be sent again, for this reason.
    NotResendable(NotResendable),
    /// The token endpoint answered with the very token that had been refused.
    TokenUnchanged,
    /// An earlier refresh did not help; the next one is tried after this time.
    #[non_exhaustive]
    CoolingDown {
        /// How long until a refusal of this kind starts a refresh again.
        retry_after: Duration,
    },
}

impl Diagnosis {
    /// The diagnosis of an answer of the layer: `None` if it was not refused.
    ///
    /// It is an extension of the response, and gone with it: read it before a client turns the status into an error
    /// of its own.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        response.extensions().get()
    }

    /// The diagnosis of an answer or of an [`AuthError`] anywhere in an error's chain.
    #[must_use]
    pub fn of_result<B>(result: &Result<Response<B>, BoxError>) -> Option<&Self> {
        match result {
            Ok(response) => Self::of(response),
            Err(error) => AuthError::find(&**error).and_then(AuthError::diagnosis),
        }
    }

    /// What the refusal means; `None` if there was none, because nothing could be sent.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.refusal.as_ref().map(|refusal| refusal.verdict)
    }

    /// The error code of the refusal as received, for example `INVALID_SESSION_ID`; escaped and capped.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.refusal.as_ref()?.code.as_deref()
    }

    /// The message of the refusal as received, for example `Session expired or invalid`; escaped and capped.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.refusal.as_ref()?.message.as_deref()
    }

    /// What was done about it.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The error of the refresh, if one was due and failed. Everybody who waited for that refresh has the same.
    #[must_use]
    pub fn error(&self) -> Option<&AuthError> {
        match &self.outcome {
            Outcome::RefreshFailed(error) => Some(error),
            _ => None,
        }
    }

    /// How long until another attempt makes sense, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.outcome {
            Outcome::CoolingDown { retry_after } => Some(*retry_after),
            Outcome::RefreshFailed(error) => error.retry_after(),
            _ => None,
        }
    }
}

// === impl Display ===

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Some(refusal) => {
                write!(f, "Salesforce refused the request: {}", meaning(refusal.verdict))?;
                match (&refusal.code, &refusal.message) {
                    (Some(code), Some(message)) => write!(f, " ({code}: {message}).")?,
                    (Some(text), None) | (None, Some(text)) => write!(f, " ({text}).")?,
                    (None, None) => f.write_str(".")?,
                }
            }
            None => f.write_str("The request was not sent.")?,
        }
        write!(f, " {}", self.outcome)?;
        if let Some(retry_after) = self.retry_after() {
            // Rounded up: an attempt a moment too early is one for nothing.
            write!(f, " Another attempt makes sense in {} s.", retry_after.as_millis().div_ceil(1000))?;
        }
        if let Some(generation) = self.generation {
            write!(f, " (Token generation {generation} of this process.)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRefreshable => "A new session would not help, so none was asked for.",
            Self::RefreshFailed(error) => return refresh_failed(error, f),
            Self::RefusedAgain => {
                "The session was refreshed and the request sent once more: a session that has just begun is refused too."
            }
            Self::RefusedOtherwise => {
                "This is the answer to the second send: the first was refused for its session, which was then refreshed."
            }
            Self::NotResendable(reason) => {
                return write!(
                    f,
                    "The session was refreshed for the requests that follow, but this one could not be sent again: {reason}."
                );
            }
            Self::TokenUnchanged => {
                "The session was refreshed, and the token endpoint answered with the very token that is refused here."
            }
            Self::CoolingDown { .. } => "A refresh did not help lately, so none was tried this time.",
        })
    }
}

fn refresh_failed(error: &AuthError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = format!("The refresh that was due failed: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let detail = printable(&error.to_string());
        // An error that quotes its source has said it already.
        if !text.contains(&detail) {
            text.push_str(": ");
            text.push_str(&detail);
        }
        source = error.source();
    }
    write!(f, "{text}.")
}

/// A verdict as half a sentence.
fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::SessionExpired => "the session has ended or is not known on this host",
        Verdict::SessionNotPermitted => "the session is alive but is not permitted to use this API",
        Verdict::UnrecognisedRefusal => {
            "it answered 401 in a form that is not known; it may be a proxy's answer and not Salesforce's"
        }
        Verdict::WrongHost => "this host is not, or is no longer, the org's",
        Verdict::ReadOnlyMaintenance => "the org is in maintenance and takes no writes for now",
        Verdict::OrgUnavailable => "the org is not available for now",
        Verdict::RateLimited => "a limit is reached",
        Verdict::Forbidden => "a permission is missing",
        Verdict::MalformedRequest => "the request's credentials are malformed",
        Verdict::PasswordExpired => "the user's password has expired and must be changed by the user",
        Verdict::TokenFormat => "this endpoint does not take access tokens of this format",
        Verdict::NotAuth => "the reason has nothing to do with the session",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::AuthErrorKind;

    fn diagnosis(outcome: Outcome) -> Diagnosis {
        let refusal = Refusal {
            verdict: Verdict::SessionExpired,
            code: Some("INVALID_SESSION_ID".into()),
            message: Some("Session expired or invalid".into()),
            retry_after: None,
        };
        Diagnosis { refusal: Some(refusal), generation: Some(Generation(3)), outcome }
    }

    fn unavailable() -> AuthError {
        AuthError::new(AuthErrorKind::TokenEndpointUnavailable, "the token endpoint refused for now")
            .with_source("HTTP 503")
            .with_retry_after(Some(Duration::from_millis(1001)))
    }

    #[test]
    fn it_reads_as_a_paragraph() {
        assert_eq!(
            diagnosis(Outcome::RefreshFailed(unavailable())).to_string(),
            "Salesforce refused the request: the session has ended or is not known on this host \
             (INVALID_SESSION_ID: Session expired or invalid). The refresh that was due failed: the token endpoint \
             refused for now: HTTP 503. Another attempt makes sense in 2 s. (Token generation 3 of this process.)"
        );
        let cooling = Outcome::CoolingDown { retry_after: Duration::from_secs(60) };
        let nothing_sent = Diagnosis { refusal: None, generation: None, outcome: cooling };
        assert_eq!(
            nothing_sent.to_string(),
            "The request was not sent. A refresh did not help lately, so none was tried this time. Another attempt \
             makes sense in 60 s."
        );
    }

    #[test]
    fn every_outcome_says_what_was_done() {
        for outcome in [
            Outcome::NotRefreshable,
            Outcome::RefusedAgain,
            Outcome::RefusedOtherwise,
            Outcome::NotResendable(NotResendable::BodyOverCap { cap: 1024 }),
            Outcome::TokenUnchanged,
        ] {
            let text = diagnosis(outcome).to_string();
            assert!(
                text.contains("INVALID_SESSION_ID")
                    && text.ends_with("(Token generation 3 of this process.)"),
                "{text}"
            );
        }
    }

    #[derive(Debug)]
    struct Outer(AuthError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn it_is_found_in_a_response_and_in_an_error_chain() {
        let mut response = Response::new(());
        assert!(Diagnosis::of(&response).is_none());
        response.extensions_mut().insert(diagnosis(Outcome::RefusedAgain));
        let found = Diagnosis::of(&response).unwrap();
        assert_eq!(found.verdict(), Some(Verdict::SessionExpired));
        assert_eq!(
            (found.code(), found.message()),
            (Some("INVALID_SESSION_ID"), Some("Session expired or invalid"))
        );
        assert!(matches!(found.outcome(), Outcome::RefusedAgain) && found.error().is_none());
        assert!(Diagnosis::of_result(&Ok(response)).is_some());

        let error = AuthError::new(AuthErrorKind::ReauthorisationRequired, "connect again").diagnosed(None);
        assert!(Diagnosis::of_result::<()>(&Err(Box::new(Outer(error)))).is_some());
        assert!(Diagnosis::of_result::<()>(&Err("reset".into())).is_none());
    }

    #[test]
    fn the_shared_error_and_its_time_can_be_read() {
        let found = diagnosis(Outcome::RefreshFailed(unavailable()));
        assert_eq!(found.error().unwrap().kind(), AuthErrorKind::TokenEndpointUnavailable);
        assert_eq!(found.retry_after(), Some(Duration::from_millis(1001)));
        let cooling = diagnosis(Outcome::CoolingDown { retry_after: Duration::from_secs(60) });
        assert_eq!(cooling.retry_after(), Some(Duration::from_secs(60)));
    }
}
