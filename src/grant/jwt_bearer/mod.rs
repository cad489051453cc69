//! The JWT bearer grant (RFC 7523): an assertion in the place of a password.

mod key;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use zeroize::Zeroizing;

pub use self::key::KeyError;
use self::key::RsaKey;
use super::{Grant, LoginHost};
use crate::{
    BoxError, clock,
    secret::Secret,
    token_endpoint::{TokenEndpoint, TokenError, TokenErrorKind, TokenResponse},
};

/// A session of a user whom the app's policies approve in advance, vouched for by the app's certificate.
///
/// No refresh token exists: when a session ends, the next one is asked for with a fresh assertion. It is signed with
/// RS256 and names the consumer key (`iss`), the user (`sub`), the login host (`aud`) and when it expires (`exp`).
#[derive(Clone)]
pub struct JwtBearer {
    client_id: String,
    username: String,
    host: LoginHost,
    audience: Option<String>,
    lifetime: Duration,
    signer: Arc<dyn DynSigner>,
}

/// Signs assertions with a key that need not be in this process: a KMS, an HSM, a signing service.
pub trait Signer: Send + Sync + 'static {
    /// Returns the RS256 signature (RSASSA-PKCS1-v1_5 with SHA-256, RFC 7518 §3.3) of `signing_input`, raw: not in
    /// base64.
    ///
    /// It must come well within the 10 s of a token request.
    ///
    /// # Errors
    ///
    /// Whatever prevents the signature. The error is shown to users, so it must hold no secret.
    fn sign(&self, signing_input: &[u8]) -> impl Future<Output = Result<Vec<u8>, BoxError>> + Send;
}

/// The dyn-compatible twin of [`Signer`].
trait DynSigner: Send + Sync {
    fn sign<'a>(&'a self, signing_input: &'a [u8]) -> SignatureFuture<'a>;
}

type SignatureFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, BoxError>> + Send + 'a>>;

impl<S: Signer> DynSigner for S {
    fn sign<'a>(&'a self, signing_input: &'a [u8]) -> SignatureFuture<'a> {
        Box::pin(Signer::sign(self, signing_input))
    }
}

/// Salesforce takes assertions that expire within 3 min (Salesforce Help, "OAuth 2.0 JWT Bearer Flow").
const LONGEST_LIFETIME: Duration = Duration::from_secs(180);

/// A token request may take 10 s, and must not outlive its assertion.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(15);

/// Two minutes, as Salesforce's own datacloud-jdbc has it: good for a clock that is up to a minute fast (the assertion
/// stays within the three minutes) or up to two minutes slow.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(120);

/// A clock that is further off than this may be why an assertion was refused (see [`DEFAULT_LIFETIME`]).
const TOLERATED_SKEW: Duration = Duration::from_secs(60);

impl JwtBearer {
    /// A connection of `username`, with the private key of the certificate that the app knows.
    ///
    /// `pem` is an RSA key of 2,048 to 4,096 bits, as `BEGIN PRIVATE KEY` (PKCS#8) or `BEGIN RSA PRIVATE KEY`
    /// (PKCS#1), not encrypted. Other sections, such as the certificate, are skipped.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the key; it shows nothing of it.
    pub fn from_pem(
        client_id: impl Into<String>,
        username: impl Into<String>,
        host: LoginHost,
        pem: impl AsRef<[u8]>,
    ) -> Result<Self, KeyError> {
        Ok(Self::with_signer(client_id, username, host, RsaKey::from_pem(pem.as_ref())?))
    }

    /// A connection of `username`, with assertions that `signer` signs.
    pub fn with_signer(
        client_id: impl Into<String>,
        username: impl Into<String>,
        host: LoginHost,
        signer: impl Signer,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            username: username.into(),
            host,
            audience: None,
            lifetime: DEFAULT_LIFETIME,
            signer: Arc::new(signer),
        }
    }

    /// Names another audience than the login host.
    ///
    /// Without it `aud` is `https://login.salesforce.com`, `https://test.salesforce.com`, the origin of the My Domain,
    /// or the URL of the site.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// For how long an assertion is good, between 15 s and 180 s; two minutes by default.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME);
        self
    }

    /// The signed assertion, good from `now` (since the Unix epoch).
    async fn assertion(&self, audience: &str, now: Duration) -> Result<Secret, BoxError> {
        // Whole seconds, UTC (F089): milliseconds would be a date in the far future.
        let claims = serde_json::json!({
            "iss": self.client_id,
            "sub": self.username,
            "aud": audience,
            "exp": (now + self.lifetime).as_secs(),
        });
        let mut assertion = Zeroizing::new(BASE64URL.encode(br#"{"alg":"RS256","typ":"JWT"}"#));
        assertion.push('.');
        BASE64URL.encode_string(claims.to_string(), &mut assertion);
        let signature = self.signer.sign(assertion.as_bytes()).await?;
        assertion.push('.');
        BASE64URL.encode_string(signature, &mut assertion);
        Ok(Secret::new(std::mem::take(&mut *assertion)))
    }

    async fn attempt(&self, endpoint: &TokenEndpoint, now: Duration) -> Result<TokenResponse, TokenError> {
        let audience = self.audience.as_deref().unwrap_or(endpoint.base_url());
        let assertion = self.assertion(audience, now).await.map_err(TokenError::grant)?;
        endpoint
            .exchange(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion.expose()),
            ])
            .await
    }
}

impl Grant for JwtBearer {
    fn kind(&self) -> &'static str {
        "jwt_bearer"
    }

    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn login_host(&self) -> &LoginHost {
        &self.host
    }

    fn check(&self) -> Result<(), BoxError> {
        if self.client_id.is_empty() {
            return Err("the client id (consumer key) is empty".into());
        }
        if self.username.is_empty() {
            return Err("the username is empty".into());
        }
        Ok(())
    }

    async fn exchange(
        &self,
        endpoint: &TokenEndpoint,
        _refresh_token: Option<&Secret>,
    ) -> Result<TokenResponse, TokenError> {
        let refused = match self.attempt(endpoint, clock::wall()).await {
            Err(error)
                if error.kind() == TokenErrorKind::OperatorMustAct
                    && error.code() == Some("invalid_grant") =>
            {
                error
            }
            outcome => return outcome,
        };
        // F089: once more by Salesforce's clock, if this machine's is off. Nothing is remembered, since a clock gets
        // corrected.
        match refused.server_time().filter(|time| time.abs_diff(clock::wall()) > TOLERATED_SKEW) {
            Some(server_time) => self.attempt(endpoint, server_time).await,
            None => Err(refused),
        }
    }
}

impl fmt::Debug for JwtBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBearer")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("host", &self.host)
            .field("audience", &self.audience)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
