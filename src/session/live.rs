//! The token that is served now, in the form the hot path needs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{
    HeaderValue,
    header::InvalidHeaderValue,
    uri::{Authority, Scheme},
};

use crate::{
    clock::{self, Instant},
    secret::Secret,
    token::{Generation, TokenSet},
};

/// One published token set: everything a request needs is built once, here.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) generation: Generation,
    /// `Bearer …`, marked sensitive.
    pub(crate) authorization: HeaderValue,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) tokens: Arc<TokenSet>,
    pub(crate) since: Instant,
    /// Whether a request with this token was ever answered with something other than a refusal. Shared by all copies.
    accepted: Arc<AtomicBool>,
}

impl Live {
    pub(crate) fn new(generation: Generation, tokens: TokenSet) -> Result<Self, InvalidHeaderValue> {
        let mut authorization =
            HeaderValue::from_str(Secret::new(format!("Bearer {}", tokens.access_token.expose())).expose())?;
        authorization.set_sensitive(true); // S07, S08: masked when printed, never indexed by HPACK
        Ok(Self {
            generation,
            authorization,
            scheme: tokens.instance_url.scheme().clone(),
            authority: tokens.instance_url.authority().clone(),
            tokens: Arc::new(tokens),
            since: clock::now(),
            accepted: Arc::default(),
        })
    }

    /// Whether Salesforce ever accepted this token.
    pub(crate) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Notes that Salesforce accepted this token. Writes only once, so that the line stays shared between cores.
    pub(crate) fn accept(&self) {
        if !self.was_accepted() {
            self.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// The same token set on memory of its own: a header value and an authority are reference-counted bytes, and
    /// cores that count the same bytes slow each other down.
    pub(crate) fn own_copy(&self) -> Self {
        let mut authorization = HeaderValue::from_bytes(self.authorization.as_bytes())
            .unwrap_or_else(|_| self.authorization.clone());
        authorization.set_sensitive(true);
        Self {
            generation: self.generation,
            authorization,
            scheme: self.scheme.clone(),
            authority: Authority::try_from(self.authority.as_str())
                .unwrap_or_else(|_| self.authority.clone()),
            tokens: Arc::clone(&self.tokens),
            since: self.since,
            accepted: Arc::clone(&self.accepted),
        }
    }

    /// The token `token` of the org at `authority`, which was at `previous` before.
    #[cfg(test)]
    pub(crate) fn sample(generation: u64, token: &str, authority: &str, previous: &[&str]) -> Arc<Self> {
        let origin = |authority: &str| format!("https://{authority}").parse().unwrap();
        let tokens = TokenSet {
            access_token: token.into(),
            instance_url: origin(authority),
            previous_origins: previous.iter().copied().map(origin).collect(),
            identity: None,
            issued_at: None,
            scope: None,
        };
        Arc::new(Self::new(Generation(generation), tokens).unwrap())
    }
}
