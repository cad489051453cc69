//! Asking whether a token is active (RFC 7662).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    TokenEndpoint,
    error::{TokenError, TokenErrorKind},
    form, reading,
    reason::TokenErrorReason,
    taxonomy::{self, Asked},
};
use crate::{error::printable, grant::Client, secret::Secret};

/// What the endpoint says about a token.
///
/// The texts are the server's: escaped, capped at 256 bytes, without what was sent. Times are since the Unix epoch, by
/// Salesforce's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether the token is active. `false` is a hint and no proof: it is also the answer for a token that this client
    /// may not look at, and was reported of tokens that work.
    pub active: bool,
    /// When the session ends if it is not used before (`exp`).
    pub expires_at: Option<Duration>,
    /// When the token was issued (`iat`).
    pub issued_at: Option<Duration>,
    /// From when on the token is good (`nbf`).
    pub not_before: Option<Duration>,
    /// When it was asked (the answer's `Date`): what of `expires_at` is left does not depend on this machine's clock.
    pub server_time: Option<Duration>,
    /// The scopes, separated by blanks.
    pub scope: Option<String>,
    /// The user's name.
    pub username: Option<String>,
    /// The app that the token was issued to.
    pub client_id: Option<String>,
    /// The user's identity URL (`sub`).
    pub subject: Option<String>,
    /// `access_token` or `refresh_token`.
    pub token_type: Option<String>,
}

impl TokenEndpoint {
    /// Asks the login host whether `access_token` is active, once, as `client`. Looking at a session does not prolong
    /// it.
    ///
    /// An app may look at its own tokens; at those of others only with the permission *Introspect All Tokens*
    /// (Salesforce Help, "OAuth 2.0 Token Introspection Endpoint"). Time and size are bounded as for
    /// [`exchange`](Self::exchange).
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange); [`OutcomeUnknown`](TokenErrorKind::OutcomeUnknown) also for an answer that does
    /// not say whether the token is active. No error says anything about the token.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    pub async fn introspect(
        &self,
        client: &Client,
        access_token: &Secret,
    ) -> Result<Introspection, TokenError> {
        let mut form = vec![("token", access_token.expose()), ("token_type_hint", "access_token")];
        form.extend(client.fields());
        let answer = self.post(self.login.introspect(), &form).await?;
        let asked = Asked::with(&form);
        let is_whole = answer.status.is_success() && answer.cut.is_none();
        if !is_whole || taxonomy::is_encoded(&answer.headers) {
            return Err(answer.into_refusal(asked));
        }
        match Introspection::read(&answer.body, asked) {
            Ok(introspection) => Ok(Introspection { server_time: answer.server_time(), ..introspection }),
            // F103
            Err(error) if error.kind() == TokenErrorKind::OutcomeUnknown => {
                Err(error.with_note(&taxonomy::describe(answer.status, &answer.headers)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Introspection {
    /// Reads the body of an answer with status 200 to what was `asked`.
    pub(super) fn read(body: &[u8], asked: Asked<'_>) -> Result<Self, TokenError> {
        let json = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body); // F107
        // The parser's own error is dropped: it quotes values.
        let fields: Map<String, Value> = serde_json::from_slice(json).unwrap_or_default();
        let Some(active) = fields.get("active").and_then(Value::as_bool) else {
            let read = reading::read(body);
            return Err(match &read.error {
                Some(code) => taxonomy::named(asked, code, &read), // F102
                None => TokenError::new(TokenErrorKind::OutcomeUnknown)
                    .with_reason(taxonomy::is_page(body).then_some(TokenErrorReason::NotTokenEndpoint))
                    .with_note("the answer does not say whether the token is active"),
            });
        };
        let text = |name| {
            let text = fields.get(name)?.as_str()?;
            Some(printable(&form::redact(text, asked.sent())))
        };
        // Seconds, where a token answer's `issued_at` is in milliseconds.
        let time = |name| fields.get(name)?.as_u64().map(Duration::from_secs);
        Ok(Self {
            active,
            expires_at: time("exp"),
            issued_at: time("iat"),
            not_before: time("nbf"),
            server_time: None,
            scope: text("scope"),
            username: text("username"),
            client_id: text("client_id"),
            subject: text("sub"),
            token_type: text("token_type"),
        })
    }
}

#[cfg(test)]
mod tests;
