//! What was done about a refusal.

use std::{error::Error as StdError, fmt, time::Duration};

use super::NotResendable;
use crate::{
    error::{AuthError, printable},
    token_endpoint::TokenError,
};

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
    /// Salesforce was asked about the session ([`Session::diagnose`](crate::Session::diagnose)); nothing was changed.
    Examined,
}

impl Outcome {
    /// Whether a refresh was tried, now or lately, and did not help.
    pub(super) fn refresh_was_no_help(&self) -> bool {
        matches!(self, Self::RefusedAgain | Self::TokenUnchanged | Self::CoolingDown { .. })
    }

    /// A stable name: `not_refreshable`, `refresh_failed`, `refused_again`, `refused_otherwise`, `not_resendable`,
    /// `token_unchanged`, `cooling_down`, `examined`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRefreshable => "not_refreshable",
            Self::RefreshFailed(_) => "refresh_failed",
            Self::RefusedAgain => "refused_again",
            Self::RefusedOtherwise => "refused_otherwise",
            Self::NotResendable(_) => "not_resendable",
            Self::TokenUnchanged => "token_unchanged",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Examined => "examined",
        }
    }

    /// The outcome as a clause, for a list of reasons.
    pub(super) fn clause(&self) -> &'static str {
        match self {
            Self::NotRefreshable => "it is not about the token",
            Self::RefreshFailed(_) => "the refresh failed",
            Self::RefusedAgain => "a session that had just begun was refused too",
            Self::RefusedOtherwise => "a new session is refused for another reason",
            Self::NotResendable(_) => "the session could be refreshed",
            Self::TokenUnchanged => "the token endpoint gives out the same token",
            Self::CoolingDown { .. } => "a refresh did not help lately",
            Self::Examined => "Salesforce was asked about the session",
        }
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
            Self::Examined => "Salesforce was asked about the session; nothing was changed.",
        })
    }
}

fn refresh_failed(error: &AuthError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        source = error.source();
        // An error that quotes its source has said it already.
        if let Some(refused) = error.downcast_ref::<TokenError>()
            && text.contains(&refused.said())
        {
            if let Some(hint) = refused.hint().filter(|hint| !text.contains(hint)) {
                text.push_str("; ");
                text.push_str(hint);
            }
            continue;
        }
        let detail = error.to_string();
        if !text.contains(&detail) {
            text.push_str(": ");
            text.push_str(&printable(&detail));
        }
    }
    let intro = if error.kind().is_before_any_refresh() {
        "No refresh was made"
    } else {
        "The refresh that was due failed"
    };
    write!(f, "{intro}: {text}.")
}
