//! One connection: made when it is first needed, and made anew when it is broken.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
    task::AbortHandle,
    time::{timeout, timeout_at},
};

use crate::{
    clock::{self, Instant},
    store::StoreError,
};

/// Below the 1 s and the 2 s that the library gives a load and a swap, so that the store itself can say what was late:
/// a connection that could not be made has written nothing.
const READ_PATIENCE: Duration = Duration::from_millis(900);
const WRITE_PATIENCE: Duration = Duration::from_millis(1800);

/// Longer than any request waits: making a connection goes on without those who wait for it, so that a server that is
/// slow to greet is reached at the second try.
const DIAL_PATIENCE: Duration = Duration::from_secs(5);

/// For each address of a host: one that is down may not even refuse, and the system would wait for it for minutes. Three
/// of them leave time for a fourth.
pub(in crate::store) const ADDRESS_PATIENCE: Duration = Duration::from_millis(1500);

/// Routers forget connections that are idle for some minutes and say nothing; refreshes are hours apart.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The greeting of so young a connection was answered a moment ago: where a read is late it is the server that is slow, and
/// to be greeted again, by many processes at once, makes it no faster.
const YOUTH: Duration = Duration::from_secs(10);

/// A driver that is asked to end waits for the answers that are out; a server that hangs never gives them.
const FAREWELL: Duration = Duration::from_secs(5);

/// Makes connections.
pub(in crate::store) trait Dial: Send + Sync + 'static {
    /// Sends requests over a connection.
    type Client: Clone + Send + Sync + 'static;

    /// Connects and greets. Whatever it waits for after the first [`Connection::new`] may be dropped, and leaves nothing
    /// behind.
    fn dial(&self) -> impl Future<Output = Result<Connection<Self::Client>, StoreError>> + Send;

    /// How the server is told that nobody waits any more for what `client` has asked, if there is a way to tell.
    fn abandon(&self, _client: &Self::Client) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}

/// A connection that was made.
#[derive(Clone)]
pub(in crate::store) struct Connection<C> {
    client: C,
    /// The task that drives it. When it ends, the connection is gone.
    driver: AbortHandle,
    /// Told at once, while an aborted task ends when its turn comes.
    given_up: Arc<AtomicBool>,
    made: Instant,
    /// How many writes wait for their answer.
    writes: Arc<AtomicUsize>,
    /// The driver hears when the last of them is dropped.
    _held: Arc<oneshot::Sender<()>>,
}

impl<C> Connection<C> {
    /// Starts the task that drives the connection. It ends with `driver`, and soon after the last clone of this is gone.
    pub(in crate::store) fn new(client: C, driver: impl Future<Output = ()> + Send + 'static) -> Self {
        let (held, let_go) = oneshot::channel();
        let driver = tokio::spawn(drive(driver, let_go)).abort_handle();
        Self {
            client,
            driver,
            given_up: Arc::default(),
            made: clock::now(),
            writes: Arc::default(),
            _held: Arc::new(held),
        }
    }

    fn is_open(&self) -> bool {
        !self.given_up.load(Ordering::Acquire) && !self.driver.is_finished()
    }

    /// Whether another one would serve reads better, one of them being late.
    fn holds_reads_up(&self) -> bool {
        self.made.elapsed() >= YOUTH || self.writes.load(Ordering::Relaxed) > 0
    }

    /// Nobody new uses it. Who waits for an answer still gets it.
    fn retire(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    fn give_up(&self) {
        self.retire();
        self.driver.abort();
    }
}

/// A write that waits for its answer.
struct Writing<'a, C> {
    over: &'a Connection<C>,
    is_over: bool,
}

impl<'a, C> Writing<'a, C> {
    fn begin(over: &'a Connection<C>) -> Self {
        over.writes.fetch_add(1, Ordering::Relaxed);
        Self { over, is_over: false }
    }
}

impl<C> Drop for Writing<'_, C> {
    fn drop(&mut self) {
        self.over.writes.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            self.over.retire(); // who gave it up took nothing back: others would wait behind it
        }
    }
}

/// What a request may do to the record.
#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl Access {
    fn late(self, message: &str) -> StoreError {
        match self {
            Self::Read => StoreError::unavailable(message),
            Self::Write => StoreError::ambiguous(message),
        }
    }
}

