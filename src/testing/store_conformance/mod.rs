//! A conformance kit for token stores.

mod cases;
mod ground;
mod process;
mod report;
mod run;
mod secrets;

use std::{fmt, future::IntoFuture, marker::PhantomData, pin::Pin, process::Command, sync::Arc};

pub use self::report::{ConformanceCase, ConformanceOutcome, ConformanceReport};
use tokio::sync::oneshot;

use self::{
    cases::{absence, basics, bytes, drops, errors, hints, races, reads, revisions},
    ground::{Errors, Ground, Handle, Keys, Seen, number, random, record},
    process::{Reopening, Role, survives_a_kill, two_processes},
    report::Property,
    run::Run,
};
use crate::store::{Scope, StoreKey, TokenStore};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Does something to one record, behind the store's back.
type Hook = Arc<dyn Fn(StoreKey) -> BoxFuture<()> + Send + Sync>;

/// Makes the store go away (`true`) and come back.
type Outages = Arc<dyn Fn(bool) -> BoxFuture<()> + Send + Sync>;

type Print<'a, S> = Box<dyn Fn(&S) -> String + 'a>;

/// Checks a [`TokenStore`] of your own against its contract.
///
/// ```
/// use std::sync::Arc;
/// use tower_salesforce_auth::{store::MemoryStore, testing::store_conformance};
///
/// # #[tokio::main]
/// # async fn main() {
/// // In a test: #[tokio::test(flavor = "multi_thread")] async fn my_store_keeps_the_contract() {
/// let store = Arc::new(MemoryStore::volatile()); // in the place of yours
/// store_conformance(async || Arc::clone(&store)).await.assert_passed();
/// # }
/// ```
///
/// `make_store` makes a handle each time it is called, and all handles lead to the same records: clones of one store,
/// `async || MyStore::open(&dir).unwrap()`, `async || MyStore::connect(&url).await.unwrap()`. It is called five times
/// and more. Its panics are the test's.
///
/// The store should be one for tests: the kit leaves some 100 records in it, under keys that nobody else has. It takes
/// seconds on a store that answers in milliseconds. Run it on a runtime with several threads: on one thread, a race
/// between two lines without an `await` is not found.
///
/// # The cases
///
/// | case | holds if |
/// |---|---|
/// | `create_and_swap` | with one caller, loads and swaps do what they say; the others are skipped if not |
/// | `one_store` | a handle sees what another one wrote; the others are skipped if not |
/// | `conflicts_show_the_record` | a conflict carries the record that was there |
/// | `keys_are_apart` | a key is used to its last character |
/// | `any_bytes` | every byte comes back, at every place, and an empty record is a record |
/// | `largest_record` | 64 KiB come back (63 KiB of a store that seals) |
/// | `whole_records` | nobody reads parts of two writes |
/// | `one_creator` | of many who create, one applies; tried at each await and in a crowd |
/// | `no_lost_update` | of many who swap over one revision, one applies; tried likewise |
/// | `linearizable_reads` | a load sees every write that was over when it began, through any handle |
/// | `fresh_revisions` | no revision comes twice |
/// | `fresh_revisions_after_removal` | nor after the record was removed; needs [`removing`](StoreConformance::removing) |
/// | `honest_errors` | an error that says that nothing was written is right |
/// | `no_second_try` | a swap never conflicts with itself |
/// | `dropped_swaps` | a swap dropped at any poll is done wholly or not at all, and holds nothing up |
/// | `dropped_loads` | a load dropped at any poll holds nothing up |
/// | `panics_leave_nothing` | a caller that panics holds nothing up |
/// | `quiet_hints` | `changed` holds nothing up and does not resolve without end; it need not resolve at all |
/// | `an_outage_is_not_absence` | a store that is away never says "no record"; needs [`outages`](StoreConformance::outages) |
/// | `damage_is_not_absence` | nor does one whose record is damaged; needs [`damaging`](StoreConformance::damaging) |
/// | `two_processes` | a swap is one step for all processes; needs [`second_process`](StoreConformance::second_process) |
/// | `survives_a_kill` | what was applied outlives its process; needs it too, and a durable store |
/// | `outlives_its_handles` | what was applied is there when all handles were dropped; for stores beyond one process |
/// | `no_secret_shown` | no error showed a byte of a record; with [`printing`](StoreConformance::printing), nor does the store |
///
/// `honest_errors` and `no_second_try` see something in a store that works only with outages.
pub fn store_conformance<'a, M, S>(make_store: M) -> StoreConformance<'a, M, S>
where
    M: AsyncFn() -> S + 'a,
    S: TokenStore,
{
    StoreConformance {
        make_store,
        remove: None,
        damage: None,
        outages: None,
        second_process: None,
        print: None,
        _run: PhantomData,
    }
}

