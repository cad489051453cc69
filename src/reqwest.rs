//! A `reqwest` client below the layer (feature `reqwest`).
//!
//! `reqwest::Client` is no `Service` of `http` requests; [`ReqwestService`] makes one of it. Callers go on with `http`
//! types above the layer, and can turn an answer into a `reqwest::Response` for its `json()` and `text()`:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_salesforce_auth::{Diagnosis, SalesforceAuthLayer, reqwest::ReqwestService};
//! # use tower_salesforce_auth::{Session, grant::{Client, LoginHost, RefreshToken}, store::MemoryStore, testing::FakeOrg};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_salesforce_auth::BoxError> {
//! # let org = FakeOrg::start().await?;
//! # let app = Client::confidential(org.client_id(), org.client_secret());
//! # let grant = RefreshToken::new(app, LoginHost::my_domain(org.url()), org.issue_refresh_token());
//! # let session = Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build()?;
//! let salesforce = ServiceBuilder::new()
//!     .layer(SalesforceAuthLayer::new(session))
//!     .service(ReqwestService::build(reqwest::Client::builder())?);
//! # org.expire_sessions();
//!
//! let request = Request::get("/services/data/v65.0/limits").body(Full::<Bytes>::default())?;
//! let response = salesforce.oneshot(request).await?;
//! if let Some(diagnosis) = Diagnosis::of(&response) {
//!     eprintln!("{diagnosis}"); // before `error_for_status`, which drops it
//! }
//! let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
//! assert!(response.error_for_status()?.text().await?.contains("DailyApiRequests"));
//! # Ok(())
//! # }
//! ```
//!
//! # What reqwest does by itself
//!
//! - **Redirects.** They must be off: reqwest drops `Authorization` on its way to another host, but not the
//!   `X-SFDC-Session` of Bulk API 1.0, so that the host would get the session; and it would hand a foreign host's answer
//!   over as Salesforce's. [`ReqwestService::build`] turns them off; a finished client cannot be asked, so that
//!   [`ReqwestService::new`] relies on its caller. An answer that came by a redirect is an error, but what was sent to
//!   get it has been sent by then.
//! - **Retries.** A request that HTTP/2 says was not processed is sent again by reqwest if its body can be cloned, which
//!   is so for the bodies below that are not wrapped. The layer knows nothing of it and needs not.
//! - **Targets.** reqwest parses URLs in the manner of browsers, which removes `..` and `%2e%2e` and turns backslashes
//!   around. A target that would become another path is an error here and is not sent (F131). Characters that are
//!   merely percent-encoded are sent that way.
//! - **Default headers.** Those that a client adds to every request come below the layer. An `Authorization` among them
//!   would stand beside the `X-SFDC-Session` of Bulk API 1.0: leave it out.
//! - **Decompression.** With reqwest's features for it the layer sees decoded refusals, which is what it needs.
//!
//! This crate enables none of reqwest's features: what speaks TLS is chosen where the application depends on reqwest.

use std::{
    any::Any,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use ::reqwest::{Client, ClientBuilder, Url, redirect::Policy};
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    BoxError,
    error::{AuthError, AuthErrorKind},
};

/// A `reqwest::Client` as a service of `http` requests, see [the module](self).
///
/// Requests need absolute URIs, which they have below [`SalesforceAuthLayer`](crate::SalesforceAuthLayer). Any `Send`
/// body will do. `Full<Bytes>`, `Empty<Bytes>` and `reqwest::Body` are handed over as they are, any other is wrapped
/// and streamed.
///
/// # Errors
///
/// The future resolves to
/// - `reqwest::Error`, without the URL, whose query may hold secrets (F137);
/// - [`AuthError`] of the kind [`UnsupportedTarget`](AuthErrorKind::UnsupportedTarget) for a URI that is not absolute, or
///   that reqwest would change: nothing was sent;
/// - [`RedirectFollowed`] if the client is not set up as it must be.
///
/// # Cancel safety
///
/// As `reqwest::Client::execute`: dropping the future ends the request.
#[derive(Clone, Debug)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Builds the client, with redirects turned off whatever `builder` says of them.
    ///
    /// # Errors
    ///
    /// As `ClientBuilder::build`: the TLS backend or the resolver cannot be set up.
    pub fn build(builder: ClientBuilder) -> Result<Self, ::reqwest::Error> {
        builder.redirect(Policy::none()).build().map(Self::new)
    }

    /// Takes a client that exists. It must have been built with `redirect(Policy::none())`: one that follows redirects
    /// sends the session of Bulk API 1.0 to wherever they lead.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    #[must_use]
    pub fn get_ref(&self) -> &Client {
        &self.client
    }

    /// The client, by value.
    #[must_use]
    pub fn into_inner(self) -> Client {
        self.client
    }
}

