//! How a living session is refused, where that is not proven.

use super::{super::answers::Answer, Form, Presented, Problem};
use crate::testing::fake_org::control::status;

/// How a session that lives is refused, in the manner of the API that was called.
///
/// For each policy one of the first two is what Salesforce sends; for some it is not known which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wording {
    /// 401 `INVALID_SESSION_ID`, `This session is not valid for use with the REST API` (recorded, jsforce #1301); SOAP
    /// `This session is not valid for use with the API` (reported).
    #[default]
    NotValid,
    /// As a session that has expired: 401 `INVALID_SESSION_ID`, `Session expired or invalid`.
    Expired,
    /// Another REST error, for example 403 `CLIENT_NOT_ACCESSIBLE_FOR_USER` (reported of an application that is no
    /// longer allowed).
    Error {
        /// The HTTP status; Bulk API 1.0 and SOAP have their own.
        status: u16,
        /// The `errorCode`.
        code: String,
        /// The `message`.
        message: String,
    },
}

impl Wording {
    pub(super) fn refusal(&self, presented: &Presented<'_>) -> Answer {
        let Presented { dialect, head, .. } = presented;
        match self {
            Self::NotValid => dialect.not_permitted(head),
            Self::Expired => dialect.dead_session(head),
            Self::Error { status, code, message } => dialect.error(head, *status, code, message),
        }
    }

    pub(super) fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(match query.get("wording") {
            None | Some("not-valid") => Self::NotValid,
            Some("expired") => Self::Expired,
            Some("error") => Self::Error {
                status: status(query, 403)?,
                code: query.get("code").ok_or(Problem::Missing("code"))?.to_owned(),
                message: query.get("message").unwrap_or_default().to_owned(),
            },
            Some(_) => return Err(Problem::Malformed("wording")),
        })
    }
}
