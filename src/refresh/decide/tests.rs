//! The protocol against a world of one record, one clock and one token endpoint, all scripted.

mod claim;
mod record;
mod store;

use std::collections::VecDeque;

use super::*;
use crate::{
    instance_url::InstanceUrl,
    refresh::{
        backoff::Entropy,
        record::{Binding, Reauthorise, Seeds},
    },
    secret::Secret,
    store::Revision,
    token::TokenSet,
};

/// What the world does with one store operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Store {
    Fine,
    /// Not applied.
    Down,
    /// Applied, but the reply is lost.
    ReplyLost,
    /// Takes this many milliseconds.
    Slow(u64),
}

struct World {
    now: Now,
    seen: Option<Seen>,
    revision: u64,
    /// How the next store operations go; fine when empty.
    store: VecDeque<Store>,
    answers: VecDeque<Answer>,
    /// Done to the stored record when the given number of waits have passed.
    meanwhile: Vec<(usize, Record)>,
    waits: usize,
    waited: Duration,
    presented: Vec<String>,
    log: Vec<&'static str>,
    swaps: Vec<Record>,
    held: Option<Record>,
    /// How long a token request takes.
    exchange: Duration,
    /// What somebody else writes while one is under way.
    meanwhile_exchanging: Option<Record>,
    fault: Option<Fault>,
}

/// What is wrong with the store all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    ReadOnly,
    /// Every swap is a conflict, whatever is expected.
    Conflicts,
    /// Swaps are applied, and then nothing is there.
    Forgets,
}

impl World {
    fn new(record: Option<Record>) -> Self {
        let now = Now { monotonic: Duration::from_secs(1_000), wall: Duration::from_secs(1_700_000_000) };
        Self {
            now,
            seen: record.map(|record| Seen { revision: Revision::new(1), record }),
            revision: 1,
            store: VecDeque::new(),
            answers: VecDeque::new(),
            meanwhile: Vec::new(),
            waits: 0,
            waited: Duration::ZERO,
            presented: Vec::new(),
            log: Vec::new(),
            swaps: Vec::new(),
            held: None,
            exchange: Duration::ZERO,
            meanwhile_exchanging: None,
            fault: None,
        }
    }

    fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    fn answering(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers.extend(answers);
        self
    }

    fn with_store(mut self, store: impl IntoIterator<Item = Store>) -> Self {
        self.store.extend(store);
        self
    }

    fn after_waits(mut self, waits: usize, record: Record) -> Self {
        self.meanwhile.push((waits, record));
        self
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
    }

    fn put(&mut self, record: Record) {
        self.revision += 1;
        self.seen = Some(Seen { revision: Revision::new(self.revision), record });
    }

    fn record(&self) -> &Record {
        &self.seen.as_ref().expect("a record is stored").record
    }