/// A run of the conformance kit that is about to begin: awaiting it runs it. Made by [`store_conformance`].
#[must_use = "it runs when it is awaited"]
pub struct StoreConformance<'a, M, S> {
    make_store: M,
    remove: Option<Hook>,
    damage: Option<Hook>,
    outages: Option<Outages>,
    second_process: Option<Box<dyn Fn() -> Command + 'a>>,
    print: Option<Print<'a, S>>,
    _run: PhantomData<&'a ()>,
}

impl<'a, M, S> StoreConformance<'a, M, S>
where
    M: AsyncFn() -> S + 'a,
    S: TokenStore,
{
    /// How a record is removed behind the store's back, as an operator may do: a row deleted, a file unlinked.
    pub fn removing<F, W>(mut self, remove: F) -> Self
    where
        F: Fn(StoreKey) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.remove = Some(Arc::new(move |key| Box::pin(remove(key))));
        self
    }

    /// How a record is damaged behind the store's back, so that it is there and cannot be read: a file cut short, a
    /// value of another type.
    pub fn damaging<F, W>(mut self, damage: F) -> Self
    where
        F: Fn(StoreKey) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.damage = Some(Arc::new(move |key| Box::pin(damage(key))));
        self
    }

    /// How the store is made to go away (`true`) and to come back (`false`): a proxy that drops connections, a directory
    /// that is moved.
    pub fn outages<F, W>(mut self, outages: F) -> Self
    where
        F: Fn(bool) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.outages = Some(Arc::new(move |down| Box::pin(outages(down))));
        self
    }

    /// How a second process is started that makes this same call on the same store. For a test this is its own binary:
    ///
    /// ```no_run
    /// # use std::{env, process::Command, sync::Arc};
    /// # use tower_salesforce_auth::{store::FileStore, testing::store_conformance};
    /// # async fn test() {
    /// // The second process finds the directory in its environment, the first one makes it.
    /// let made = tempfile::tempdir().unwrap();
    /// let dir = env::var_os("TOKENS").map_or_else(|| made.path().join("tokens"), Into::into);
    /// store_conformance(async || FileStore::open(&dir).unwrap())
    ///     .second_process(|| {
    ///         let mut command = Command::new(env::current_exe().unwrap());
    ///         command.args(["--exact", "path::of::this_test"]).env("TOKENS", &dir);
    ///         command
    ///     })
    ///     .await
    ///     .assert_passed();
    /// # }
    /// ```
    ///
    /// In the second process the call does what the first one needs, and returns when that is over. Its standard input
    /// and output are the kit's.
    pub fn second_process(mut self, command: impl Fn() -> Command + 'a) -> Self {
        self.second_process = Some(Box::new(command));
        self
    }

    /// How a store is printed, usually `|store| format!("{store:?}")`.
    pub fn printing(mut self, print: impl Fn(&S) -> String + 'a) -> Self {
        self.print = Some(Box::new(print));
        self
    }

    async fn run(self) -> ConformanceReport {
        let mut run = Run::default();
        let errors = Errors::default();
        let handle = async || Handle::new((self.make_store)().await, &errors);
        if let Some((role, name)) = Role::of_this_process() {
            run.case(role.property(), role.play(handle().await, name)).await;
            return run.report();
        }
        let handles = [(self.make_store)().await, (self.make_store)().await, (self.make_store)().await];
        let name = format!("{:016x}", random());
        let ground = Ground::new(handles, Keys::of_run(&name), &errors);
        let on = || Arc::clone(&ground);

        run.first(basics::CREATE_AND_SWAP, basics::create_and_swap(on())).await;
        run.first(basics::ONE_STORE, basics::one_store(on(), handle().await)).await;
        run.case(basics::CONFLICTS_SHOW_THE_RECORD, basics::conflicts_show_the_record(on())).await;
        run.case(basics::KEYS_ARE_APART, basics::keys_are_apart(on())).await;
        let any_bytes = run.case(bytes::ANY_BYTES, bytes::any_bytes(on())).await;
        let largest = any_bytes.then(|| bytes::largest_record(on()));
        run.case_with(bytes::LARGEST_RECORD, "any_bytes comes first", largest).await;
        run.case(bytes::WHOLE_RECORDS, bytes::whole_records(on())).await;
        run.case(races::ONE_CREATOR, races::one_creator(on())).await;
        run.case(races::NO_LOST_UPDATE, races::no_lost_update(on())).await;
        run.case(reads::LINEARIZABLE_READS, reads::linearizable_reads(on())).await;
        let fresh = run.case(revisions::FRESH_REVISIONS, revisions::fresh_revisions(on())).await;
        let remove = self.remove.filter(|_| fresh);
        let needs = if fresh { "needs `removing`" } else { "fresh_revisions comes first" };
        let removal = remove.map(|remove| revisions::fresh_revisions_after_removal(on(), remove));
        run.case_with(revisions::FRESH_REVISIONS_AFTER_REMOVAL, needs, removal).await;
        run.case(errors::HONEST_ERRORS, errors::honest_errors(on(), self.outages.clone())).await;
        run.case(errors::NO_SECOND_TRY, errors::no_second_try(on(), self.outages.clone())).await;
        let swaps = run.case(drops::DROPPED_SWAPS, drops::dropped_swaps(on())).await;
        let loads = run.case(drops::DROPPED_LOADS, drops::dropped_loads(on())).await;
        let panics = (swaps && loads).then(|| drops::panics_leave_nothing(on()));
        run.case_with(drops::PANICS_LEAVE_NOTHING, "dropped_swaps and dropped_loads come first", panics)
            .await;
        run.case(hints::QUIET_HINTS, hints::quiet_hints(on())).await;
        let outage = self.outages.map(|outages| absence::an_outage_is_not_absence(on(), outages));
        run.case_with(absence::AN_OUTAGE_IS_NOT_ABSENCE, "needs `outages`", outage).await;
        let damage = self.damage.map(|damage| absence::damage_is_not_absence(on(), damage));
        run.case_with(absence::DAMAGE_IS_NOT_ABSENCE, "needs `damaging`", damage).await;

        let promised = ground.handle(0).store.capabilities();
        let command = self.second_process.as_ref();
        let counting = command.map(|command| two_processes(on(), command(), name.clone()));
        run.case_with(process::TWO_PROCESSES, "needs `second_process`", counting).await;
        let (killed, was_killed) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let killing = command
            .filter(|_| promised.durable)
            .map(|command| survives_a_kill(on(), Reopening { killed, opened }, command(), name.clone()));
        let needs = "needs `second_process` and a store that declares `durable`";
        let reopening = async {
            if was_killed.await.is_ok() {
                let _ = open.send(handle().await);
            }
        };
        tokio::join!(run.case_with(process::SURVIVES_A_KILL, needs, killing), reopening);

        let printed = self.print.map(|print| print(&ground.handle(0).store));
        let kept = ground.key();
        let keeping = if promised.durable || promised.scope > Scope::Process {
            Some(ground.handle(0).must_put(&kept, None, &record(1)).await)
        } else {
            None
        };
        drop(ground);
        let reopened = match keeping {
            Some(keeping) => Some(outlives(keeping.map(|_| kept), handle().await)),
            None => None,
        };
        run.case_with(
            OUTLIVES_ITS_HANDLES,
            "the store declares neither `durable` nor other processes",
            reopened,
        )
        .await;
        run.case(NO_SECRET_SHOWN, no_secret_shown(handle().await, errors, printed)).await;
        run.report()
    }
}