/// Why a request failed.
pub(in crate::store) struct Failed {
    pub(in crate::store) error: StoreError,
    /// Whether the connection is broken, or leads to a server that is of no use.
    pub(in crate::store) hang_up: bool,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, hang_up: false }
    }
}

/// The connection that all requests of a store share.
pub(in crate::store) struct Link<D: Dial> {
    dial: Arc<D>,
    slot: Arc<Mutex<Option<Slot<D>>>>,
}

struct Slot<D: Dial> {
    connection: Connection<D::Client>,
    used: Instant,
}

impl<D: Dial> Link<D> {
    /// Does no I/O.
    pub(in crate::store) fn new(dial: D) -> Self {
        Self { dial: Arc::new(dial), slot: Arc::default() }
    }

    pub(in crate::store) fn dial(&self) -> &D {
        &self.dial
    }

    /// Sees to it that there is a connection.
    pub(in crate::store) async fn connect(&self) -> Result<(), StoreError> {
        self.connection().await.map(drop)
    }

    /// Runs a request that writes nothing: once more over a new connection if the first one turns out to be broken.
    pub(in crate::store) async fn read<T, F>(
        &self,
        request: impl Fn(D::Client) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>> + Send,
    {
        let deadline = clock::now() + READ_PATIENCE;
        match self.request(&request, deadline, Access::Read).await {
            Err(failed) if failed.hang_up => self.request(&request, deadline, Access::Read).await,
            outcome => outcome,
        }
        .map_err(|failed| failed.error)
    }

    /// Runs a request that may write. It is sent once.
    pub(in crate::store) async fn write<T, F>(
        &self,
        request: impl FnOnce(D::Client) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>> + Send,
    {
        let deadline = clock::now() + WRITE_PATIENCE;
        self.request(request, deadline, Access::Write).await.map_err(|failed| failed.error)
    }

    async fn request<T, F>(
        &self,
        request: impl FnOnce(D::Client) -> F + Send,
        deadline: Instant,
        access: Access,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>> + Send,
    {
        runtime()?; // the timers below would panic
        let connection = match timeout_at(deadline, self.connection()).await {
            Ok(connection) => connection?,
            Err(_) => return Err(StoreError::unavailable("no connection could be made in time").into()),
        };
        let writing = matches!(access, Access::Write).then(|| Writing::begin(&connection));
        let outcome = timeout_at(deadline, request(connection.client.clone())).await;
        if let Some(mut writing) = writing {
            writing.is_over = true;
        }
        match outcome {
            Ok(Err(failed)) if failed.hang_up => {
                connection.give_up();
                Err(failed)
            }
            Ok(outcome) => outcome,
            Err(_) => {
                // F068: whoever comes next should not wait for the same silence.
                match access {
                    // It may be late behind the commit of another session, which must land.
                    Access::Read if connection.holds_reads_up() => connection.retire(),
                    // Its answer is dropped when it comes.
                    Access::Read => {}
                    // The connection stays for those who wait for theirs, and since a pooler drops what a client that
                    // has gone wants to have cancelled.
                    Access::Write => match self.dial.abandon(&connection.client) {
                        Some(farewell) => {
                            connection.retire();
                            tokio::spawn(timeout(FAREWELL, farewell));
                        }
                        None => connection.give_up(),
                    },
                }
                Err(access.late("the server did not answer in time").into())
            }
        }
    }

    async fn connection(&self) -> Result<Connection<D::Client>, StoreError> {
        let runtime = runtime()?;
        let mut slot = Arc::clone(&self.slot).lock_owned().await;
        if let Some(open) = slot.as_mut().filter(|slot| slot.is_fit()) {
            open.used = clock::now();
            return Ok(open.connection.clone());
        }
        *slot = None;
        // A task of its own: a caller that goes away does not stop it.
        runtime
            .spawn(fill::<D>(slot, Arc::clone(&self.dial)))
            .await
            .map_err(|_| StoreError::unavailable("the runtime cannot make connections, or shuts down"))?
    }
}

impl<D: Dial> Slot<D> {
    fn is_fit(&self) -> bool {
        self.connection.is_open() && self.used.elapsed() < IDLE_LIMIT
    }
}

async fn drive(driver: impl Future<Output = ()>, mut let_go: oneshot::Receiver<()>) {
    let mut driver = pin!(driver);
    let has_ended = poll_fn(|cx| match driver.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => Pin::new(&mut let_go).poll(cx).map(|_| false),
    });
    if !has_ended.await {
        let _ = timeout(FAREWELL, driver).await;
    }
}

/// Makes the connection of `slot`, which is locked meanwhile.
async fn fill<D: Dial>(
    mut slot: OwnedMutexGuard<Option<Slot<D>>>,
    dial: Arc<D>,
) -> Result<Connection<D::Client>, StoreError> {
    let connection = timeout(DIAL_PATIENCE, dial.dial())
        .await
        .map_err(|_| StoreError::unavailable("the server did not greet in time"))??;
    *slot = Some(Slot { connection: connection.clone(), used: clock::now() });
    Ok(connection)
}

fn runtime() -> Result<Handle, StoreError> {
    Handle::try_current().map_err(|_| StoreError::unavailable("the store was used outside a Tokio runtime"))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// A server that greets and then answers nothing.
    #[derive(Default)]
    struct Silent {
        greetings: AtomicUsize,
    }

    impl Dial for Silent {
        type Client = ();

        async fn dial(&self) -> Result<Connection<()>, StoreError> {
            self.greetings.fetch_add(1, Ordering::Relaxed);
            Ok(Connection::new((), pending()))
        }
    }

    impl Link<Silent> {
        /// Reads in vain; how often the server has greeted then.
        async fn read_late(&self) -> usize {
            let error = self.read(|()| pending::<Result<(), Failed>>()).await.unwrap_err();
            assert!(!error.may_have_applied());
            self.dial.greetings.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn f068_a_server_whose_reads_are_all_late_greets_every_ten_seconds_and_not_for_each_of_them() {
        let (link, begun) = (Link::new(Silent::default()), clock::now());
        let mut greetings = Vec::new();
        while begun.elapsed() < 3 * YOUTH {
            greetings.push(link.read_late().await);
        }
        assert_eq!((greetings.len(), greetings.last()), (34, Some(&3)));
    }

    #[tokio::test(start_paused = true)]
    async fn f068_a_late_read_over_a_connection_that_may_be_dead_is_the_last_one() {
        let link = Link::new(Silent::default());
        link.connect().await.unwrap();
        tokio::time::advance(YOUTH).await;
        assert_eq!((link.read_late().await, link.read_late().await), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn f076_reads_that_are_late_while_somebody_writes_go_on_over_another_connection() {
        let link = Arc::new(Link::new(Silent::default()));
        let (answer, answered) = oneshot::channel();
        let write = |answered: oneshot::Receiver<()>| {
            let link = Arc::clone(&link);
            tokio::spawn(async move {
                link.write(|()| async { Ok(answered.await.is_ok()) }).await.is_ok_and(|is_done| is_done)
            })
        };
        let written = write(answered);
        tokio::task::yield_now().await;
        assert_eq!((link.read_late().await, link.read_late().await), (1, 2));
        answer.send(()).unwrap();
        assert!(written.await.unwrap(), "its connection is still there");

        let (_never, given_up) = oneshot::channel();
        let given_up = write(given_up);
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.is_err());
        assert_eq!(
            (link.read_late().await, link.read_late().await),
            (3, 3),
            "none waits behind what was given up"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_to_a_server_that_hangs_ends_after_its_last_holder() {
        let socket = Arc::new(());
        let open = || Arc::strong_count(&socket) == 2;
        let held = Arc::clone(&socket);
        let connection = Connection::new((), async move {
            let _held = held;
            pending::<()>().await;
        });
        let request = connection.clone();
        for (holder, stays_open) in [(connection, true), (request, false)] {
            drop(holder);
            tokio::time::sleep(FAREWELL * 2).await;
            assert_eq!(open(), stays_open);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_is_let_go_has_time_to_take_its_leave() {
        let took_leave = Arc::new(AtomicBool::new(false));
        let said = Arc::clone(&took_leave);
        drop(Connection::new((), async move {
            tokio::time::sleep(FAREWELL / 2).await;
            said.store(true, Ordering::Relaxed);
        }));
        tokio::time::sleep(FAREWELL).await;
        assert!(took_leave.load(Ordering::Relaxed));
    }
}
