//! Request bodies as they arrive.

use std::pin::pin;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};

use super::body::Dropped;

/// What arrived of a request's body.
pub(super) struct Upload {
    /// All of it, or nothing if only its digest is of interest.
    pub(super) bytes: Bytes,
    pub(super) length: u64,
    pub(super) sha256: [u8; 32],
}

/// What is wanted of a body.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Bytes,
    /// However large it is, no more than a frame of it is held.
    Digest,
    /// That many bytes at least; fewer if it ends before. The rest is left where it is.
    Beginning(u64),
}

impl Upload {
    pub(super) async fn read(body: &mut Incoming, wanted: Wanted) -> Result<Self, Dropped> {
        let (mut bytes, mut length, mut sha256) = (Vec::new(), 0, Sha256::new());
        let mut body = pin!(body);
        let most = if let Wanted::Beginning(most) = wanted { most } else { u64::MAX };
        while length < most {
            let Some(frame) = body.frame().await else { break };
            if let Ok(data) = frame.map_err(|_| Dropped)?.into_data() {
                length += data.remaining() as u64;
                match wanted {
                    Wanted::Bytes => bytes.extend_from_slice(&data),
                    Wanted::Digest => sha256.update(&data),
                    Wanted::Beginning(_) => {}
                }
            }
        }
        Ok(Self { bytes: bytes.into(), length, sha256: sha256.finalize().into() })
    }
}

/// Reads what is left of a body and throws it away, until the client ends or breaks off.
pub(super) async fn discard(body: Incoming) {
    let mut body = pin!(body);
    while let Some(Ok(_)) = body.frame().await {}
}
