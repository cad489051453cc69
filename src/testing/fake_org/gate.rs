//! A place where requests wait until the test says so.

use std::{fmt, sync::Arc};

use http::{HeaderValue, header::USER_AGENT, request::Parts};
use tokio::sync::{Semaphore, watch};

/// Holds requests until it is released, so that a test decides what happens while they are under way.
///
/// Made by [`FakeOrg::hold_token_requests`](super::FakeOrg::hold_token_requests) and
/// [`FakeOrg::hold_api_requests`](super::FakeOrg::hold_api_requests). No time is involved: a test waits with
/// [`arrived`](Self::arrived) for the requests it expects, changes what it wants to change, and opens the gate.
/// Dropping a gate releases it.
pub struct Gate {
    turnstile: Arc<Turnstile>,
}

impl Gate {
    pub(super) fn new() -> (Self, Arc<Turnstile>) {
        let turnstile = Arc::new(Turnstile { passes: Semaphore::new(0), waiting: watch::Sender::default() });
        (Self { turnstile: Arc::clone(&turnstile) }, turnstile)
    }

    /// Waits until at least `n` requests are waiting at this gate.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn arrived(&self, n: usize) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.turnstile.waiting.subscribe().wait_for(|queue| queue.waiting.len() >= n).await;
    }

    /// How many requests are waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.turnstile.waiting.borrow().waiting.len()
    }

    /// Who waits now, by the `User-Agent` that came with each request, in the order of their arrival.
    #[must_use]
    pub fn user_agents(&self) -> Vec<String> {
        self.turnstile.waiting.borrow().waiting.iter().map(|(_, user_agent)| user_agent.clone()).collect()
    }

    /// Lets `n` requests through, in the order of their arrival, and holds the others. Requests that come later use
    /// what is left of the `n`.
    pub fn let_through(&self, n: usize) {
        self.turnstile.passes.add_permits(n);
    }

    /// Lets all requests through, those that wait and those that come.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.turnstile.passes.close();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// The side of a gate that requests pass.
pub(super) struct Turnstile {
    passes: Semaphore,
    waiting: watch::Sender<Queue>,
}

/// The requests that wait.
#[derive(Default)]
struct Queue {
    /// How many have come so far.
    arrived: u64,
    /// Which of them are there, and their user agents.
    waiting: Vec<(u64, String)>,
}

impl Turnstile {
    /// Whether the gate was released: nobody waits here any more.
    pub(super) fn is_open(&self) -> bool {
        self.passes.is_closed()
    }

    pub(super) async fn pass(&self, head: &Parts) {
        let _waiting = Waiting::start(&self.waiting, head);
        // An error means that the gate was released.
        if let Ok(pass) = self.passes.acquire().await {
            pass.forget();
        }
    }
}

/// Counts a request as waiting, also when its client leaves before the gate opens.
struct Waiting<'a>(&'a watch::Sender<Queue>, u64);

impl<'a> Waiting<'a> {
    fn start(queue: &'a watch::Sender<Queue>, head: &Parts) -> Self {
        let user_agent = head.headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let user_agent = String::from_utf8_lossy(user_agent).into_owned();
        let mut number = 0;
        queue.send_modify(|queue| {
            queue.arrived += 1;
            number = queue.arrived;
            queue.waiting.push((number, user_agent));
        });
        Self(queue, number)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|queue| queue.waiting.retain(|(number, _)| *number != self.1));
    }
}
