//! Introspection that does not tell the truth.

use std::net::IpAddr;

use super::{Cause, Conditions, Form, Places, Problem};

/// Introspection answers `{"active":false}` about sessions that work.
///
/// *Reported* (Salesforce Stack Exchange, question 305477): "inactive" is a hint and no proof.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct IntrospectionInactive;

impl Cause for IntrospectionInactive {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.introspection_inactive
    }

    fn from_query(_query: &Form) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn hides(&self, _started_from: IpAddr, _places: Places) -> bool {
        true
    }
}