impl<B> Service<Request<B>> for ReqwestService
where
    B: Body + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<::reqwest::Body>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let url = match url(request.uri()) {
            Ok(url) => url,
            Err(error) => return ResponseFuture { state: State::Failed { error: Some(error.into()) } },
        };
        let state = match ::reqwest::Request::try_from(request.map(body)) {
            Ok(request) => State::Sent { pending: self.client.call(request), url },
            Err(error) => State::Failed { error: Some(error.without_url().into()) },
        };
        ResponseFuture { state }
    }
}

/// What reqwest makes of `uri`, if that is the same target.
fn url(uri: &Uri) -> Result<Url, AuthError> {
    let unsupported = |message| AuthError::new(AuthErrorKind::UnsupportedTarget, message);
    let (Some(_), Some(host)) = (uri.scheme(), uri.host()) else {
        return Err(unsupported("reqwest needs absolute URIs: put ReqwestService below SalesforceAuthLayer"));
    };
    let url = Url::parse(&uri.to_string())
        .map_err(|error| unsupported("reqwest cannot read the URI").with_source(error))?;
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let same = url.host_str().is_some_and(|parsed| parsed.eq_ignore_ascii_case(host))
        && url.port_or_known_default() == uri.port_u16().or_else(|| default_port(uri))
        && is_encoding_of(url.path(), path)
        && match (url.query(), uri.query()) {
            (Some(sent), Some(given)) => is_encoding_of(sent, given),
            (sent, given) => sent.is_none() && given.is_none(),
        };
    if same { Ok(url) } else { Err(unsupported("reqwest would send the request to another path")) }
}

fn default_port(uri: &Uri) -> Option<u16> {
    match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    }
}

/// Whether `sent` is `given` with some of its bytes percent-encoded.
fn is_encoding_of(sent: &str, given: &str) -> bool {
    let mut sent = sent.bytes();
    given.bytes().all(|byte| match sent.next() {
        Some(b'%') if byte != b'%' => {
            let mut digit = || sent.next().and_then(|digit| char::from(digit).to_digit(16));
            digit().zip(digit()).is_some_and(|(high, low)| high * 16 + low == u32::from(byte))
        }
        other => other == Some(byte),
    }) && sent.next().is_none()
}

/// The body for reqwest; bytes that are at hand stay bytes, since reqwest repeats no stream.
fn body<B>(mut body: B) -> ::reqwest::Body
where
    B: Body + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    let any: &mut dyn Any = &mut body;
    if let Some(full) = any.downcast_mut::<Full<Bytes>>() {
        return bytes_of(full).into();
    }
    if any.is::<Empty<Bytes>>() {
        return Bytes::new().into();
    }
    if let Some(own) = any.downcast_mut::<::reqwest::Body>() {
        return std::mem::take(own);
    }
    ::reqwest::Body::wrap(Shareable(Mutex::new(Box::pin(body))))
}