/// Runs the kit.
impl<'a, M, S> IntoFuture for StoreConformance<'a, M, S>
where
    M: AsyncFn() -> S + 'a,
    S: TokenStore,
{
    type Output = ConformanceReport;
    type IntoFuture = Pin<Box<dyn Future<Output = ConformanceReport> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<M, S> fmt::Debug for StoreConformance<'_, M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConformance").finish_non_exhaustive()
    }
}

const OUTLIVES_ITS_HANDLES: Property = Property {
    name: "outlives_its_handles",
    advice: "`Applied` means that the record is where it survives to the level that `capabilities` declares: write before \
             you answer, or declare less",
};

async fn outlives<S: TokenStore>(kept: Result<StoreKey, Seen>, later: Handle<S>) -> Result<(), Seen> {
    match later.load(&kept?).await? {
        Some(stored) if number(&stored)? == 1 => Ok(()),
        _ => Err("a record that had been applied is gone when the store was opened anew".to_owned()),
    }
}

const NO_SECRET_SHOWN: Property = Property {
    name: "no_secret_shown",
    advice: "records hold refresh tokens: say in an error which key, how many bytes, what the driver's code was, and \
             nothing of the record; write `Debug` by hand",
};

async fn no_secret_shown<S: TokenStore>(
    handle: Handle<S>,
    errors: Errors,
    printed: Option<String>,
) -> Result<(), Seen> {
    // A record that no store needs to take, for the error about it.
    let too_large = record(1).repeat(crate::store::MAX_RECORD_BYTES / record(1).len() + 1);
    let key = Keys::of_run(&format!("{:016x}", random())).named("too large");
    let _ = handle.try_swap(&key, None, &too_large).await?;
    match errors.first() {
        Some(seen) => Err(seen),
        None if printed.is_some_and(|printed| secrets::is_shown_in(&printed)) => {
            Err("what `printing` gave shows bytes of a record".to_owned())
        }
        None => Ok(()),
    }
}
