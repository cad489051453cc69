//! Why a request was not sent again.

use std::{error::Error as StdError, fmt};

/// Why a refused request was not sent once more although the session has a new token.
///
/// `Display` completes the sentence "it could not be sent again: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotResendable {
    /// The layer keeps no bodies: its strategy is [`replay::Never`](crate::replay::Never).
    BodyNotKept,
    /// More of the body had been sent than [`replay::Buffered`](crate::replay::Buffered) remembers. Another strategy
    /// or a larger cap, also of one request by [`replay::Cap`](crate::replay::Cap), avoids it; otherwise the caller
    /// makes the request anew.
    BodyOverCap {
        /// How many bytes would have been remembered.
        cap: usize,
    },
    /// The body itself failed before its end, so that there is nothing more to be sent.
    BodyFailed,
    /// The rest of the request cannot be made again: a part of its head is too long to be kept (2 GiB), or its URI is
    /// not, or no longer, one of the org's.
    Head,
    /// The connection was given to another org meanwhile
    /// ([`Reconnect::accept_new_org`](crate::Reconnect::accept_new_org)): the request was meant for the former one.
    OtherOrg,
    /// It may have been carried out: it was answered with a redirect, with which an Apex class may show the way to what
    /// it has made, and the org is where it was. `GET` and the other safe methods are sent again.
    Redirected,
}

impl fmt::Display for NotResendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyNotKept => "request bodies are not kept (`replay::Never`)",
            Self::BodyOverCap { cap } => {
                return write!(
                    f,
                    "more than {cap} bytes of its body had been sent, the most that is remembered (`replay::Buffered`)"
                );
            }
            Self::BodyFailed => "its body failed before its end",
            Self::OtherOrg => "the connection was given to another org meanwhile, and it was meant for the former one",
            Self::Redirected => "it was answered with a redirect and may have been carried out",
            Self::Head => "its head was not kept, or its URI is no longer the org's",
        })
    }
}

impl StdError for NotResendable {}
