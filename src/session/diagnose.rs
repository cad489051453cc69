//! Asking Salesforce about the session.

use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{Session, live::Live, recover::may_refresh, state::Shared};
use crate::{
    clock,
    diagnosis::{Diagnosis, Facts, Outcome, Probes},
    error::{AuthError, AuthErrorKind},
    refusal::{Refusal, Verdict},
    token_endpoint::read::Resource,
};

/// Three answers of 5 s at most, asked for at once, with time for a refresh between two rounds of them.
const BUDGET: Duration = Duration::from_secs(10);
/// Nobody waits longer, and a time that far ahead can still be named.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A question to Salesforce about the state of a session, see [`Session::diagnose`]. Awaiting it asks.
#[must_use = "nothing is asked before it is awaited"]
pub struct Diagnose {
    shared: Arc<Shared>,
    budget: Duration,
    may_refresh: bool,
}

impl Session {
    /// Asks Salesforce about the session: introspection, the identity service and one cheap read, all at once, within
    /// ten seconds. No token request is made and nothing is changed, unless
    /// [`allow_token_request`](Diagnose::allow_token_request) says so.
    ///
    /// The questions go the way that token requests go, not through the client below the layer: that a session is let in
    /// here and refused there is evidence. A refusal that the layer met with the current token within the last 15 minutes is part of the diagnosis.
    /// An answer that does not come in time is no evidence.
    ///
    /// ```
    /// # async fn doc(session: tower_salesforce_auth::Session) {
    /// let diagnosis = session.diagnose().await;
    /// match diagnosis.cause() {
    ///     None => println!("the session works"),
    ///     Some(cause) => println!("{}: {diagnosis}", cause.code()),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None: what cannot be found out is missing from the diagnosis. Without a token there is nothing to ask about; the
    /// diagnosis is then that of the last refresh that failed, or says that no token was asked for yet.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time. Needs a tokio runtime.
    pub fn diagnose(&self) -> Diagnose {
        Diagnose { shared: Arc::clone(&self.0), budget: BUDGET, may_refresh: false }
    }
}

impl Diagnose {
    /// How long to wait for answers in all: 10 s unless told otherwise; an hour at most.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget.min(LONGEST);
        self
    }

    /// Makes one token request if there is no token, or if the current one is refused, and asks again with the new
    /// token: whether a new session helps is the best evidence there is. Pauses and cool-downs are respected.
    pub fn allow_token_request(mut self) -> Self {
        self.may_refresh = true;
        self
    }
}

impl IntoFuture for Diagnose {
    type Output = Diagnosis;
    type IntoFuture = Pin<Box<dyn Future<Output = Diagnosis> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { shared, budget, may_refresh } = self;
            let examined =
                shared.inside(async { Ok(shared.examine(clock::now() + budget, may_refresh).await) }).await;
            examined.unwrap_or_else(|error| shared.without_token(error))
        })
    }
}

impl fmt::Debug for Diagnose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnose")
            .field("budget", &self.budget)
            .field("may_refresh", &self.may_refresh)
            .finish_non_exhaustive()
    }
}

/// What a round of questions brought.
struct Findings {
    probes: Probes,
    refusal: Option<Arc<Refusal>>,
}

impl Shared {
    async fn examine(self: &Arc<Self>, deadline: Instant, refresh: bool) -> Diagnosis {
        let current = self.state().live.clone();
        let live = match current {
            Some(live) => live,
            None if refresh => match self.refreshed(deadline).await {
                Ok(live) => live,
                Err(error) => return self.without_token(error),
            },
            None => {
                let last = self.state().last_failure.as_ref().map(|(error, _)| error.clone());
                return self.without_token(last.unwrap_or_else(not_asked));
            }
        };
        let found = self.ask(&live, deadline).await;
        let refused = found.refusal.as_ref().is_some_and(|refusal| may_refresh(refusal.verdict));
        if !(refresh && refused) {
            return self.conclude(found, &live, Outcome::Examined);
        }
        let resting = self.state().cool_down.remaining(clock::now());
        if let Some(retry_after) = resting {
            return self.conclude(found, &live, Outcome::CoolingDown { retry_after });
        }
        match self.refreshed(deadline).await {
            Err(error) => self.conclude(found, &live, Outcome::RefreshFailed(error)),
            Ok(now) if now.generation == live.generation => {
                self.conclude(found, &live, Outcome::TokenUnchanged)
            }
            Ok(now) => {
                let found = self.ask(&now, deadline).await;
                let outcome = match &found.refusal {
                    Some(refusal) => self.resend_refused(&now, refusal),
                    None => Outcome::Examined,
                };
                self.conclude(found, &now, outcome)
            }
        }
    }

