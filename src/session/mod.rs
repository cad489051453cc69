//! The session: one connection to one org, shared by every handle that was cloned from it.

mod builder;
mod connect;
mod cool_down;
mod diagnose;
mod history;
mod landing;
mod live;
mod lookout;
mod recover;
mod state;
mod vigil;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::Uri;
use tokio::runtime::Handle;

use self::state::{Outcome, Shared};
pub use self::{
    builder::{BuildError, SessionBuilder},
    connect::Reconnect,
    diagnose::Diagnose,
};
pub(crate) use self::{
    live::{Live, X_SFDC_SESSION},
    recover::{Recovery, Refused},
};
use crate::{
    diagnosis::{self, Diagnosis, Facts, NotResendable},
    error::{AuthError, AuthErrorKind},
    event::Events,
    grant::Grant,
    instance_url::InstanceUrl,
    refusal::Refusal,
    token::{Generation, TokenSet},
};

/// How long after a flight that died at once the next one tries to store what it left: a store that panics may do so
/// because of a connection that is back a moment later.
const FLUSH_PAUSE: Duration = Duration::from_millis(500);

/// One connection to one org: its tokens, and the knowledge of how to get the next ones.
///
/// Cloning is cheap and shares everything; give every layer, job and task of one connection a clone of the same
/// session. Nothing is read, sent or spawned before the first request needs a token, and nothing runs in the background
/// other than a refresh under way, and looks at what a store may lose that says so.
///
/// # Cancel safety
///
/// Dropping any future of a session gives up waiting and nothing else: a refresh that was started goes on until what it
/// got is stored.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

impl Session {
    #[cfg(test)]
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Begins a session for `connection`, the application's own name of one customer's connection.
    ///
    /// The name is the store's key together with the kind of grant, and appears in events. Two customers of one app
    /// must have two names: before the first exchange they differ in nothing else.
    pub fn builder(connection: impl Into<String>, grant: impl Grant) -> SessionBuilder {
        SessionBuilder::new(connection.into(), grant)
    }

    /// The current access token, after a first exchange if there is none yet. For calls that do not go through the
    /// layer (a gRPC stream's metadata, a SOAP header).
    ///
    /// # Errors
    ///
    /// When there is no token and none can be had: see [`AuthErrorKind`].
    pub async fn access_token(&self) -> Result<AccessToken, AuthError> {
        self.acquire().await.map(|live| AccessToken::of(&live))
    }

    /// Replaces the current access token, whatever its state, and skips any pause after earlier failures. Joins a
    /// refresh that is under way. One that another process has made meanwhile, and the first that is found in the store,
    /// is taken without a token request; a token set that could not be stored yet is not replaced.
    ///
    /// # Errors
    ///
    /// When the refresh fails; everyone who waited for it gets the same error.
    pub async fn refresh(&self) -> Result<AccessToken, AuthError> {
        let seat = {
            let mut state = self.0.state();
            self.0.board(&mut state, true)?.depart(state)
        };
        self.0.seated(seat).await.map(|live| AccessToken::of(&live))
    }

    /// Refuses new refreshes from now on, waits for the one under way and stores what is not stored yet, at most for
    /// `deadline`. The current token goes on being served; other clones of the session are closed with it.
    /// A store that may lose what it took is looked after all the same, half a minute long or until it can be read again,
    /// and no longer than until the session is dropped.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::WaitBudgetExceeded`] when the refresh is not done in time, [`AuthErrorKind::StoreUnavailable`]
    /// when a token set could not be stored: a rotated refresh token is then lost with the process.
    pub async fn close(&self, deadline: Duration) -> Result<(), AuthError> {
        self.0.inside(self.land_and_flush(deadline)).await
    }

    async fn land_and_flush(&self, deadline: Duration) -> Result<(), AuthError> {
        self.0.state().closed = true;
        let is_late = tokio::time::timeout(deadline, self.settle()).await.is_err();
        if self.0.state().dirty {
            let message = "a token set could not be stored; it is lost if the process ends now";
            return Err(AuthError::new(AuthErrorKind::StoreUnavailable, message));
        }
        if is_late {
            let message = "the refresh under way is not done; its outcome is lost if the process ends now";
            return Err(AuthError::new(AuthErrorKind::WaitBudgetExceeded, message));
        }
        Ok(())
    }

