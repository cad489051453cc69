//! What a session holds: token sets, their lineage in the store, their generation in the process.

use std::fmt;

use http::Uri;

use crate::{instance_url::InstanceUrl, org_id::OrgId, secret::Secret};

/// How many former origins of an org are remembered, so that requests still aimed there follow the move.
pub(crate) const PREVIOUS_ORIGINS: usize = 4;

/// Where a token set stands in the life of one connection, as the store sees it.
///
/// The version grows with every new token set, the id changes only when a person connects again. The order is that of
/// the versions; two lineages of one version and different ids come from different consents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lineage {
    pub(crate) version: u64,
    pub(crate) id: u128,
}

impl Lineage {
    /// The lineage of the token set that a refresh of this one yields.
    pub(crate) fn child(self) -> Self {
        Self { version: self.version.saturating_add(1), id: self.id }
    }
}

/// A token set's number within this process: it only grows, and every published change has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who a token belongs to, read from the identity URL of a token answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Identity {
    pub(crate) org: OrgId,
    pub(crate) user: String,
}

/// One token answer, checked and ready to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct TokenSet {
    pub(crate) access_token: Secret,
    pub(crate) instance_url: InstanceUrl,
    /// Newest first, at most [`PREVIOUS_ORIGINS`], the current one never among them.
    pub(crate) previous_origins: Vec<InstanceUrl>,
    pub(crate) identity: Option<Identity>,
    /// Milliseconds since the Unix epoch, by Salesforce's clock.
    pub(crate) issued_at: Option<u64>,
    pub(crate) scope: Option<String>,
}

impl TokenSet {
    /// The org this set belongs to, as far as it says so.
    pub(crate) fn org(&self) -> Option<OrgId> {
        let named = self.identity.as_ref().map(|identity| identity.org.clone());
        named.or_else(|| OrgId::from_access_token(self.access_token.expose()))
    }

    /// Whether the scopes let the token use the data APIs; `None` if the answer did not name them.
    pub(crate) fn has_api_scope(&self) -> Option<bool> {
        let scope = self.scope.as_deref()?;
        Some(scope.split_ascii_whitespace().any(|scope| matches!(scope, "api" | "full")))
    }

    /// Whether `uri` points at the org this set belongs to, now or before a move.
    pub(crate) fn is_home_of(&self, uri: &Uri) -> bool {
        self.instance_url.is_origin_of(uri)
            || self.previous_origins.iter().any(|origin| origin.is_origin_of(uri))
    }
}
