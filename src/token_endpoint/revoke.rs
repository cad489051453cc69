//! Ending a connection at Salesforce's side.

use super::{TokenEndpoint, error::TokenError, reason::TokenErrorReason, taxonomy::Asked};
use crate::secret::Secret;

impl TokenEndpoint {
    /// Revokes `token`. A refresh token takes its access tokens with it, an access token ends its own session only.
    ///
    /// A token that Salesforce does not know (any more) counts as revoked.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange). After [`OutcomeUnknown`](super::TokenErrorKind::OutcomeUnknown) it may be tried
    /// again: a second revocation does no harm.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have revoked the token.
    pub async fn revoke(&self, token: &Secret) -> Result<(), TokenError> {
        let form = [("token", token.expose())];
        let answer = self.post(self.login.revoke(), &form).await?;
        // The status says it all; the body of a success is empty.
        if answer.status.is_success() {
            return Ok(());
        }
        // Salesforce Mobile SDK guide, "Revoking OAuth tokens": every refusal is a 400, the reason is in `error`.
        let refusal = answer.into_refusal(Asked::with(&form));
        if refusal.reason() == Some(TokenErrorReason::TokenUnknown) { Ok(()) } else { Err(refusal) }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::{
        TokenErrorKind, TokenErrorReason,
        in_memory::{Reply, endpoint},
    };
    use crate::secret::Secret;

    #[tokio::test]
    async fn a_token_is_revoked_once_by_form_at_the_revoke_address() {
        let (endpoint, requests) = endpoint(Reply::new(StatusCode::OK, ""));
        endpoint.revoke(&Secret::new("5Aep!a b")).await.unwrap();
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].uri.to_string(), "https://login.salesforce.com/services/oauth2/revoke");
        assert_eq!(requests[0].body, "token=5Aep%21a+b");
    }

    #[tokio::test]
    async fn a_token_that_is_gone_counts_as_revoked() {
        let gone = r#"{"error":"invalid_token","error_description":"invalid token: 5Aepcanary"}"#;
        let (endpoint, _) = endpoint(Reply::new(StatusCode::BAD_REQUEST, gone));
        endpoint.revoke(&Secret::new("5Aepcanary")).await.unwrap();
    }

    #[tokio::test]
    async fn a_token_of_another_type_is_named_so() {
        let (endpoint, _) = endpoint(Reply::refused(r#"{"error":"unsupported_token_type"}"#));
        let error = endpoint.revoke(&Secret::new("canary")).await.unwrap_err();
        assert_eq!(error.reason(), Some(TokenErrorReason::TokenTypeUnsupported));
        assert!(error.hint().is_some());
    }

    #[tokio::test]
    async fn any_other_refusal_is_told() {
        for (status, body, kind) in [
            (400, r#"{"error":"unsupported_token_type"}"#, TokenErrorKind::OperatorMustAct),
            (503, "", TokenErrorKind::Transient),
            (500, r#"{"error":"invalid_token"}"#, TokenErrorKind::OutcomeUnknown),
            (302, "", TokenErrorKind::OutcomeUnknown),
        ] {
            let (endpoint, _) = endpoint(Reply::new(StatusCode::from_u16(status).unwrap(), body));
            let error = endpoint.revoke(&Secret::new("5Aepcanary")).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {body}");
        }
    }
}
