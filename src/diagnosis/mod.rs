//! Why a request was refused, in words that a person can act on.
//!
//! [`rank`] draws the causes from what is known ([`evidence`]); [`advice`] says what to do about each.

mod advice;
mod cause;
mod evidence;
#[cfg(feature = "json")]
mod json;
mod not_resendable;
mod outcome;
mod paragraph;
mod rank;

use std::{sync::Arc, time::Duration};

use http::Response;

pub use self::{
    advice::{Advice, Remedy},
    cause::{Cause, Confidence, RankedCause},
    evidence::Evidence,
    not_resendable::NotResendable,
    outcome::Outcome,
};
pub(crate) use self::{
    evidence::{Facts, HostFacts, Past, Probes, TokenFacts},
    rank::EVICTION,
};
use crate::{
    BoxError,
    error::AuthError,
    refusal::{Refusal, Verdict},
    token::Generation,
};

/// What the layer knows about a refused request: an extension of the response, or part of an [`AuthError`].
///
/// `Display` writes a paragraph for a log or a support case: what Salesforce said, what was done about it, the likeliest
/// [`Cause`] with what speaks for it, what a person can do where, and when another attempt makes sense. It holds no
/// secret.
#[cfg_attr(
    doc,
    doc = "\nHow causes are told apart is on the page [`guide::refusals`](crate::guide::refusals)."
)]
#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub(crate) refusal: Option<Arc<Refusal>>,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Facts,
}

impl Diagnosis {
    pub(crate) fn new(refusal: Option<Arc<Refusal>>, outcome: Outcome, facts: Facts) -> Self {
        Self { refusal, outcome, facts }
    }

    /// The possible causes, the likeliest first; empty if nothing is refused, or nothing about the session.
    ///
    /// Computed at each call, from the evidence of the moment when the request was answered.
    #[must_use]
    pub fn causes(&self) -> Vec<RankedCause> {
        rank::causes(self)
    }

    /// The likeliest cause.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.causes().first().map(|ranked| ranked.cause)
    }

    /// The number, within this process, of the refused token; `None` if there was none.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.facts.token.as_ref().map(|token| token.generation)
    }

    /// How long the refused token had been in use by this process.
    #[must_use]
    pub fn token_age(&self) -> Option<Duration> {
        self.facts.token.as_ref().map(|token| token.age)
    }

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
            // What the answer itself asked for.
            _ => self.refusal.as_ref()?.retry_after,
        }
    }
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
        Verdict::Forbidden => "it is forbidden",
        Verdict::MalformedRequest => "the request's credentials are malformed",
        Verdict::PasswordExpired => "the user's password has expired and must be changed by the user",
        Verdict::TokenFormat => "this endpoint does not take access tokens of this format",
        Verdict::NotAuth => "the reason has nothing to do with the session",
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as StdError, fmt};

    use super::*;
    use crate::{
        error::AuthErrorKind,
        token_endpoint::{TokenError, TokenErrorKind, TokenErrorReason},
    };

    fn diagnosis(outcome: Outcome) -> Diagnosis {
        let refusal = Refusal {
            verdict: Verdict::SessionExpired,
            code: Some("INVALID_SESSION_ID".into()),
            message: Some("Session expired or invalid".into()),
            retry_after: None,
        };
        let token = TokenFacts {
            generation: Generation(3),
            age: Duration::from_secs(7_200),
            accepted: true,
            api_scope: None,
            is_jwt: false,
        };
        Diagnosis::new(Some(Arc::new(refusal)), outcome, Facts { token: Some(token), ..Facts::default() })
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
             refused for now: HTTP 503. Likeliest cause: the session reached its time-out (medium confidence: this very \
             session was accepted before). Also possible: the fault is on this side: the store, the network or the \
             configuration (low); the grant was revoked (low). The app's owner: nothing, the session is refreshed as \
             soon as the token endpoint lets it. The org's admin: nothing; if sessions end too early for the work at \
             hand, a longer time-out helps (Setup > Security > Session Settings, Timeout Value). Another \
             attempt makes sense in 2 s. (Token generation 3 of this process.)"
        );
        let cooling = Outcome::CoolingDown { retry_after: Duration::from_secs(60) };
        let nothing_sent = Diagnosis::new(None, cooling, Facts::default()).to_string();
        assert!(
            nothing_sent.starts_with("The request was not sent. A refresh did not help lately"),
            "{nothing_sent}"
        );
        assert!(nothing_sent.ends_with("Another attempt makes sense in 60 s."), "{nothing_sent}");
    }

    #[test]
    fn an_error_that_quotes_its_source_is_told_once_however_long_it_is() {
        let source = format!("the token endpoint refused: {}", "see the app's settings; ".repeat(20));
        let error = AuthError::new(AuthErrorKind::OperatorMustAct, source.clone()).with_source(source);
        let text = diagnosis(Outcome::RefreshFailed(error)).to_string();
        assert_eq!(text.matches("the token endpoint refused").count(), 1, "{text}");

        let refused = TokenError::new(TokenErrorKind::Reauthorise)
            .with_answer(Some("invalid_grant"), Some("expired access/refresh token"))
            .with_reason(Some(TokenErrorReason::ExpiredOrRevoked));
        let message = "the user must connect again: invalid_grant (expired access/refresh token)";
        let error = AuthError::new(AuthErrorKind::ReauthorisationRequired, message).with_source(refused);
        let text = diagnosis(Outcome::RefreshFailed(error)).outcome().to_string();
        assert_eq!(text.matches("connect again").count(), 1, "{text}");
        assert!(text.contains("; see why the token ended") && !text.contains('…'), "{text}");
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

        let error = AuthError::new(AuthErrorKind::ReauthorisationRequired, "connect again")
            .diagnosed(Facts::default());
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
