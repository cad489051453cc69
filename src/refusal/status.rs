//! What a status alone says: of a response whose body is empty, encoded, or not known.

use super::{Answer, Verdict};

/// Set on answers that Salesforce Edge made because it could not reach the org (as ForceCLI reads it).
const EDGE_ERROR: &str = "x-sfdc-edge-err";

pub(super) fn verdict(answer: Answer<'_>) -> Verdict {
    match of(answer.status.as_u16()) {
        Verdict::NotAuth if answer.status.is_server_error() && answer.headers.contains_key(EDGE_ERROR) => {
            Verdict::OrgUnavailable
        }
        verdict => verdict,
    }
}

/// What the number of a status says.
pub(super) fn of(status: u16) -> Verdict {
    match status {
        401 => Verdict::UnrecognisedRefusal,
        403 => Verdict::Forbidden,
        // Edge: the org is being set up, was moved, or is gone. 503: maintenance and overload.
        420 | 503 => Verdict::OrgUnavailable,
        429 => Verdict::RateLimited,
        // Among them 406, empty: a hiccup of a gateway, which passes by itself (tap-salesforce, airbyte).
        _ => Verdict::NotAuth,
    }
}
