//! What happens to a session, for whoever must know: a person has to connect again, the org has moved.

use std::fmt;

use tokio::sync::broadcast;

use crate::{error::AuthError, instance_url::InstanceUrl, token::Generation};

/// How many events a slow listener may be behind before it misses some.
const BACKLOG: usize = 64;

/// Something that happened to a session. Holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This process sent a token request and serves what came back.
    #[non_exhaustive]
    Refreshed {
        /// The number of the new token set.
        generation: Generation,
    },
    /// Another process refreshed; this one serves its token set.
    #[non_exhaustive]
    Adopted {
        /// The number of the new token set.
        generation: Generation,
    },
    /// The org is at another host now; requests follow.
    #[non_exhaustive]
    InstanceMoved {
        /// Where it was.
        from: InstanceUrl,
        /// Where it is.
        to: InstanceUrl,
    },
    /// A person must connect again, then call [`Session::reconnect`](crate::Session::reconnect). Sent once, until the
    /// connection works again.
    ReauthorisationRequired(AuthError),
    /// Sessions die young: so many in a row were accepted and refused within five minutes of their beginning. Another
    /// process evicts them, or ends them with refreshes of its own; let all share one token store. Told at the third;
    /// each is refreshed all the same.
    #[non_exhaustive]
    SessionsDieYoung {
        /// How many.
        sessions: u32,
    },
    /// A refresh failed for another reason.
    RefreshFailed(AuthError),
    /// The configured refresh token was ignored, because the stored connection is alive.
    SeedIgnored,
    /// A token set is in use that the store has not taken yet; storing it goes on.
    CommitDelayed,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refreshed { generation } => write!(f, "refreshed: generation {generation}"),
            Self::Adopted { generation } => {
                write!(f, "adopted another process's refresh: generation {generation}")
            }
            Self::InstanceMoved { from, to } => write!(f, "the org moved from {from} to {to}"),
            Self::ReauthorisationRequired(error) => write!(f, "re-authorisation required: {error}"),
            Self::SessionsDieYoung { sessions } => {
                write!(f, "{sessions} sessions in a row died young: another process may evict them")
            }
            Self::RefreshFailed(error) => write!(f, "refresh failed: {error}"),
            Self::SeedIgnored => {
                f.write_str("the configured refresh token was ignored: the stored one is alive")
            }
            Self::CommitDelayed => f.write_str("a token set could not be stored yet; storing it goes on"),
        }
    }
}

/// A session's events from the moment of [`Session::events`](crate::Session::events) on.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the session is gone. A listener that is more than 64 events behind misses the
    /// oldest.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct Announcer {
    connection: String,
    sender: broadcast::Sender<Event>,
}

impl Announcer {
    pub(crate) fn new(connection: &str) -> Self {
        Self { connection: connection.to_owned(), sender: broadcast::channel(BACKLOG).0 }
    }

    pub(crate) fn listen(&self) -> Events {
        Events(self.sender.subscribe())
    }

    /// Tells everybody; nobody has to listen. To be called with no lock held: a `tracing` subscriber runs here.
    pub(crate) fn announce(&self, event: Event) {
        // F010: a subscriber that panics must not end the refresh that it is told of.
        #[cfg(feature = "tracing")]
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match &event {
            Event::Refreshed { .. } | Event::Adopted { .. } | Event::InstanceMoved { .. } => {
                tracing::info!(connection = %self.connection, "{event}");
            }
            _ => tracing::warn!(connection = %self.connection, "{event}"),
        }));
        #[cfg(not(feature = "tracing"))]
        let _ = &self.connection;
        let _ = self.sender.send(event);
    }
}
