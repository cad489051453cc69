//! The token that is served now, in the form the hot path needs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
    uri::{Authority, Scheme},
};

use crate::{
    OrgId,
    clock::{self, Instant},
    refusal::Dialect,
    secret::Secret,
    token::{Generation, TokenSet},
};

/// Where Bulk API 1.0 takes the session from. It does not look at `Authorization`.
pub(crate) static X_SFDC_SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");

/// What stands before the token in `Authorization`.
const BEARER: &str = "Bearer ";

/// One published token set: everything a request needs is built once, here.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) generation: Generation,
    credentials: Credentials,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) tokens: Arc<TokenSet>,
    /// The org that the token says it is of.
    org: Option<OrgId>,
    pub(crate) since: Instant,
    /// Whether a request with this token was ever answered with something other than a refusal. Shared by all copies.
    accepted: Arc<AtomicBool>,
}

/// The token as header values, both in the same memory, both marked sensitive.
#[derive(Debug)]
struct Credentials {
    /// `Bearer …`
    authorization: HeaderValue,
    /// The token alone.
    session: HeaderValue,
}

impl Credentials {
    /// `bearer` is the whole value of `Authorization`.
    fn new(bearer: &[u8]) -> Result<Self, InvalidHeaderValue> {
        let bearer = Bytes::copy_from_slice(bearer);
        let mut session = HeaderValue::from_maybe_shared(bearer.slice(BEARER.len().min(bearer.len())..))?;
        let mut authorization = HeaderValue::from_maybe_shared(bearer)?;
        // S07, S08: masked when printed, never indexed by HPACK
        session.set_sensitive(true);
        authorization.set_sensitive(true);
        Ok(Self { authorization, session })
    }

    fn own_copy(&self) -> Self {
        Self::new(self.authorization.as_bytes()).unwrap_or_else(|_| Self {
            authorization: self.authorization.clone(),
            session: self.session.clone(),
        })
    }
}

impl Live {
    pub(crate) fn new(generation: Generation, tokens: TokenSet) -> Result<Self, InvalidHeaderValue> {
        let bearer = Secret::new(format!("{BEARER}{}", tokens.access_token.expose()));
        Ok(Self {
            generation,
            credentials: Credentials::new(bearer.expose().as_bytes())?,
            scheme: tokens.instance_url.scheme().clone(),
            authority: tokens.instance_url.authority().clone(),
            org: tokens.org(),
            tokens: Arc::new(tokens),
            since: clock::now(),
            accepted: Arc::default(),
        })
    }

    /// The header that carries the token to an API, and its value, marked sensitive. One header and not two, so that no
    /// two credentials can ever disagree (F132).
    pub(crate) fn credential(&self, dialect: Dialect) -> (&'static HeaderName, &HeaderValue) {
        // F138
        if dialect == Dialect::Bulk {
            (&X_SFDC_SESSION, &self.credentials.session)
        } else {
            (&AUTHORIZATION, &self.credentials.authorization)
        }
    }

    /// Whether requests with `tokens` would look the same.
    pub(crate) fn serves(&self, tokens: &TokenSet) -> bool {
        self.tokens.access_token == tokens.access_token && self.tokens.instance_url == tokens.instance_url
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

    /// Whether `now` is another org's: the connection was given away meanwhile (`Reconnect::accept_new_org`). A path
    /// alone would lead there, with a record or a deletion that was meant for the former one.
    pub(crate) fn is_other_org(&self, now: &Self) -> bool {
        matches!((&self.org, &now.org), (Some(before), Some(now)) if before != now)
    }

    /// The same token set on memory of its own: a header value and an authority are reference-counted bytes, and
    /// cores that count the same bytes slow each other down.
    pub(crate) fn own_copy(&self) -> Self {
        Self {
            generation: self.generation,
            credentials: self.credentials.own_copy(),
            scheme: self.scheme.clone(),
            authority: Authority::try_from(self.authority.as_str())
                .unwrap_or_else(|_| self.authority.clone()),
            org: self.org.clone(),
            tokens: Arc::clone(&self.tokens),
            since: self.since,
            accepted: Arc::clone(&self.accepted),
        }
    }

    /// The token `token` of the org at `authority`, which was at `previous` before.
    #[cfg(any(test, fuzzing))]
    #[allow(clippy::unwrap_used)] // of the constants that a test gives
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_each_api_gets_one_sensitive_header_and_a_copy_gives_the_same() {
        let live = Live::sample(1, "00D!t", "acme.my.salesforce.com", &[]);
        for live in [&*live, &live.own_copy()] {
            for (dialect, name, value) in [
                (Dialect::Rest, "authorization", "Bearer 00D!t"),
                (Dialect::Soap, "authorization", "Bearer 00D!t"),
                (Dialect::Bulk, "x-sfdc-session", "00D!t"),
            ] {
                let (header, credential) = live.credential(dialect);
                assert_eq!((header.as_str(), credential.as_bytes()), (name, value.as_bytes()));
                assert!(credential.is_sensitive());
            }
        }
    }
}
