//! The client credentials grant (RFC 6749 §4.4).

use super::{Client, Grant, LoginHost};
use crate::{
    BoxError,
    secret::Secret,
    token_endpoint::{TokenEndpoint, TokenError, TokenResponse},
};

/// A session of the user that the app's policies name in *Run As*.
///
/// Salesforce serves this grant at the org's My Domain only: `login.salesforce.com` and `test.salesforce.com` answer
/// `request not supported on this domain`, so the session's builder refuses them. No refresh token exists; a new
/// session is asked for with the same credentials.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    client: Client,
    host: LoginHost,
}

impl ClientCredentials {
    /// A connection of `client`, which must be confidential, at the org's My Domain.
    pub fn new(client: Client, host: LoginHost) -> Self {
        Self { client, host }
    }
}

impl Grant for ClientCredentials {
    fn kind(&self) -> &'static str {
        "client_credentials"
    }

    fn client_id(&self) -> &str {
        &self.client.id
    }

    fn login_host(&self) -> &LoginHost {
        &self.host
    }

    fn client(&self) -> Option<&Client> {
        Some(&self.client)
    }

    fn check(&self) -> Result<(), BoxError> {
        self.client.check()?;
        if self.client.secret.is_none() {
            return Err("the client credentials grant needs a client secret; use Client::confidential".into());
        }
        Ok(self.host.require_my_domain()?)
    }

    async fn exchange(
        &self,
        endpoint: &TokenEndpoint,
        _refresh_token: Option<&Secret>,
    ) -> Result<TokenResponse, TokenError> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.client.fields());
        endpoint.exchange(&form).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        grant::LoginHostError,
        token_endpoint::in_memory::{Reply, endpoint},
    };

    #[tokio::test]
    async fn the_clients_own_credentials_are_all_that_is_sent() {
        let (endpoint, requests) = endpoint(Reply::ok(r#"{"access_token":"00Dxx!new"}"#));
        let grant =
            ClientCredentials::new(Client::confidential("3MVG9", "s&t"), LoginHost::my_domain("acme"));
        grant.exchange(&endpoint, None).await.unwrap();
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].body, "grant_type=client_credentials&client_id=3MVG9&client_secret=s%26t");
    }

    #[test]
    fn only_a_my_domain_and_a_confidential_client_will_do() {
        for host in [
            LoginHost::Production,
            LoginHost::Sandbox,
            LoginHost::my_domain("https://LOGIN.salesforce.com./"),
            LoginHost::my_domain("test.salesforce.com"),
        ] {
            let error = ClientCredentials::new(Client::confidential("3MVG9", "s"), host).check().unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&LoginHostError::MyDomainRequired));
        }
        let host = LoginHost::my_domain("acme.my.salesforce.com");
        assert!(ClientCredentials::new(Client::confidential("3MVG9", "s"), host.clone()).check().is_ok());
        assert!(ClientCredentials::new(Client::public("3MVG9"), host).check().is_err());
    }
}
