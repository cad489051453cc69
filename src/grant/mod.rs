//! How a connection gets its tokens: the three grants of server-to-server integrations, or one of your own.
//!
//! | grant | gets | needs |
//! |---|---|---|
//! | [`RefreshToken`] | what a user consented to, for as long as the refresh token lives | a durable store, because the refresh token may rotate |
//! | `JwtBearer` (feature `jwt`) | a session of a pre-authorised user | a certificate; no refresh token exists |
//! | [`ClientCredentials`] | a session of the app's run-as user | the org's My Domain |

mod client;
mod client_credentials;
#[cfg(feature = "jwt")]
mod jwt_bearer;
mod login_host;
mod refresh_token;

use std::{future::Future, pin::Pin};

#[cfg(feature = "jwt")]
pub use self::jwt_bearer::{JwtBearer, KeyError, Signer};
pub(crate) use self::login_host::LoginOrigin;
pub use self::{
    client::Client,
    client_credentials::ClientCredentials,
    login_host::{LoginHost, LoginHostError},
    refresh_token::RefreshToken,
};
use crate::{
    BoxError,
    secret::Secret,
    token_endpoint::{TokenEndpoint, TokenError, TokenResponse},
};

/// One way of getting a token set from a token endpoint.
///
/// Implement it for a flow that the crate does not ship (token exchange, a broker of your own). The library decides
/// *when* it is called: at most once at a time per connection and process, after a claim in the store when the grant
/// has a refresh token.
///
/// ```
/// use tower_salesforce_auth::{
///     Secret,
///     grant::{Grant, LoginHost},
///     token_endpoint::{TokenEndpoint, TokenError, TokenResponse},
/// };
///
/// /// Trades a token of the company's identity provider for a session.
/// struct TokenExchange {
///     client_id: String,
///     host: LoginHost,
///     subject_token: Secret,
/// }
///
/// impl Grant for TokenExchange {
///     fn kind(&self) -> &'static str {
///         "token_exchange"
///     }
///
///     fn client_id(&self) -> &str {
///         &self.client_id
///     }
///
///     fn login_host(&self) -> &LoginHost {
///         &self.host
///     }
///
///     async fn exchange(
///         &self,
///         endpoint: &TokenEndpoint,
///         _refresh_token: Option<&Secret>, // `None`: this grant has no seed
///     ) -> Result<TokenResponse, TokenError> {
///         let form = [
///             ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
///             ("client_id", self.client_id.as_str()),
///             ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
///             ("subject_token", self.subject_token.expose()),
///         ];
///         endpoint.exchange(&form).await
///     }
/// }
/// ```
pub trait Grant: Send + Sync + 'static {
    /// The grant's name, for example `refresh_token`: part of the store key.
    fn kind(&self) -> &'static str;

    /// The client (consumer key) that the tokens are issued to: compared with the stored record.
    fn client_id(&self) -> &str;

    /// Where the token endpoint is. Refresh tokens are sent to this origin only.
    fn login_host(&self) -> &LoginHost;

    /// The refresh token this grant was configured with. `Some` makes the grant a *rotating* one: it needs a durable
    /// store, and an exchange without a known outcome is not repeated blindly.
    fn seed(&self) -> Option<&Secret> {
        None
    }

    /// The client with what it authenticates by, for the question whether a token is still active, which a diagnosis
    /// [asks](TokenEndpoint::introspect). Without one, the default, it is not asked.
    ///
    /// `JwtBearer` has none: it authenticates by assertions, and Salesforce documents introspection with a client secret
    /// only.
    fn client(&self) -> Option<&Client> {
        None
    }

    /// Checks what can be checked without a request. The session's builder calls it, once, and fails with its error.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work, in words that say what to change: no secret, a host that does not serve this
    /// grant. The default finds nothing wrong.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Sends one token request, through `endpoint`, and returns what it answered.
    ///
    /// `refresh_token` is the newest one of this connection when [`seed`](Self::seed) is `Some`; it is never to be
    /// kept or sent again by the grant itself.
    ///
    /// # Errors
    ///
    /// Whatever [`TokenEndpoint::exchange`] reports, or [`TokenError::grant`] when the request cannot be made.
    ///
    /// # Cancel safety
    ///
    /// The library never drops this future while a request may be under way, other than at its own limit of 11 s.
    fn exchange(
        &self,
        endpoint: &TokenEndpoint,
        refresh_token: Option<&Secret>,
    ) -> impl Future<Output = Result<TokenResponse, TokenError>> + Send;
}

pub(crate) type ExchangeFuture<'a> =
    Pin<Box<dyn Future<Output = Result<TokenResponse, TokenError>> + Send + 'a>>;

/// The dyn-compatible twin of [`Grant`]. Its answers are checked: [`TokenResponse::check`] held for each.
pub(crate) trait DynGrant: Send + Sync {
    fn kind(&self) -> &'static str;
    fn client_id(&self) -> &str;
    fn login_host(&self) -> &LoginHost;
    fn seed(&self) -> Option<&Secret>;
    fn client(&self) -> Option<&Client>;
    fn check(&self) -> Result<(), BoxError>;
    fn exchange<'a>(
        &'a self,
        endpoint: &'a TokenEndpoint,
        refresh_token: Option<&'a Secret>,
    ) -> ExchangeFuture<'a>;
}

impl<G: Grant> DynGrant for G {
    fn kind(&self) -> &'static str {
        Grant::kind(self)
    }

    fn client_id(&self) -> &str {
        Grant::client_id(self)
    }

    fn login_host(&self) -> &LoginHost {
        Grant::login_host(self)
    }

    fn seed(&self) -> Option<&Secret> {
        Grant::seed(self)
    }

    fn client(&self) -> Option<&Client> {
        Grant::client(self)
    }

    fn check(&self) -> Result<(), BoxError> {
        Grant::check(self)
    }

    fn exchange<'a>(
        &'a self,
        endpoint: &'a TokenEndpoint,
        refresh_token: Option<&'a Secret>,
    ) -> ExchangeFuture<'a> {
        Box::pin(async move {
            let response = Grant::exchange(self, endpoint, refresh_token).await?;
            // A grant of a user's own may have made its answer by hand.
            response.check()?;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_hands_over_the_client_that_it_authenticates_as() {
        let client = Client::confidential("3MVG9", "s");
        let host = LoginHost::my_domain("acme.my.salesforce.com");
        let refresh_token = RefreshToken::new(client.clone(), host.clone(), "5Aep");
        let credentials = ClientCredentials::new(client.clone(), host);
        for grant in [&refresh_token as &dyn DynGrant, &credentials] {
            let fields: Vec<_> = grant.client().unwrap().fields().collect();
            assert_eq!(fields, client.fields().collect::<Vec<_>>(), "{}", grant.kind());
        }
    }
}
