//! One token request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE, DATE},
};
use http_body_util::Full;

use super::{
    answer::TokenResponse,
    error::{TokenError, TokenErrorKind},
    form,
    reason::TokenErrorReason,
    taxonomy::{self, Asked},
    transfer::{self, Answer, Bounds, Cut},
    transport::Transport,
};
use crate::{grant::LoginOrigin, http_date};

/// Token answers have some 2 KiB. Whatever is larger is no token answer, and is not read to its end (F104).
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// One deadline for everything, from readiness to the last byte of the answer (F105). Salesforce answers within a
/// second or two; a rotating grant must not give up early, since the answer may hold its only living token.
const LIMIT: Duration = Duration::from_secs(10);

/// The token endpoint of one connection: what a [`Grant`](crate::grant::Grant) sends its request through.
///
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    pub(super) transport: Transport,
    pub(super) login: Arc<LoginOrigin>,
}

impl TokenEndpoint {
    pub(crate) fn new(transport: Transport, login: LoginOrigin) -> Self {
        Self { transport, login: Arc::new(login) }
    }

    /// Where token requests go, for example `https://login.salesforce.com/services/oauth2/token`.
    #[must_use]
    pub fn token_url(&self) -> &Uri {
        self.login.token()
    }

    /// The login host with the path of an Experience Cloud site, for example `https://login.salesforce.com`: what an
    /// assertion names as its audience.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.login.base()
    }

    /// Sends one token request with the fields of `form` and reads its answer.
    ///
    /// The fields are sent as `application/x-www-form-urlencoded`; there are no authorisation headers, and nothing of
    /// the form ever stands in a URL or in an error. The answer may take 10 s in all and have 64 KiB; redirects are not
    /// followed, and a compressed answer is not read. `grant_type` tells how a refusal is to be understood.
    ///
    /// # Errors
    ///
    /// - [`NotSent`](TokenErrorKind::NotSent) when provably no byte was sent: the transport was not ready, or could not
    ///   connect;
    /// - [`OutcomeUnknown`](TokenErrorKind::OutcomeUnknown) when no answer came, or one that says nothing definite;
    /// - [`Rejected`](TokenErrorKind::Rejected) for an answer that must not be used; a refresh token in it is
    ///   [kept](TokenError::kept);
    /// - the other kinds of [`TokenErrorKind`], as the endpoint's refusal says.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: with a rotating grant a dropped request may have spent the refresh token.
    pub async fn exchange(&self, form: &[(&str, &str)]) -> Result<TokenResponse, TokenError> {
        let answer = self.post(self.login.token(), form).await?;
        let server_time = answer.server_time();
        answer.into_tokens(Asked::with(form)).map_err(|error| error.with_server_time(server_time))
    }

    /// Sends `form` to `uri`; fails when not even the head of an answer came.
    pub(super) async fn post(&self, uri: &Uri, form: &[(&str, &str)]) -> Result<Answer, TokenError> {
        transfer::send(&self.transport, request(uri, form)?, Bounds { time: LIMIT, bytes: BODY_LIMIT }).await
    }
}

fn request(uri: &Uri, form: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, TokenError> {
    // F106: no Accept-Encoding, so that nobody has a reason to compress.
    Request::post(uri.clone())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Full::new(Bytes::from_owner(form::encode(form)))) // wiped when the last handle goes
        .map_err(TokenError::grant)
}

impl Answer {
    pub(super) fn server_time(&self) -> Option<Duration> {
        http_date::of(&self.headers, DATE)
    }

    fn into_tokens(self, asked: Asked<'_>) -> Result<TokenResponse, TokenError> {
        if !self.status.is_success() {
            return Err(self.into_refusal(asked));
        }
        if taxonomy::is_encoded(&self.headers) {
            return Err(TokenError::new(TokenErrorKind::OutcomeUnknown)
                .with_note(&taxonomy::describe(self.status, &self.headers)));
        }
        match self.cut {
            None => TokenResponse::read(&self.body, asked).map_err(|error| match error.kind() {
                // F103: a page in place of an answer.
                TokenErrorKind::OutcomeUnknown => error
                    .with_reason(taxonomy::is_page(&self.body).then_some(TokenErrorReason::NotTokenEndpoint))
                    .with_note(&taxonomy::describe(self.status, &self.headers)),
                _ => error,
            }),
            Some(Cut::Oversized) => {
                Err(TokenResponse::salvage(&self.body, "the answer has more than 64 KiB"))
            }
            Some(Cut::TimedOut) => Err(TokenResponse::salvage(&self.body, "the answer took more than 10 s")),
            Some(Cut::Failed(error)) => {
                Err(TokenResponse::salvage(&self.body, "the answer broke off").with_source(error))
            }
        }
    }

    /// The error for an answer that is no success.
    pub(super) fn into_refusal(self, asked: Asked<'_>) -> TokenError {
        match self.cut {
            // Too long to be the endpoint's, but the status stands.
            None | Some(Cut::Oversized) => taxonomy::refused(asked, self.status, &self.headers, &self.body),
            Some(Cut::TimedOut) => TokenError::new(TokenErrorKind::OutcomeUnknown)
                .with_note(&format!("HTTP {}, and no end of the answer within 10 s", self.status.as_u16())),
            Some(Cut::Failed(error)) => TokenError::new(TokenErrorKind::OutcomeUnknown)
                .with_note(&format!("HTTP {}, and the answer broke off", self.status.as_u16()))
                .with_source(error),
        }
    }
}

#[cfg(test)]
mod tests;
