//! One request and its answer, within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use zeroize::Zeroizing;

use super::{
    error::{TokenError, TokenErrorKind},
    transport::{Transport, is_unsent},
};
use crate::{BoxError, clock};

/// What a request may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// For everything, from readiness to the last byte of the answer (F105).
    pub(super) time: Duration,
    /// How much of the answer's body is read (F104).
    pub(super) bytes: usize,
}

/// An answer, of which at least the head came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) cut: Option<Cut>,
}

/// Why a transfer ended early.
pub(super) enum Cut {
    Failed(BoxError),
    Oversized,
    TimedOut,
}

/// Sends `request`; fails when not even the head of an answer came.
pub(super) async fn send(
    transport: &Transport,
    request: Request<Full<Bytes>>,
    bounds: Bounds,
) -> Result<Answer, TokenError> {
    let mut progress = Progress::Waiting;
    let mut body = Zeroizing::new(Vec::new());
    // The future is boxed: it holds the transport's own, and sits in every refresh.
    let transfer = Box::pin(transfer(transport, request, bounds.bytes, &mut progress, &mut body));
    let cut = match clock::within(bounds.time, transfer).await {
        Some(Ok(())) => None,
        Some(Err(cut)) => Some(cut),
        None => Some(Cut::TimedOut),
    };
    let seconds = bounds.time.as_secs();
    match (progress, cut) {
        (Progress::Answered(status, headers), cut) => Ok(Answer { status, headers, body, cut }),
        (Progress::Waiting, Some(Cut::Failed(error))) => {
            Err(TokenError::new(TokenErrorKind::NotSent).with_source(error))
        }
        (Progress::Waiting, _) => Err(TokenError::new(TokenErrorKind::NotSent)
            .with_note(&format!("the transport was not ready within {seconds} s"))),
        (Progress::Sent, Some(Cut::Failed(error))) => {
            let kind =
                if is_unsent(&*error) { TokenErrorKind::NotSent } else { TokenErrorKind::OutcomeUnknown };
            Err(TokenError::new(kind).with_source(error))
        }
        (Progress::Sent, _) => Err(TokenError::new(TokenErrorKind::OutcomeUnknown)
            .with_note(&format!("no answer within {seconds} s"))),
    }
}

/// How far a request came. Kept outside of the transfer, because a time-out drops that.
enum Progress {
    /// Nothing was handed to the transport.
    Waiting,
    /// The transport has the request.
    Sent,
    Answered(StatusCode, HeaderMap),
}

async fn transfer(
    transport: &Transport,
    request: Request<Full<Bytes>>,
    limit: usize,
    progress: &mut Progress,
    body: &mut Vec<u8>,
) -> Result<(), Cut> {
    let ready = transport.ready().await.map_err(Cut::Failed)?;
    *progress = Progress::Sent;
    let (head, mut incoming) = ready.send(request).await.map_err(Cut::Failed)?.into_parts();
    *progress = Progress::Answered(head.status, head.headers);
    // At full size at once: a buffer that grows leaves unwiped copies of tokens behind.
    body.reserve_exact(limit);
    let mut allowance = limit;
    while let Some(frame) = incoming.frame().await {
        let data = frame.map_err(Cut::Failed)?.into_data().unwrap_or_default();
        // An empty frame costs one byte too, or a stream of them would never end and never yield.
        let cost = data.len().max(1);
        body.extend_from_slice(&data[..data.len().min(allowance)]);
        allowance = allowance.checked_sub(cost).ok_or(Cut::Oversized)?;
    }
    Ok(())
}
