//! The families of APIs, which differ in where the session is presented and in how it is refused.

use http::{StatusCode, header::AUTHORIZATION, request::Parts};

use super::{
    answers::{self, Answer},
    api::Call,
    legacy,
};

/// A family of APIs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Rest,
    Identity,
    Bulk,
    Soap,
}

/// What a request says about its session.
pub(super) enum Credential {
    None,
    Malformed,
    Token(String),
}

impl Dialect {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/services/async/") {
            Self::Bulk
        } else if path.starts_with("/services/Soap/") {
            Self::Soap
        } else if path.starts_with("/services/oauth2/") || path.starts_with("/id/") {
            Self::Identity
        } else {
            Self::Rest
        }
    }

    pub(super) fn credential(self, call: &Call<'_>) -> Credential {
        match self {
            Self::Rest | Self::Identity => bearer(call.head),
            Self::Bulk => legacy::session_header(call.head),
            // Salesforce reads the envelope only. A client that cannot write into its body would get nowhere here,
            // so that the header is taken where the envelope has no session.
            Self::Soap => legacy::session_in_envelope(&call.body.bytes).unwrap_or_else(|| bearer(call.head)),
        }
    }

    pub(super) fn dead_session(self, head: &Parts) -> Answer {
        match self {
            Self::Rest => answers::dead_session(head.version),
            Self::Identity => answers::text(StatusCode::FORBIDDEN, "Bad_OAuth_Token"),
            Self::Bulk => legacy::dead_bulk_session(head),
            Self::Soap => legacy::dead_soap_session(),
        }
    }

    pub(super) fn no_session(self, head: &Parts) -> Answer {
        match self {
            Self::Identity => answers::text(StatusCode::FORBIDDEN, "Missing_OAuth_Token"),
            Self::Rest | Self::Bulk | Self::Soap => self.dead_session(head),
        }
    }

    /// A session that lives, but that a policy keeps from this API.
    ///
    /// Recorded for REST, reported for SOAP (IlluminatedCloud #1980). Nothing is known of the others: the identity URL
    /// has one word for every bad token, and Bulk gets the text of SOAP.
    pub(super) fn not_permitted(self, head: &Parts) -> Answer {
        const TEXT: &str = "This session is not valid for use with the API";
        match self {
            Self::Rest => answers::session_not_permitted(),
            Self::Identity => self.dead_session(head),
            Self::Bulk => answers::bulk_error(legacy::wants_json(head), "InvalidSessionId", TEXT),
            Self::Soap => answers::soap_fault("INVALID_SESSION_ID", TEXT),
        }
    }

    /// What a login host says to anything but a login.
    pub(super) fn url_not_reset(self, head: &Parts) -> Answer {
        const TEXT: &str = "Destination URL not reset. The URL returned from login must be set";
        match self {
            Self::Rest | Self::Identity => {
                answers::rest_error(StatusCode::BAD_REQUEST, "URL_NOT_RESET", TEXT)
            }
            Self::Bulk => answers::bulk_error(legacy::wants_json(head), "InvalidUrl", TEXT),
            Self::Soap => answers::soap_fault(
                "UNKNOWN_EXCEPTION",
                "Destination URL not reset. The URL returned from login must be set in the SforceService",
            ),
        }
    }

    /// Any other error. Bulk and SOAP have statuses of their own, identity has only the word for a bad token.
    pub(super) fn error(self, head: &Parts, status: u16, code: &str, message: &str) -> Answer {
        match self {
            Self::Rest => answers::rest_error(answers::status(status), code, message),
            Self::Identity => self.dead_session(head),
            Self::Bulk => answers::bulk_error(legacy::wants_json(head), code, message),
            Self::Soap => answers::soap_fault(code, message),
        }
    }
}

/// The token of `Authorization: Bearer …`; `OAuth` is an older name that Salesforce still takes.
fn bearer(head: &Parts) -> Credential {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Credential::None,
        (Some(value), None) => value,
        // F132: never two Authorization headers.
        (Some(_), Some(_)) => return Credential::Malformed,
    };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Credential::Malformed;
    };
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    if known && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Credential::Token(token.to_owned())
    } else {
        Credential::Malformed
    }
}