    /// Waits until no flight is under way and nothing is left to store.
    async fn settle(&self) {
        loop {
            let (mut seat, is_flush) = {
                let mut state = self.0.state();
                let is_flush = state.flight.is_none();
                if is_flush && !state.dirty {
                    return;
                }
                // F013: a flight that ended early may have left a token set behind.
                let Ok(boarding) = self.0.flush(&mut state) else { return };
                (boarding.depart(state), is_flush)
            };
            // Its room is closed when the flight has landed, after an early release too.
            while seat.changed().await.is_ok() {}
            if !is_flush {
                continue;
            }
            let is_grounded =
                matches!(&*seat.borrow(), Some(Err(error)) if error.kind() == AuthErrorKind::ShuttingDown);
            if is_grounded {
                return; // the runtime takes no other flight
            }
            if self.0.state().dirty {
                tokio::time::sleep(FLUSH_PAUSE).await;
            }
        }
    }

    /// Whether the newest tokens that this process has are in the store as well.
    ///
    /// `false` from the moment a refresh brought them until the store has taken them: an instant usually, longer after
    /// [`Event::CommitDelayed`](crate::Event::CommitDelayed). They are served meanwhile and storing them goes on, but a
    /// rotated refresh token would be lost with the process: do not end it other than through [`close`](Self::close).
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !self.0.state().dirty
    }

    /// The session's events from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.0.announcer.listen()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.0).finish()
    }
}

/// An access token and the host it is for. `Debug` shows the host only.
#[derive(Clone)]
pub struct AccessToken {
    tokens: Arc<TokenSet>,
    generation: Generation,
}

impl AccessToken {
    fn of(live: &Live) -> Self {
        Self { tokens: Arc::clone(&live.tokens), generation: live.generation }
    }

    /// The token itself. Send it to [`instance_url`](Self::instance_url) and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.tokens.access_token.expose()
    }

    /// Where the org is.
    #[must_use]
    pub fn instance_url(&self) -> &InstanceUrl {
        &self.tokens.instance_url
    }

    /// The token's number within this process.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("instance_url", &self.tokens.instance_url)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

pub(crate) type Acquire = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(crate) type Recover = Pin<Box<dyn Future<Output = Recovery> + Send>>;

/// What the layer asks of a session.
impl Session {
    /// The number of the current token set, 0 while there is none: one acquire load.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// The current token set.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.0.state().live.clone()
    }

    /// The runtime that the application gave, if it gave one.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.0.runtime.as_ref()
    }

    /// What replaced `live` and is the same org's: one acquire load where nothing did.
    pub(crate) fn successor(&self, live: &Live) -> Option<Arc<Live>> {
        if self.generation() == live.generation.0 {
            return None;
        }
        self.live().filter(|newest| newest.generation > live.generation && !live.is_other_org(newest))
    }

    /// Whether absolute URIs at this origin get the token without being rewritten.
    pub(crate) fn allows_origin(&self, uri: &Uri) -> bool {
        self.0.allowed_origins.iter().any(|origin| origin.is_origin_of(uri))
    }

    /// The current token set, or the next one after a refresh that this call starts or joins.
    pub(crate) fn acquire(&self) -> Acquire {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.token().await.map_err(|error| error.diagnosed(Facts::default())) })
    }

    /// Decides what follows a refusal; may start or join a refresh.
    pub(crate) fn recover(&self, refused: Refused) -> Recover {
        Box::pin(Arc::clone(&self.0).recover(refused))
    }

    /// Notes that a resend was accepted.
    pub(crate) fn resend_accepted(&self, live: &Live) {
        self.0.resend_accepted(live);
    }

    /// Notes that a resend was refused. Returns the diagnosis to attach.
    pub(crate) fn resend_refused(&self, live: &Live, refusal: Arc<Refusal>, is_home: bool) -> Diagnosis {
        let outcome = self.0.resend_refused(live, &refusal);
        self.0.diagnosis(refusal, live, is_home, outcome)
    }

    /// The diagnosis of a request that could not be sent once more.
    pub(crate) fn not_resent(
        &self,
        live: &Live,
        refusal: Arc<Refusal>,
        is_home: bool,
        reason: NotResendable,
    ) -> Diagnosis {
        self.0.diagnosis(refusal, live, is_home, diagnosis::Outcome::NotResendable(reason))
    }
}