    /// The next token, unless a pause forbids to ask for it.
    async fn refreshed(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Live>, AuthError> {
        let seat = {
            let mut state = self.state();
            self.board(&mut state, false)?.depart(state)
        };
        match timeout_at(deadline, self.seated(seat)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = "the refresh is not done within the diagnosis's budget; it goes on";
                Err(AuthError::new(AuthErrorKind::WaitBudgetExceeded, message))
            }
        }
    }

    /// Asks everybody at once. Boxed: three requests make a large future.
    fn ask<'a>(
        &'a self,
        live: &'a Live,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Findings> + Send + 'a>> {
        Box::pin(self.ask_everybody(live, deadline))
    }

    async fn ask_everybody(&self, live: &Live, deadline: Instant) -> Findings {
        let endpoint = &self.crew.endpoint;
        let (token, home) = (&live.tokens.access_token, &live.tokens.instance_url);
        let introspection = async {
            let client = self.crew.grant.client()?;
            timeout_at(deadline, endpoint.introspect(client, token)).await.ok()?.ok()
        };
        let identity = timeout_at(deadline, endpoint.read(home, Resource::Identity, token));
        let read = timeout_at(deadline, endpoint.read(home, Resource::Rest, token));
        let ((introspection, identity), read) = both(both(introspection, identity), read).await;

        let mut findings = Findings { probes: Probes::default(), refusal: None };
        findings.probes.introspection = introspection.map(|answer| answer.active);
        if let Ok(Ok(sighting)) = identity {
            findings.probes.identity = match sighting.refusal().verdict {
                _ if sighting.status.is_success() => Some(true),
                verdict if may_refresh(verdict) => Some(false),
                _ => None,
            };
        }
        if let Ok(Ok(sighting)) = read {
            let refusal = sighting.refusal();
            if sighting.status.is_success() {
                findings.probes.read = Some(Ok(()));
            } else if refusal.verdict != Verdict::NotAuth {
                findings.probes.read = Some(Err(refusal.verdict));
                findings.refusal = Some(Arc::new(refusal));
            }
        }
        findings
    }

    fn conclude(&self, found: Findings, live: &Live, outcome: Outcome) -> Diagnosis {
        let mut state = self.state();
        if let Some(refusal) = &found.refusal {
            state.note_refusal(live, refusal);
        }
        let met = state.history.last_refusal(live.generation, clock::now());
        let facts = Facts { probes: found.probes, ..state.facts(Some(live), true) };
        let news = mem::take(&mut state.outbox);
        drop(state);
        self.announce(news);
        Diagnosis::new(found.refusal.or(met), outcome, facts)
    }

    fn without_token(&self, error: AuthError) -> Diagnosis {
        match error.diagnosis() {
            Some(diagnosis) => diagnosis.clone(),
            None => Diagnosis::new(None, Outcome::RefreshFailed(error), self.state().facts(None, true)),
        }
    }
}

/// Polls two futures until both are done.
async fn both<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut done = (None, None);
    poll_fn(move |cx| {
        if done.0.is_none()
            && let Poll::Ready(answer) = first.as_mut().poll(cx)
        {
            done.0 = Some(answer);
        }
        if done.1.is_none()
            && let Poll::Ready(answer) = second.as_mut().poll(cx)
        {
            done.1 = Some(answer);
        }
        match (done.0.take(), done.1.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            unfinished => {
                done = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

fn not_asked() -> AuthError {
    AuthError::new(AuthErrorKind::NotConnected, "no token was asked for yet, and the diagnosis may not ask")
}
