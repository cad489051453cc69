//! Looking at the org with an access token: what a diagnosis learns from, and nothing else does.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION},
};
use http_body_util::Full;
use zeroize::Zeroizing;

use super::{
    TokenEndpoint,
    error::{TokenError, TokenErrorKind},
    transfer::{self, Answer, Bounds},
};
use crate::{
    instance_url::InstanceUrl,
    refusal::{self, Head, PEEK_BYTES, Refusal},
    secret::Secret,
};

/// Somebody waits for the diagnosis, and an org that does not answer so small a question within 5 s is a finding, too.
const LIMIT: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    /// Who the user is: whether the session is alive at all, whatever it may do.
    Identity,
    /// The resources of the REST API: whether the session may use it.
    ///
    /// The list touches no record and needs no permission but the API's own; it counts as one call against the org's
    /// daily limit. Unlike the list of versions above it, it asks for a session.
    Rest,
}

impl Resource {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Identity => "/services/oauth2/userinfo",
            // Spring '24: every org has had it for long, and Salesforce supports a version for three years at least
            // (REST API Developer Guide, "API End-of-Life Policy"); by 2026 it has retired those up to 30.0.
            Self::Rest => "/services/data/v60.0/",
        }
    }
}

/// What the org answered.
pub(crate) struct ReadAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    resource: Resource,
    /// At most 16 KiB, and what had come by the deadline.
    body: Zeroizing<Vec<u8>>,
}

impl ReadAnswer {
    /// What the answer says about the session.
    pub(crate) fn refusal(&self) -> Refusal {
        refusal::read(Head::new(self.status, &self.headers, self.resource.path()), &self.body)
    }
}

/// Neither headers (cookies) nor body (the user).
impl fmt::Debug for ReadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAnswer")
            .field("resource", &self.resource)
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl TokenEndpoint {
    /// Reads `resource` of the org at `instance` with `access_token`, once, within 5 s. Redirects are not followed.
    ///
    /// An answer is an answer, whatever its status; of its body the first 16 KiB are kept. One that breaks off counts as
    /// far as it came.
    ///
    /// # Errors
    ///
    /// [`NotSent`](TokenErrorKind::NotSent) when provably nothing was sent, [`OutcomeUnknown`] when no answer came.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    ///
    /// [`OutcomeUnknown`]: TokenErrorKind::OutcomeUnknown
    pub(crate) async fn read(
        &self,
        instance: &InstanceUrl,
        resource: Resource,
        access_token: &Secret,
    ) -> Result<ReadAnswer, TokenError> {
        let request = request(instance, resource, access_token)
            .map_err(|error| TokenError::new(TokenErrorKind::NotSent).with_source(error))?;
        let bounds = Bounds { time: LIMIT, bytes: PEEK_BYTES };
        let Answer { status, headers, body, cut: _ } =
            transfer::send(&self.transport, request, bounds).await?;
        Ok(ReadAnswer { status, headers, resource, body })
    }
}

fn request(
    instance: &InstanceUrl,
    resource: Resource,
    access_token: &Secret,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let uri = Uri::builder()
        .scheme(instance.scheme().clone())
        .authority(instance.authority().clone())
        .path_and_query(resource.path())
        .build()?;
    let bearer = Zeroizing::new(format!("Bearer {}", access_token.expose()));
    let mut bearer = HeaderValue::from_str(&bearer)?;
    bearer.set_sensitive(true); // S07, S08
    // F106: no Accept-Encoding, so that nobody has a reason to compress.
    Request::get(uri)
        .header(AUTHORIZATION, bearer)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Full::default())
}

#[cfg(test)]
mod tests;