    /// Flies one refresh to its end.
    fn fly(&mut self, terms: Terms) -> Finish {
        let mut refresh = Refresh::new(terms);
        let mut input = Input::Started;
        for _ in 0..10_000 {
            input = match refresh.step(self.now, input) {
                Action::Load => {
                    self.log.push("load");
                    match self.store_turn() {
                        Store::Down | Store::ReplyLost => Input::Loaded(Err(fault())),
                        Store::Fine | Store::Slow(_) => Input::Loaded(Ok(self.seen.clone().map(Box::new))),
                    }
                }
                Action::Swap { expected, record } => {
                    self.log.push("swap");
                    self.swaps.push((*record).clone());
                    let turn = self.store_turn();
                    let matches = self.seen.as_ref().map(|seen| seen.revision) == expected;
                    if turn == Store::Down || self.fault == Some(Fault::ReadOnly) {
                        Input::Swapped(Err(fault()))
                    } else if !matches || self.fault == Some(Fault::Conflicts) {
                        Input::Swapped(Ok(SwapOutcome::Conflict(self.seen.clone().map(Box::new))))
                    } else {
                        self.put(*record);
                        if self.fault == Some(Fault::Forgets) {
                            self.seen = None;
                        }
                        match turn {
                            Store::ReplyLost => Input::Swapped(Err(fault())),
                            _ => Input::Swapped(Ok(SwapOutcome::Applied(Revision::new(self.revision)))),
                        }
                    }
                }
                Action::Exchange { refresh_token } => {
                    self.log.push("exchange");
                    self.pass(self.exchange);
                    if let Some(record) = self.meanwhile_exchanging.take() {
                        self.put(record);
                    }
                    self.presented.push(refresh_token.map_or("-".into(), |token| token.expose().into()));
                    Input::Exchanged(self.answers.pop_front().expect("no token request was expected"))
                }
                Action::Wait(pause) | Action::Watch(pause) => {
                    self.waits += 1;
                    self.waited += pause;
                    self.pass(pause);
                    let waits = self.waits;
                    let due: Vec<_> = self.meanwhile.extract_if(.., |(at, _)| *at == waits).collect();
                    due.into_iter().for_each(|(_, record)| self.put(record));
                    Input::Done
                }
                Action::Hold(record) => {
                    self.log.push("hold");
                    self.held = Some(*record);
                    Input::Done
                }
                Action::Release => {
                    self.log.push("release");
                    Input::Done
                }
                Action::Finish(finish) => return *finish,
            };
        }
        panic!("the refresh does not end: {:?}", &self.log[..20]);
    }

    fn store_turn(&mut self) -> Store {
        let turn = self.store.pop_front().unwrap_or(Store::Fine);
        if let Store::Slow(millis) = turn {
            self.pass(Duration::from_millis(millis));
        }
        turn
    }
}

fn fault() -> StoreFault {
    StoreFault { kind: StoreErrorKind::Unavailable }
}

fn binding() -> Binding {
    Binding {
        client_id: "client".into(),
        login_origin: "https://login.salesforce.com".into(),
        org: None,
        user: None,
    }
}

fn tokens(text: &str) -> TokenSet {
    TokenSet {
        access_token: Secret::new(text),
        instance_url: InstanceUrl::parse("https://acme.my.salesforce.com").unwrap(),
        previous_origins: Vec::new(),
        identity: None,
        issued_at: Some(1),
        scope: None,
    }
}

/// A connection at version 1 with access token `a1` and refresh token `r1`, seeded by `r0`.
fn alive() -> Record {
    Record::first(binding(), Some(&Secret::new("r0")), 7, 9)
        .child(Some(Secret::new("r1")), Some(tokens("a1")))
}

fn next(record: &Record, n: u32) -> Record {
    record.child(Some(Secret::new(format!("r{n}"))), Some(tokens(&format!("a{n}"))))
}

/// The terms of a process whose token of `known` was refused.
fn refused(known: &Record) -> Terms {
    Terms { known: Some(known.clone()), rejected: Some(known.lineage), ..cold() }
}

/// The terms of a process that has just started.
fn cold() -> Terms {
    Terms {
        binding: binding(),
        seed: Some(Secret::new("r0")),
        rotating: true,
        known: None,
        dirty: false,
        stores_only: false,
        rejected: None,
        served_for: Duration::ZERO,
        watch: None,
        own_not_before: None,
        idle_claim: None,
        failures: 0,
        entropy: Entropy::seeded(42),
    }
}

fn minting() -> Terms {
    Terms { seed: None, rotating: false, ..cold() }
}

fn granted(n: u32) -> Answer {
    Answer::Granted { tokens: tokens(&format!("a{n}")), refresh_token: Some(Secret::new(format!("r{n}"))) }
}

fn failed(kind: TokenErrorKind) -> Answer {
    Answer::Failed(TokenFault { kind, said: "said".into(), story: "said".into(), retry_after: None })
}

fn served(finish: &Finish) -> &str {
    let fresh = finish.result.as_ref().expect("tokens");
    fresh.record.tokens.as_ref().expect("a token set").access_token.expose()
}

fn failure(finish: &Finish) -> &Failure {
    finish.result.as_ref().expect_err("a failure")
}