/// A `Full` yields its bytes as one frame, at once.
fn bytes_of(full: &mut Full<Bytes>) -> Bytes {
    match pin!(full).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// A body that is `Sync`, as reqwest wants it, though the one inside need not be. The lock is never contended.
struct Shareable<B>(Mutex<Pin<Box<B>>>);

impl<B: Body> Shareable<B> {
    fn ask<T>(&self, question: impl FnOnce(&B) -> T) -> T {
        question(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B: Body> Body for Shareable<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ask(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(B::size_hint)
    }
}

pin_project! {
    /// The future of [`ReqwestService`].
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Sent { #[pin] pending: <Client as Service<::reqwest::Request>>::Future, url: Url },
        Failed { error: Option<BoxError> },
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<::reqwest::Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { pending, url } => {
                let response = ready!(pending.poll(cx)).map_err(::reqwest::Error::without_url)?;
                let followed = response.url() != url;
                Poll::Ready(if followed { Err(RedirectFollowed.into()) } else { Ok(response.into()) })
            }
            StateProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// The client below has followed a redirect, which it must not; its answer is not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectFollowed;

impl fmt::Display for RedirectFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the reqwest client followed a redirect, and the answer may be anybody's: make it with \
             ReqwestService::build, or with redirect(Policy::none())",
        )
    }
}

impl StdError for RedirectFollowed {}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};

    use super::*;

    fn sent(uri: &str) -> Result<String, AuthErrorKind> {
        url(&uri.parse().unwrap()).map(|url| url.to_string()).map_err(|error| error.kind())
    }

    #[test]
    fn f131_a_target_that_reqwest_would_change_is_refused() {
        const HOST: &str = "https://acme.my.salesforce.com";
        for same in ["/", "//x", "/a;b=c", "/a?", "/?", "/a?b=%zz&c=d?e", "/a//b/", "/%41", "/a@b"] {
            assert_eq!(sent(&format!("{HOST}{same}")), Ok(format!("{HOST}{same}")));
        }
        for changed in ["/a/../b", "/a/./b", "/%2e%2e/x", "/a/%2E", "/a\\b", "/.."] {
            let changed = format!("{HOST}{changed}");
            assert_eq!(sent(&changed), Err(AuthErrorKind::UnsupportedTarget), "{changed}");
        }
        assert_eq!(sent(&format!("{HOST}/q?q=Name='ä'")), Ok(format!("{HOST}/q?q=Name=%27%C3%A4%27")));
        assert_eq!(sent(HOST), Ok(format!("{HOST}/")));
        assert_eq!(sent(&format!("{HOST}:443/")), Ok(format!("{HOST}/")));
        assert_eq!(sent("http://127.0.0.1:9000/x"), Ok("http://127.0.0.1:9000/x".into()));
        assert_eq!(sent("http://[::1]:9000/x"), Ok("http://[::1]:9000/x".into()));
        for host in ["https://0x7f.1/", "https://acme%2emy.salesforce.com/"] {
            if let Ok(uri) = host.parse() {
                assert!(url(&uri).is_err(), "{host}");
            }
        }
        assert_eq!(sent("/services/data"), Err(AuthErrorKind::UnsupportedTarget));
    }

    #[test]
    fn bytes_stay_bytes_and_streams_stay_streams() {
        assert_eq!(body(Full::new(Bytes::from_static(b"abc"))).as_bytes(), Some(&b"abc"[..]));
        assert_eq!(body(Full::<Bytes>::default()).as_bytes(), Some(&b""[..]));
        assert_eq!(body(Empty::<Bytes>::new()).as_bytes(), Some(&b""[..]));
        assert_eq!(body(::reqwest::Body::from("abc")).as_bytes(), Some(&b"abc"[..]));
        let stream = body(UnsyncBoxBody::new(Full::new(Bytes::from_static(b"abc"))));
        assert!(stream.as_bytes().is_none());
        assert_eq!(stream.size_hint().exact(), Some(3));
    }

    #[tokio::test]
    async fn a_body_that_is_not_sync_arrives_whole() {
        let text = body(UnsyncBoxBody::new(Full::new(Bytes::from_static(b"abc")))).collect().await.unwrap();
        assert_eq!(text.to_bytes(), "abc");
    }

    #[test]
    fn the_service_the_future_and_the_answer_can_go_anywhere() {
        fn anywhere<T: Send + Sync + 'static>() {}
        anywhere::<ReqwestService>();
        anywhere::<crate::PeekBody<::reqwest::Body>>();
        fn sendable<T: Send + Unpin + 'static>() {}
        sendable::<ResponseFuture>();
    }
}
