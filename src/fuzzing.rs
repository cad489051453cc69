//! What the targets under `fuzz/` need of the inside. Compiled with `--cfg fuzzing` only, and no part of the interface.

use std::sync::Arc;

use http::{Method, Request, Uri, request};

use crate::{
    AuthError, InstanceUrl, InstanceUrlError,
    instance_url::HostPolicy,
    request::{Form, PackedHead},
    session::Live,
    token_endpoint::{self, Introspection, TokenError},
};

/// Reads an instance URL under a policy that only a session's builder can choose.
///
/// # Errors
///
/// As [`InstanceUrl::parse`].
pub fn instance_url(text: &str, loopback: bool, force_com: bool) -> Result<InstanceUrl, InstanceUrlError> {
    InstanceUrl::parse_with(text, HostPolicy { loopback, force_com })
}

/// Whether requests to `uri` are requests to `url`.
#[must_use]
pub fn is_origin_of(url: &InstanceUrl, uri: &Uri) -> bool {
    url.is_origin_of(uri)
}

/// A session's org, for requests to be aimed at.
#[derive(Debug)]
pub struct Home(Arc<Live>);

impl Home {
    /// The org at `authority`, which was at `former` before.
    #[must_use]
    pub fn new(authority: &str, former: &[&str]) -> Self {
        Self(Live::sample(1, "00D!t", authority, former))
    }

    /// Aims a request as the layer does, with no origin allowed but the org's own.
    ///
    /// # Errors
    ///
    /// When the request is not for this org.
    pub fn rewrite(&self, method: &Method, uri: &mut Uri) -> Result<(), AuthError> {
        Form::of(method, uri)?.aim(uri, &self.0, |_| false)?.direct(uri, &self.0)
    }
}

/// Whether a target is of a form that the layer sends at all.
#[must_use]
pub fn has_a_form(method: &Method, uri: &Uri) -> bool {
    Form::of(method, uri).is_ok()
}

/// A head packed and unpacked again.
#[must_use]
pub fn pack_and_unpack(head: &request::Parts) -> Option<Request<()>> {
    PackedHead::pack(head)?.unpack()
}

/// Unpacks bytes that nobody packed.
#[must_use]
pub fn unpack(bytes: Vec<u8>, headers: usize) -> Option<Request<()>> {
    PackedHead::from_raw(bytes, headers).unpack()
}

/// What is kept of a token answer that broke off.
#[must_use]
pub fn salvage(body: &[u8]) -> TokenError {
    token_endpoint::salvage(body)
}

/// Reads the answer to the question whether a token is active.
///
/// # Errors
///
/// When it does not say so.
pub fn introspection(body: &[u8]) -> Result<Introspection, TokenError> {
    token_endpoint::introspection(body)
}
