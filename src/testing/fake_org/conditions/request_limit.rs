//! Limits on requests, which are no matter of sessions.

use super::{
    super::{answers::Answer, dialect::Dialect},
    Cause, Conditions, Form, Presented, Problem,
};

/// The org's API requests are used up: 403 `REQUEST_LIMIT_EXCEEDED`, a look-alike of a refused session.
///
/// *Recorded*: the texts for REST. *Inferred*: the answer of Bulk API 1.0, `ExceededQuota`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[must_use = "a condition does nothing until it is imposed"]
pub enum RequestLimit {
    /// Of a day: `TotalRequests Limit exceeded.`
    Daily,
    /// Of a moment: `ConcurrentRequests (Concurrent API Requests) Limit exceeded.`
    Concurrent,
    /// Of transactions that take long: `ConcurrentPerOrgLongTxn Limit exceeded.`
    LongTransactions,
}

impl Cause for RequestLimit {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.request_limit
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(match query.get("limit") {
            None | Some("daily") => Self::Daily,
            Some("concurrent") => Self::Concurrent,
            Some("long-transactions") => Self::LongTransactions,
            Some(_) => return Err(Problem::Malformed("limit")),
        })
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        let text = match self {
            Self::Daily => "TotalRequests Limit exceeded.",
            Self::Concurrent => "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            Self::LongTransactions => "ConcurrentPerOrgLongTxn Limit exceeded.",
        };
        let code = match presented.dialect {
            Dialect::Identity => return None,
            Dialect::Bulk => "ExceededQuota",
            Dialect::Rest | Dialect::Soap => "REQUEST_LIMIT_EXCEEDED",
        };
        Some(presented.dialect.error(presented.head, 403, code, text))
    }
}
