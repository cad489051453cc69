//! TLS to a server whose certificate and name are always checked.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use crate::{BoxError, store::StoreError};

/// Whose certificates are trusted.
#[derive(Clone)]
pub(in crate::store) struct Roots(Arc<RootCertStore>);

impl Default for Roots {
    /// Those that Mozilla trusts.
    fn default() -> Self {
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()))
    }
}

impl Roots {
    /// The certificates in a PEM text, and no others.
    pub(in crate::store) fn from_pem(pem: &[u8]) -> Result<Self, StoreError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(StoreError::unavailable)?;
            roots.add(certificate).map_err(StoreError::unavailable)?;
        }
        if roots.is_empty() {
            return Err(StoreError::unavailable(
                "there is no certificate in the PEM text of root certificates",
            ));
        }
        Ok(Self(Arc::new(roots)))
    }

    /// What opens connections; `protocol` is offered by ALPN.
    pub(in crate::store) fn connector(&self, protocol: Option<&[u8]>) -> Result<TlsConnector, StoreError> {
        // Named, because the default one is a panic as soon as two are compiled in.
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(StoreError::unavailable)?
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// An encrypted stream.
pub(in crate::store) struct TlsStream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands with the server `name`.
    pub(in crate::store) async fn connect(
        connector: &TlsConnector,
        name: &str,
        stream: S,
    ) -> Result<Self, BoxError> {
        let name = ServerName::try_from(name.to_owned())?;
        Ok(Self(connector.connect(name, stream).await?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
