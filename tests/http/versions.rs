//! End to end: HTTP/1.1 and HTTP/2, plain and under TLS.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, BoxError, Diagnosis, SalesforceAuthLayer, Session, SessionBuilder,
    grant::{Client as App, LoginHost, RefreshToken},
    store::MemoryStore,
    testing::{ApiAnswer, FakeOrg, TokenAnswer},
};

use crate::{
    net::{BOTH, Server, Version, session},
    support::get,
};

const LIMITS: &str = "/services/data/v65.0/limits";
const ECHO: &str = "/services/apexrest/echo?x=%2e";

fn post(target: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(target).body(Full::new(body)).unwrap()
}

async fn json<B: Body<Error: std::fmt::Debug>>(response: Response<B>) -> serde_json::Value {
    assert_eq!(response.status(), StatusCode::OK);
    assert!(Diagnosis::of(&response).is_none());
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Sends what the layer must carry through an expired session, and compares what arrived.
async fn rides_through<S, B>(org: &FakeOrg, salesforce: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: Body<Error: std::fmt::Debug>,
{
    json(salesforce.clone().oneshot(get(LIMITS)).await.unwrap()).await;
    org.expire_sessions();
    let upload = Bytes::from(vec![b'x'; 1 << 20]);
    let echo = json(salesforce.clone().oneshot(post(ECHO, upload.clone())).await.unwrap()).await;
    assert_eq!(echo["sha256"], sha256(&upload));
    assert_eq!(echo["target"], ECHO);
    assert_eq!((org.counters().token_requests, org.counters().refused), (2, 1));

    // A herd on an expired session: one refresh, nobody fails.
    org.expire_sessions();
    for response in join_all((0..50).map(|_| salesforce.clone().oneshot(get(LIMITS)))).await {
        json(response.unwrap()).await;
    }
    let seen = org.counters();
    assert_eq!((seen.token_requests, seen.refresh_tokens_reused, seen.malformed_credentials), (3, 0, 0));
    assert_eq!(seen.requests, 2 + 50 + seen.refused, "one resend for each refusal");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_expired_session_is_ridden_through_over_both_versions_of_http() {
    for version in BOTH {
        let org = FakeOrg::start().await.unwrap();
        rides_through(&org, SalesforceAuthLayer::new(session(&org)).layer(version.client())).await;
    }
}

#[tokio::test]
async fn f156_an_upload_that_is_refused_before_it_is_read_arrives_whole_the_second_time() {
    for version in BOTH {
        let org = FakeOrg::start().await.unwrap();
        let salesforce = SalesforceAuthLayer::new(session(&org)).layer(version.client());
        json(salesforce.clone().oneshot(get(LIMITS)).await.unwrap()).await;
        org.answer_api_requests(ApiAnswer::EarlyDeadSession.next(1));
        let upload = Bytes::from(vec![b'x'; 64 << 10]);
        let echo = json(salesforce.oneshot(post(ECHO, upload.clone())).await.unwrap()).await;
        assert_eq!(echo["sha256"], sha256(&upload), "{version:?}");
        assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3), "{version:?}");
    }
}

// === TLS ===

/// An org behind TLS, with a certificate of its own for `localhost`.
struct TlsOrg {
    org: FakeOrg,
    url: String,
    certificate: CertificateDer<'static>,
    server: Server,
}

type HttpsClient = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl TlsOrg {
    /// Ends TLS and passes the bytes on: what is inside is the same either way.
    async fn start() -> Self {
        let org = FakeOrg::start().await.unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let target = org.url().trim_start_matches("http://").to_owned();
        let server = Server::accepting(move |stream| {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            async move {
                // A client that does not trust us ends it here.
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut org = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut org).await;
            }
        })
        .await;
        let url = server.url.replace("http://127.0.0.1", "https://localhost");
        org.answer_token_requests(TokenAnswer::with("instance_url", url.as_str()));
        Self { org, url, certificate, server }
    }

    /// A client that trusts the org, or nobody.
    fn client(&self, version: Version, trusts: bool) -> HttpsClient {
        let mut roots = RootCertStore::empty();
        if trusts {
            roots.add(self.certificate.clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        let connector = match version {
            Version::Http1 => connector.enable_http1().build(),
            Version::Http2 => connector.enable_http2().build(),
        };
        legacy::Client::builder(TokioExecutor::new()).build(connector)
    }

    fn session(&self, transport: HttpsClient) -> Session {
        self.builder().transport(transport).allow_loopback().build().unwrap()
    }

    fn builder(&self) -> SessionBuilder {
        let app = App::confidential(self.org.client_id(), self.org.client_secret());
        let grant = RefreshToken::new(app, LoginHost::my_domain(&*self.url), self.org.issue_refresh_token());
        Session::builder("acme", grant).store(MemoryStore::volatile())
    }
}

#[tokio::test]
async fn an_expired_session_is_ridden_through_under_tls() {
    for version in BOTH {
        let tls = TlsOrg::start().await;
        let client = tls.client(version, true);
        let session = tls.session(client.clone());
        rides_through(&tls.org, SalesforceAuthLayer::new(session).layer(client)).await;
        if version == Version::Http2 {
            assert!(tls.server.connections() <= 2, "negotiated: one connection, or two that raced");
        }
    }
}

#[tokio::test]
async fn f136_a_client_that_does_not_trust_the_host_sends_no_token_and_gets_its_own_error() {
    for version in BOTH {
        let tls = TlsOrg::start().await;
        let session = tls.session(tls.client(version, true));
        session.access_token().await.unwrap();
        let salesforce = SalesforceAuthLayer::new(session).layer(tls.client(version, false));
        let error = salesforce.oneshot(get(LIMITS)).await.unwrap_err();
        assert!(error.is::<legacy::Error>(), "{error}");
        assert_eq!((tls.org.counters().requests, tls.org.counters().token_requests), (0, 1));

        // The same for the token endpoint: typed, and provably not sent.
        let session = tls.session(tls.client(version, false));
        let error = session.access_token().await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable, "{error}");
        assert!(AuthError::find(&error).is_some_and(AuthError::is_transient));
        assert_eq!(tls.org.counters().token_requests, 1);
    }
}

/// The roots that come with it are Mozilla's, and nothing takes the place of their check: not a loopback host either.
#[tokio::test]
async fn s34_f136_the_crates_own_transport_sends_nothing_to_a_host_that_it_does_not_trust() {
    let tls = TlsOrg::start().await;
    let session = tls.builder().allow_loopback().build().unwrap();
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable, "{error}");
    assert_eq!(tls.org.counters().token_requests, 0);
    assert!(tls.server.connections() > 0, "it was there, and was asked who it is");
}
