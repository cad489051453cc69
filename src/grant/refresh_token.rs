//! The refresh token grant (RFC 6749 §6).

use super::{Client, Grant, LoginHost};
use crate::{
    BoxError,
    secret::Secret,
    token_endpoint::{TokenEndpoint, TokenError, TokenResponse, is_token},
};

/// What a user consented to, for as long as the refresh token lives.
///
/// With refresh token rotation (a setting of the connected app, required of partner apps since 2026) every answer
/// brings a new refresh token and ends the one that was sent; a second use of an ended one revokes the connection. The
/// token given here is therefore only where the connection *begins*: the newest one is kept in the store.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    client: Client,
    host: LoginHost,
    seed: Secret,
}

impl RefreshToken {
    /// A connection that begins with `refresh_token`, issued to `client` at `host`.
    pub fn new(client: Client, host: LoginHost, refresh_token: impl Into<Secret>) -> Self {
        Self { client, host, seed: refresh_token.into() }
    }
}

impl Grant for RefreshToken {
    fn kind(&self) -> &'static str {
        "refresh_token"
    }

    fn client_id(&self) -> &str {
        &self.client.id
    }

    fn login_host(&self) -> &LoginHost {
        &self.host
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.seed)
    }

    fn client(&self) -> Option<&Client> {
        Some(&self.client)
    }

    fn check(&self) -> Result<(), BoxError> {
        self.client.check()?;
        if !is_token(self.seed.expose()) {
            return Err("the refresh token is empty, too long, or holds white space or other characters that no token has"
                .into());
        }
        Ok(())
    }

    async fn exchange(
        &self,
        endpoint: &TokenEndpoint,
        refresh_token: Option<&Secret>,
    ) -> Result<TokenResponse, TokenError> {
        // Never the seed on its own account: whether it is spent is known to the store alone.
        let refresh_token =
            refresh_token.ok_or_else(|| TokenError::grant("no refresh token was handed over"))?;
        let mut form = vec![("grant_type", "refresh_token")];
        form.extend(self.client.fields());
        form.push(("refresh_token", refresh_token.expose()));
        endpoint.exchange(&form).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_endpoint::{
        TokenErrorKind,
        in_memory::{Reply, endpoint},
    };

    fn grant(client: Client) -> RefreshToken {
        RefreshToken::new(client, LoginHost::Production, "5Aepseed")
    }

    #[tokio::test]
    async fn the_newest_refresh_token_is_sent_and_not_the_seed() {
        for (client, form) in [
            (Client::public("3MVG9"), "grant_type=refresh_token&client_id=3MVG9&refresh_token=5Aepnewest"),
            (
                Client::confidential("3MVG9", "s&t"),
                "grant_type=refresh_token&client_id=3MVG9&client_secret=s%26t&refresh_token=5Aepnewest",
            ),
        ] {
            let (endpoint, requests) = endpoint(Reply::ok(r#"{"access_token":"00Dxx!new"}"#));
            grant(client).exchange(&endpoint, Some(&Secret::new("5Aepnewest"))).await.unwrap();
            let requests = requests.lock().unwrap();
            assert_eq!(requests.len(), 1);
            assert_eq!(requests[0].body, form);
        }
    }

    #[tokio::test]
    async fn without_a_refresh_token_nothing_is_sent() {
        let (endpoint, requests) = endpoint(Reply::ok(""));
        let error = grant(Client::public("3MVG9")).exchange(&endpoint, None).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Grant);
        assert!(requests.lock().unwrap().is_empty());
    }

    #[test]
    fn f109_a_malformed_seed_is_a_configuration_error_that_does_not_show_it() {
        for seed in ["", "5Aep canary", "5Aepcanary\n", "5Aepcanaryé"] {
            let grant = RefreshToken::new(Client::public("3MVG9"), LoginHost::Production, seed);
            let error = grant.check().unwrap_err();
            assert!(!format!("{error} {error:?} {grant:?}").contains("canary"));
        }
        assert!(grant(Client::public("")).check().is_err());
        assert!(grant(Client::confidential("3MVG9", "")).check().is_err());
        assert!(grant(Client::public("3MVG9")).check().is_ok());
    }
}
