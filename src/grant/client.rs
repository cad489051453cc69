//! The app as the token endpoint knows it.

use crate::{BoxError, secret::Secret};

/// A connected app or external client app: its consumer key and, for a confidential client, its consumer secret.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<Secret>,
}

impl Client {
    /// A client that authenticates with its secret.
    pub fn confidential(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self { id: id.into(), secret: Some(secret.into()) }
    }

    /// A client without a secret (a desktop or mobile app with PKCE).
    pub fn public(id: impl Into<String>) -> Self {
        Self { id: id.into(), secret: None }
    }

    /// The form fields that authenticate the client: `client_id` and, for a confidential client, `client_secret`.
    ///
    /// They belong into the form that [`TokenEndpoint::exchange`](crate::token_endpoint::TokenEndpoint::exchange)
    /// sends, never into a URL.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let secret = self.secret.as_ref().map(|secret| ("client_secret", secret.expose()));
        std::iter::once(("client_id", self.id.as_str())).chain(secret)
    }

    /// An empty key or secret is a configuration that was not read: better told at once than by a refusal.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        if self.id.is_empty() {
            return Err("the client id (consumer key) is empty".into());
        }
        if self.secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
            return Err("the client secret is empty; use Client::public for a client without one".into());
        }
        Ok(())
    }
}
