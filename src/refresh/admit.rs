//! Holds a token answer against the connection it is for.

use super::{
    decide::Answer,
    record::{Binding, Record},
};
use crate::{
    instance_url::{HostPolicy, InstanceUrl},
    org_id::OrgId,
    token::{Identity, PREVIOUS_ORIGINS, TokenSet},
    token_endpoint::TokenResponse,
};

/// Turns an answer into a token set that may be served, or says why it must not be. A new refresh token is handed over
/// either way: it is the only living one.
pub(crate) fn admit(
    response: &TokenResponse,
    parent: Option<&Record>,
    configured: &Binding,
    policy: HostPolicy,
) -> Answer {
    let refresh_token = response.refresh_token().cloned();
    match token_set(response, parent, configured, policy) {
        Ok(tokens) => Answer::Granted { tokens, refresh_token },
        Err(unfit) => Answer::Quarantined { refresh_token, reason: unfit.reason },
    }
}

/// Why an answer must not be served.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) reason: String,
    /// It belongs to another org than the connection.
    pub(crate) other_org: bool,
}

impl Unfit {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), other_org: false }
    }
}

pub(crate) fn token_set(
    response: &TokenResponse,
    parent: Option<&Record>,
    configured: &Binding,
    policy: HostPolicy,
) -> Result<TokenSet, Unfit> {
    let previous = parent.and_then(|record| record.tokens.as_ref());
    let identity = identity(response)?;
    let pinned = parent.and_then(|record| record.binding.org.as_ref()).or(configured.org.as_ref());
    check_org(response, identity.as_ref(), pinned)?;
    let instance_url = match (response.instance_url(), previous) {
        (Some(text), _) => InstanceUrl::parse_with(text, policy)
            .map_err(|error| Unfit::new(format!("the token answer's instance_url was refused: {error}")))?,
        (None, Some(previous)) => previous.instance_url.clone(), // F113
        (None, None) => {
            return Err(Unfit::new("the token answer names no instance_url; ask for the api scope"));
        }
    };
    Ok(TokenSet {
        access_token: response.access_token().clone(),
        previous_origins: origins_before(&instance_url, previous),
        instance_url,
        identity: identity.or_else(|| previous.and_then(|previous| previous.identity.clone())),
        issued_at: response.issued_at(),
        scope: response
            .scope()
            .map(str::to_owned)
            .or_else(|| previous.and_then(|previous| previous.scope.clone())),
    })
}

fn identity(response: &TokenResponse) -> Result<Option<Identity>, Unfit> {
    let Some(url) = response.id() else { return Ok(None) };
    match OrgId::from_identity_url(url) {
        Some((org, user)) => Ok(Some(Identity { org, user })),
        None => Err(Unfit::new("the token answer's identity URL names no org and user")),
    }
}

/// F112: neither the identity nor the token may name another org than the connection is for.
fn check_org(
    response: &TokenResponse,
    identity: Option<&Identity>,
    pinned: Option<&OrgId>,
) -> Result<(), Unfit> {
    let named = identity.map(|identity| &identity.org);
    let prefix = OrgId::from_access_token(response.access_token().expose());
    let mut orgs = [pinned, named, prefix.as_ref()].into_iter().flatten();
    let Some(first) = orgs.next() else { return Ok(()) };
    match orgs.find(|org| *org != first) {
        Some(other) => Err(Unfit {
            reason: format!(
                "the token answer belongs to org {other}, this connection to org {first}; \
                 use one connection id per org, or reconnect and accept the new org"
            ),
            other_org: true,
        }),
        None => Ok(()),
    }
}

/// The former origins to remember: where the org was until now, then where it was before.
fn origins_before(current: &InstanceUrl, previous: Option<&TokenSet>) -> Vec<InstanceUrl> {
    let Some(previous) = previous else { return Vec::new() };
    let mut origins: Vec<InstanceUrl> = Vec::new();
    for origin in std::iter::once(&previous.instance_url).chain(&previous.previous_origins) {
        if origin != current && !origins.contains(origin) {
            origins.push(origin.clone());
        }
    }
    origins.truncate(PREVIOUS_ORIGINS);
    origins
}
