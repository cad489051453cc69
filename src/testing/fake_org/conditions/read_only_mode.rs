//! Maintenance during which an org can be read.

use http::Method;

use super::{
    super::{answers::Answer, control::status, dialect::Dialect, state::Sessions},
    Cause, Conditions, Form, Presented, Problem, Wording, flag,
};

/// The code and the text of a write (Salesforce's WSDL; an Apex exception).
const CODE: &str = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE";
const TEXT: &str = "Updates can't be made during maintenance. Try again when maintenance is complete.";

/// Read-only mode: whatever is no `GET` or `HEAD` is refused with
/// `INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE`, and so is all of Bulk API 1.0. Tokens are issued as ever. When
/// it is lifted, all sessions end.
///
/// Of SOAP, where every operation is taken for a read, nothing is refused.
///
/// *Recorded*: code and text; that writes and bulk reads are refused; that users log in again when it is over (release
/// notes of Winter '16). *Inferred*: the status of REST, which is 503 here unless it is chosen, and the answer of Bulk.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct ReadOnlyMode {
    write_status: u16,
    reads_refused: bool,
    sessions_survive: bool,
}

impl ReadOnlyMode {
    /// The mode, with reads served.
    pub fn new() -> Self {
        Self { write_status: 503, reads_refused: false, sessions_survive: false }
    }

    /// The status of a refused write.
    pub fn write_status(mut self, status: u16) -> Self {
        self.write_status = status;
        self
    }

    /// Reads are refused with [`Wording::NotValid`], while refreshes succeed and change nothing (recorded with
    /// Read-Only Application Test Mode, SalesforceMobileSDK-iOS #2464).
    pub fn reads_refused(mut self) -> Self {
        self.reads_refused = true;
        self
    }

    /// Sessions live on when it is lifted.
    pub fn sessions_survive(mut self) -> Self {
        self.sessions_survive = true;
        self
    }
}

impl Default for ReadOnlyMode {
    fn default() -> Self {
        Self::new()
    }
}

impl Cause for ReadOnlyMode {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.read_only_mode
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(Self {
            write_status: status(query, 503)?,
            reads_refused: flag(query, "reads_refused")?,
            sessions_survive: flag(query, "sessions_survive")?,
        })
    }

    fn end(&self, sessions: &mut Sessions) {
        if !self.sessions_survive {
            sessions.expire_all();
        }
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        let Presented { dialect, head, .. } = presented;
        let read = matches!(head.method, Method::GET | Method::HEAD);
        match dialect {
            Dialect::Identity => None,
            // The closed list of Bulk's codes has none for this.
            Dialect::Bulk => Some(dialect.error(head, self.write_status, "InternalServerError", TEXT)),
            Dialect::Rest if !read => Some(dialect.error(head, self.write_status, CODE, TEXT)),
            Dialect::Rest | Dialect::Soap => self.reads_refused.then(|| Wording::NotValid.refusal(presented)),
        }
    }
}
