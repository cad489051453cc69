//! HTTP/2 peers that end the stream or the connection while the second send is under way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tower::ServiceExt;
use tower_salesforce_auth::AuthError;

use crate::{
    frames::Peer,
    net::{Counting, Server, Version, over},
    support::{EXPIRED, Org, get},
};

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY that counts the stream among those that were looked at, then the end.
    GoAwayAfter,
    /// GOAWAY that says that the stream was not looked at, then the end.
    GoAwayBefore,
    /// The end, without a word.
    Close,
}

/// Accepts, refuses, then does this with the second send; accepts what comes later.
async fn serve(stream: tokio::net::TcpStream, fault: Fault, requests: Arc<AtomicUsize>) {
    let mut peer = Peer::accept(stream).await;
    while let Some(stream) = peer.request().await {
        match requests.fetch_add(1, SeqCst) {
            1 => peer.answer(stream, 401, EXPIRED).await,
            2 => match fault {
                Fault::Reset(code) => peer.reset(stream, code).await,
                Fault::GoAwayAfter => return peer.go_away(stream).await,
                Fault::GoAwayBefore => return peer.go_away(stream - 2).await,
                Fault::Close => return,
            },
            _ => peer.answer(stream, 200, "{}").await,
        }
    }
}

#[tokio::test]
async fn f157_a_stream_or_a_connection_that_ends_during_the_resend_is_the_clients_error_and_there_is_no_third_send()
 {
    let faults = [
        Fault::Reset(0),  // NO_ERROR
        Fault::Reset(2),  // INTERNAL_ERROR
        Fault::Reset(7),  // REFUSED_STREAM: safe to send again, for a layer below
        Fault::Reset(8),  // CANCEL
        Fault::Reset(13), // HTTP_1_1_REQUIRED
        Fault::GoAwayAfter,
        Fault::GoAwayBefore,
        Fault::Close,
    ];
    for fault in faults {
        let org = Org::new();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let server = Server::accepting(move |stream| serve(stream, fault, Arc::clone(&counted))).await;
        let client = Counting::new(Version::Http2.client());
        let salesforce = over(&org, &server.url, client).await;
        salesforce.clone().oneshot(get("/warm")).await.unwrap();

        let error = salesforce.clone().oneshot(get("/r")).await.unwrap_err();
        assert!(error.is::<hyper_util::client::legacy::Error>(), "{fault:?}: {error}");
        assert!(AuthError::find(&*error).is_none(), "{fault:?}");
        assert_eq!(salesforce.get_ref().sends(), 3, "{fault:?}: one to warm up, and two");
        assert_eq!((requests.load(SeqCst), org.token_requests()), (3, 2), "{fault:?}");

        // The refresh was not in vain, and the session knows nothing of the fault.
        assert_eq!(salesforce.clone().oneshot(get("/r")).await.unwrap().status(), 200, "{fault:?}");
        assert_eq!((salesforce.get_ref().sends(), org.token_requests()), (4, 2), "{fault:?}");
    }
}
