//! An app without the scope `api`.

use super::{super::answers::Answer, Cause, Conditions, Form, Presented, Problem, Wording};

/// The app lacks the OAuth scope `api`: every API request is refused, and the `scope` of token answers and of
/// introspection tells why. Otherwise it looks as [`ApiAccessControl`](super::ApiAccessControl) does.
///
/// It concerns all sessions while it lasts, those included that were started with the scope.
///
/// *Reported*: [`Wording::NotValid`] (manual of Azure Data Factory).
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct ApiScopeMissing {
    wording: Wording,
}

impl ApiScopeMissing {
    /// The scope is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How API requests are refused.
    pub fn wording(mut self, wording: Wording) -> Self {
        self.wording = wording;
        self
    }
}

impl Cause for ApiScopeMissing {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.api_scope_missing
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(Self { wording: Wording::from_query(query)? })
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        (!presented.to_identity()).then(|| self.wording.refusal(presented))
    }
}
