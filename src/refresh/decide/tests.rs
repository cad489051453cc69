//! The protocol against a world of one record, one clock and one token endpoint, all scripted.

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
        rejected: None,
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

#[test]
fn a_refresh_claims_then_sends_then_commits() {
    let mut world = World::new(Some(alive())).answering([granted(2)]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(served(&finish), "a2");
    assert_eq!(world.log, ["load", "swap", "exchange", "hold", "swap"]);
    assert!(world.swaps[0].claim.is_some() && world.swaps[1].claim.is_none());
    assert_eq!(world.presented, ["r1"]);
    assert_eq!(*world.record(), next(&alive(), 2));
}

#[test]
fn f041_a_lineage_that_moved_is_adopted_without_a_token_request() {
    let mut world = World::new(Some(next(&alive(), 2)));
    let finish = world.fly(refused(&alive()));
    assert_eq!(served(&finish), "a2");
    assert_eq!(world.log, ["load"]);
    assert!(!finish.result.unwrap().own);
}

#[test]
fn a_cold_start_serves_what_is_stored() {
    let mut world = World::new(Some(alive()));
    assert_eq!(served(&world.fly(cold())), "a1");
    assert_eq!(world.log, ["load"]);
}

#[test]
fn a_first_start_presents_the_seed_under_a_claim() {
    let mut world = World::new(None).answering([granted(1)]);
    assert_eq!(served(&world.fly(cold())), "a1");
    assert_eq!(world.presented, ["r0"]);
    assert!(world.swaps[0].claim.is_some());
    assert!(world.record().seeds.knows(&Secret::new("r0")));
}

#[test]
fn a_seed_that_was_used_is_never_presented_again() {
    let mut world = World::new(Some(alive())).answering([granted(2)]);
    world.fly(refused(&alive()));
    assert_eq!(world.presented, ["r1"]);
}

#[test]
fn an_unknown_seed_is_ignored_while_the_connection_is_alive() {
    let mut world = World::new(Some(alive())).answering([granted(2)]);
    let finish = world.fly(Terms { seed: Some(Secret::new("other")), ..refused(&alive()) });
    assert!(finish.seed_ignored);
    assert_eq!(world.presented, ["r1"]);
}

#[test]
fn s39_a_latched_connection_sends_nothing_until_a_new_seed_repairs_it() {
    let reason = Reauthorise { rotation_lost: false, said: "expired access/refresh token".into() };
    let latched = Record { health: Health::Reauthorise(reason), ..alive() };
    let mut world = World::new(Some(latched));
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).kind, AuthErrorKind::ReauthorisationRequired);
    assert_eq!(world.log, ["load"]);

    let mut world = world.answering([granted(5)]);
    let finish = world.fly(Terms { seed: Some(Secret::new("redeployed")), ..refused(&alive()) });
    assert_eq!(served(&finish), "a5");
    assert_eq!(world.presented, ["redeployed"]);
    assert_ne!(world.record().lineage.id, alive().lineage.id);
}

#[test]
fn without_record_and_seed_there_is_nothing_to_send() {
    let mut world = World::new(None);
    let finish = world.fly(Terms { seed: None, ..cold() });
    assert_eq!(failure(&finish).kind, AuthErrorKind::NotConnected);
    assert_eq!(world.log, ["load"]);
}

#[test]
fn f058_another_clients_record_is_neither_used_nor_touched() {
    let mut foreign = alive();
    foreign.binding.client_id = "another".into();
    let mut world = World::new(Some(foreign.clone()));
    assert_eq!(failure(&world.fly(cold())).kind, AuthErrorKind::ConnectionMismatch);
    assert_eq!((world.log.as_slice(), world.record()), (["load"].as_slice(), &foreign));
}

#[test]
fn f043_a_claim_that_took_too_long_is_given_up_and_made_again() {
    let mut world =
        World::new(Some(alive())).with_store([Store::Fine, Store::Slow(2_500)]).answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.log, ["load", "swap", "swap", "load", "swap", "exchange", "hold", "swap"]);
    assert_eq!(world.swaps[1].claim, None);
}

#[test]
fn a_store_on_which_every_claim_goes_stale_ends_in_an_error_without_a_request() {
    let mut world = World::new(Some(alive())).with_store([Store::Slow(2_500); 40]);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::StoreUnavailable);
    assert!(world.presented.is_empty());
}

#[test]
fn f046_a_foreign_claim_is_waited_for_and_its_result_adopted() {
    let claimed = alive().claimed(99, 0);
    let mut world = World::new(Some(claimed)).after_waits(4, next(&alive(), 2));
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert!(world.presented.is_empty() && world.swaps.is_empty());
    assert!(world.waited < Duration::from_secs(2), "{:?}", world.waited);
}

#[test]
fn f046_a_claim_seen_unchanged_is_superseded_after_the_wait_out_and_not_sooner() {
    let mut world = World::new(Some(alive().claimed(99, 0))).answering([granted(2)]);
    let start = world.now.monotonic;
    let mut terms = refused(&alive());
    let served_at = loop {
        let finish = world.fly(terms.clone());
        match finish.result {
            Ok(_) => break world.now.monotonic - start,
            Err(failure) => {
                assert_eq!(failure.kind, AuthErrorKind::OutcomeUnknown);
                terms.watch = finish.watch;
                world.pass(failure.pause);
            }
        }
    };
    assert!(
        served_at >= sending::WAIT_OUT_ROTATING
            && served_at < sending::WAIT_OUT_ROTATING + Duration::from_secs(2)
    );
    let claims: Vec<_> = world.swaps.iter().filter_map(|record| record.claim).collect();
    assert_eq!(claims.iter().map(|claim| claim.attempt).collect::<Vec<_>>(), [1]);
    assert_eq!(world.presented, ["r1"]);
}

#[test]
fn f023_an_unknown_outcome_keeps_the_claim_and_is_not_repeated_before_the_wait_out() {
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::OutcomeUnknown)]);
    let first = world.fly(refused(&alive()));
    assert_eq!(failure(&first).kind, AuthErrorKind::OutcomeUnknown);
    assert!(world.record().claim.is_some());

    // Asked again at once: told at once, nothing sent, nobody kept waiting.
    let (waits, terms) = (world.waits, Terms { watch: first.watch, ..refused(&alive()) });
    assert_eq!(failure(&world.fly(terms.clone())).kind, AuthErrorKind::OutcomeUnknown);
    assert_eq!((world.waits, world.presented.len()), (waits, 1));

    // After the wait-out one more request; its definite refusal means that the rotated token was lost.
    world.pass(sending::WAIT_OUT_ROTATING);
    let mut world = world.answering([failed(TokenErrorKind::Reauthorise)]);
    let last = world.fly(terms);
    assert_eq!(failure(&last).kind, AuthErrorKind::ReauthorisationRequired);
    assert_eq!(world.presented, ["r1", "r1"]);
    assert!(matches!(&world.record().health, Health::Reauthorise(reason) if reason.rotation_lost));
}

#[test]
fn the_wait_out_doubles_with_each_superseded_attempt() {
    let refresh = Refresh::new(cold());
    let minutes: Vec<_> = (0..6).map(|attempt| refresh.wait_out_time(attempt).as_secs() / 60).collect();
    assert_eq!(minutes, [1, 2, 4, 8, 15, 15]);
}

#[test]
fn f045_a_late_commit_lands_over_a_superseding_claim_of_the_same_parent() {
    // The swap of the claim (the second operation) is followed by somebody who supersedes it.
    let mut world = World::new(Some(alive())).answering([granted(2)]);
    let mut refresh = Refresh::new(refused(&alive()));
    let mut input = Input::Started;
    let finish = loop {
        input = match refresh.step(world.now, input) {
            Action::Load => Input::Loaded(Ok(world.seen.clone().map(Box::new))),
            Action::Swap { expected, record } => {
                if world.seen.as_ref().map(|seen| seen.revision) == expected {
                    world.put(*record);
                    Input::Swapped(Ok(SwapOutcome::Applied(Revision::new(world.revision))))
                } else {
                    Input::Swapped(Ok(SwapOutcome::Conflict(world.seen.clone().map(Box::new))))
                }
            }
            Action::Exchange { .. } => {
                world.put(alive().claimed(1234, 1));
                Input::Exchanged(granted(2))
            }
            Action::Hold(_) => Input::Done,
            Action::Finish(finish) => break *finish,
            other => panic!("{other:?}"),
        };
    };
    assert_eq!(served(&finish), "a2");
    assert_eq!(*world.record(), next(&alive(), 2));
}

#[test]
fn f037_a_reconnect_during_the_flight_takes_precedence() {
    let reconnected = Record { lineage: Lineage { version: 2, id: 77 }, ..next(&alive(), 9) };
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::Down])
        .answering([granted(2)])
        .after_waits(1, reconnected.clone());
    assert_eq!(served(&world.fly(refused(&alive()))), "a9");
    assert_eq!(*world.record(), reconnected);
}

#[test]
fn f038_a_revocation_during_the_flight_is_not_undone_by_its_commit() {
    let revoked = Record {
        lineage: alive().lineage.child(),
        health: Health::Revoked,
        tokens: None,
        refresh_token: None,
        ..alive()
    };
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::Down])
        .answering([granted(2)])
        .after_waits(1, revoked.clone());
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::Revoked);
    assert_eq!(*world.record(), revoked);
}

#[test]
fn f030_a_commit_whose_reply_was_lost_is_found_and_not_sent_again() {
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::ReplyLost])
        .answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!((world.presented.len(), world.swaps.len()), (1, 2));
}

#[test]
fn f049_a_claim_whose_reply_was_lost_is_recognised_as_its_own() {
    let mut world =
        World::new(Some(alive())).with_store([Store::Fine, Store::ReplyLost]).answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.log, ["load", "swap", "load", "exchange", "hold", "swap"]);
}

#[test]
fn f029_a_commit_is_tried_until_the_store_is_back_and_waiters_are_released_meanwhile() {
    let down = std::iter::repeat_n(Store::Down, 20);
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine].into_iter().chain(down))
        .answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.log.iter().filter(|entry| **entry == "release").count(), 1);
    assert_eq!((world.presented.len(), world.record()), (1, &next(&alive(), 2)));
}

#[test]
fn f029_what_an_earlier_flight_could_not_store_is_stored_first() {
    let child = next(&alive(), 2);
    let mut world = World::new(Some(alive().claimed(5, 0)));
    let terms = Terms { known: Some(child.clone()), dirty: true, ..refused(&alive()) };
    assert_eq!(served(&world.fly(terms)), "a2");
    assert_eq!((world.presented.len(), world.record()), (0, &child));
}

#[test]
fn f055_after_invalid_grant_a_moved_lineage_is_adopted() {
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::Reauthorise)]);
    let mut refresh = Refresh::new(refused(&alive()));
    let mut input = Input::Started;
    let finish = loop {
        input = match refresh.step(world.now, input) {
            Action::Load => Input::Loaded(Ok(world.seen.clone().map(Box::new))),
            Action::Swap { record, .. } => {
                world.put(*record);
                Input::Swapped(Ok(SwapOutcome::Applied(Revision::new(world.revision))))
            }
            Action::Exchange { .. } => {
                world.put(next(&alive(), 2));
                Input::Exchanged(failed(TokenErrorKind::Reauthorise))
            }
            Action::Finish(finish) => break *finish,
            other => panic!("{other:?}"),
        };
    };
    assert_eq!(served(&finish), "a2");
}

#[test]
fn f099_a_definite_refusal_is_latched_in_the_record() {
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::Reauthorise)]);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::ReauthorisationRequired);
    assert!(matches!(&world.record().health, Health::Reauthorise(reason) if !reason.rotation_lost));
    assert_eq!((world.record().claim, world.record().refresh_token.clone()), (None, Some(Secret::new("r1"))));
}

#[test]
fn f056_already_being_processed_is_asked_four_times_at_most() {
    let busy = std::iter::repeat_n(failed(TokenErrorKind::AlreadyProcessing), 4);
    let mut world = World::new(Some(alive())).answering(busy);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::TokenEndpointUnavailable);
    assert_eq!((world.presented.len(), world.record().claim), (4, None));
}

#[test]
fn f056_the_other_requests_result_is_adopted_between_two_tries() {
    let mut world = World::new(Some(alive()))
        .answering([failed(TokenErrorKind::AlreadyProcessing)])
        .after_waits(1, next(&alive(), 2));
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.presented.len(), 1);
}

#[test]
fn f096_a_request_that_never_left_is_tried_three_times_and_the_claim_given_back() {
    let unsent = std::iter::repeat_n(failed(TokenErrorKind::NotSent), 3);
    let mut world = World::new(Some(alive())).answering(unsent);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::TokenEndpointUnavailable);
    assert_eq!((world.presented.len(), world.record().claim), (3, None));
    assert!(world.record().not_before.is_some());
}

#[test]
fn f053_another_processs_not_before_is_respected_and_ones_own_is_not_waited_for_twice() {
    let now_millis = 1_700_000_000_000;
    let held_off = alive().unclaimed(Some(now_millis + 30_000));
    let mut world = World::new(Some(held_off)).answering([granted(2)]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).pause, Duration::from_secs(30));
    assert!(world.presented.is_empty());

    let terms = Terms { own_not_before: Some(now_millis + 30_000), ..refused(&alive()) };
    assert_eq!(served(&world.fly(terms)), "a2");
}

#[test]
fn f112_a_quarantined_answers_refresh_token_is_stored_and_nothing_is_served() {
    let hostile =
        Answer::Quarantined { refresh_token: Some(Secret::new("r2")), reason: "another org".into() };
    let mut world = World::new(Some(alive())).answering([hostile]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).kind, AuthErrorKind::TokenAnswerRejected);
    assert_eq!(
        (world.record().tokens.clone(), world.record().refresh_token.clone()),
        (None, Some(Secret::new("r2")))
    );
}

#[test]
fn f066_a_rotating_grant_sends_nothing_without_its_store() {
    let mut world = World::new(Some(alive())).with_store([Store::Down; 10]);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::StoreUnavailable);
    assert!(world.presented.is_empty());
}

#[test]
fn f052_a_minting_grant_goes_on_without_its_store() {
    let mut world = World::new(None).with_store([Store::Down; 10]).answering([granted(2)]);
    assert_eq!(served(&world.fly(minting())), "a2");
    assert_eq!(world.presented, ["-"]);
}

#[test]
fn f035_a_store_that_was_rolled_back_gets_the_newer_record_before_anything_is_sent() {
    let newer = next(&next(&alive(), 2), 3);
    let mut world = World::new(Some(alive())).answering([granted(4)]);
    assert_eq!(served(&world.fly(refused(&newer))), "a4");
    assert_eq!(world.presented, ["r3"]);
}

#[test]
fn f073_a_record_that_vanished_is_made_again_from_memory() {
    let mut world = World::new(None).answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.presented, ["r1"]);
}

#[test]
fn f070_a_damaged_record_stops_the_refresh_and_is_not_replaced() {
    let mut refresh = Refresh::new(cold());
    let now = World::new(None).now;
    assert!(matches!(refresh.step(now, Input::Started), Action::Load));
    let corrupt = StoreFault { kind: StoreErrorKind::Corrupt };
    match refresh.step(now, Input::Loaded(Err(corrupt))) {
        Action::Finish(finish) => assert_eq!(failure(&finish).kind, AuthErrorKind::StoreCorrupt),
        other => panic!("{other:?}"),
    }
}

#[test]
fn f088_a_suspended_machine_is_noticed_by_the_wall_clock_alone() {
    let earlier = Now { monotonic: Duration::from_secs(5), wall: Duration::from_secs(100) };
    let woken = Now { monotonic: Duration::from_secs(5), wall: Duration::from_secs(3_700) };
    assert_eq!(woken.since(earlier), Duration::from_secs(3_600));
}

#[test]
fn seeds_of_a_minting_grant_are_empty() {
    let mut world = World::new(None).answering([granted(1)]);
    world.fly(minting());
    assert_eq!(world.record().seeds.fingerprints, Seeds::default().fingerprints);
}

#[test]
fn f033_a_store_that_cannot_be_written_ends_the_refresh_without_a_request() {
    let mut world = World::new(Some(alive())).with_fault(Fault::ReadOnly);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::StoreUnavailable);
    assert!(world.presented.is_empty());
    assert_eq!(world.swaps.len(), STORE_TRIES as usize);
}

#[test]
fn f052_a_minting_grant_goes_on_when_its_store_cannot_be_written() {
    let mut world = World::new(None).with_fault(Fault::ReadOnly).answering([granted(2)]);
    assert_eq!(served(&world.fly(minting())), "a2");
    assert_eq!(world.presented.len(), 1);
}

#[test]
fn f029_the_pauses_between_commits_grow_when_only_writes_fail() {
    let failing = std::iter::repeat_n([Store::Down, Store::Fine], 20).flatten();
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine].into_iter().chain(failing))
        .answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert!(world.waited > Duration::from_secs(60), "20 tries in {:?}", world.waited);
}

#[test]
fn f085_a_store_that_answers_conflict_to_every_claim_ends_the_refresh() {
    let mut world = World::new(Some(alive())).with_fault(Fault::Conflicts);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::StoreUnavailable);
    assert!(world.presented.is_empty() && world.swaps.len() < 30, "{} swaps", world.swaps.len());

    let mut world = World::new(None).with_fault(Fault::Conflicts).answering([granted(2)]);
    assert_eq!(served(&world.fly(minting())), "a2");
}

#[test]
fn f085_a_commit_that_meets_nothing_but_conflicts_pauses_between_two_tries() {
    let mut world = World::new(Some(alive()));
    let mut refresh = Refresh::new(refused(&alive()));
    let (mut input, mut conflicts, mut waits) = (Input::Started, 0, 0);
    while waits < 3 {
        input = match refresh.step(world.now, input) {
            Action::Load => Input::Loaded(Ok(world.seen.clone().map(Box::new))),
            Action::Swap { record, .. } if record.claim.is_some() => {
                world.put(*record);
                Input::Swapped(Ok(SwapOutcome::Applied(Revision::new(world.revision))))
            }
            Action::Swap { .. } => {
                conflicts += 1;
                assert!(conflicts < 100, "the flight spins");
                Input::Swapped(Ok(SwapOutcome::Conflict(world.seen.clone().map(Box::new))))
            }
            Action::Exchange { .. } => Input::Exchanged(granted(2)),
            Action::Hold(_) | Action::Release => Input::Done,
            Action::Wait(pause) => {
                waits += 1;
                world.pass(pause);
                Input::Done
            }
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn f073_a_refused_token_is_not_shown_again_when_the_record_vanishes() {
    let mut world =
        World::new(None).with_fault(Fault::Forgets).answering([failed(TokenErrorKind::Reauthorise)]);
    let finish = world.fly(cold());
    assert_eq!(failure(&finish).kind, AuthErrorKind::ReauthorisationRequired);
    // What the process knows now keeps the next flight from asking again.
    let known = failure(&finish).record.clone();
    let finish = world.fly(Terms { known, ..cold() });
    assert_eq!(failure(&finish).kind, AuthErrorKind::ReauthorisationRequired);
    assert_eq!(world.presented.len(), 1);
}

#[test]
fn f085_a_store_that_forgets_what_it_was_given_ends_the_refresh() {
    let mut world = World::new(None).with_fault(Fault::Forgets);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::StoreUnavailable);
}

#[test]
fn f064_a_not_before_that_no_pause_explains_is_another_clocks_error() {
    let now_millis = 1_700_000_000_000;
    let year = 365 * 24 * 3_600_000;
    let mut world = World::new(Some(alive().unclaimed(Some(now_millis + year)))).answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
}

#[test]
fn f098_no_answer_silences_a_connection_for_longer_than_five_minutes() {
    let told = TokenFault {
        kind: TokenErrorKind::Transient,
        said: "said".into(),
        story: "said".into(),
        retry_after: Some(Duration::MAX),
    };
    let mut world = World::new(Some(alive())).answering([Answer::Failed(told)]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).pause, Duration::from_secs(300));
    assert_eq!(world.record().not_before, Some(1_700_000_000_000 + 300_000));
}

#[test]
fn f035_a_new_consent_on_a_removed_record_is_not_taken_for_a_rollback() {
    // The record was removed and connected again elsewhere: its versions begin anew, its tokens are newer.
    let newer = TokenSet { issued_at: Some(2), ..tokens("a9") };
    let consent = Record::first(binding(), None, 77, 9).child(Some(Secret::new("r9")), Some(newer));
    let known = next(&next(&next(&alive(), 2), 3), 4);
    let mut world = World::new(Some(consent.clone()));
    assert_eq!(served(&world.fly(refused(&known))), "a9");
    assert_eq!(*world.record(), consent);

    // The same against a token set that could not be stored yet.
    let mut world = World::new(Some(consent.clone()));
    assert_eq!(served(&world.fly(Terms { dirty: true, ..refused(&known) })), "a9");
    assert_eq!(*world.record(), consent);
}

#[test]
fn f029_what_is_stored_is_not_called_unstored_when_the_refresh_after_it_fails() {
    let child = next(&alive(), 2);
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::Transient)]);
    let terms = Terms { dirty: true, ..refused(&child) };
    let finish = world.fly(terms);
    assert_eq!(failure(&finish).kind, AuthErrorKind::TokenEndpointUnavailable);
    assert!(!finish.dirty);
}

#[test]
fn a_claim_that_this_process_left_behind_unused_is_taken_over_at_once() {
    // The definite refusal could not be noted: the claim still stands.
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::Down])
        .answering([failed(TokenErrorKind::Transient), granted(2)]);
    let finish = world.fly(refused(&alive()));
    assert!(world.record().claim.is_some());
    let terms = Terms { idle_claim: finish.idle_claim, ..refused(&alive()) };
    assert_eq!(served(&world.fly(terms)), "a2");
    assert_eq!((world.presented.len(), world.waits), (2, 0));

    // So is one whose reply was lost before anything was sent.
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::ReplyLost, Store::Down, Store::Down, Store::Down])
        .answering([granted(2)]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).kind, AuthErrorKind::StoreUnavailable);
    let terms = Terms { idle_claim: finish.idle_claim, ..refused(&alive()) };
    assert_eq!(served(&world.fly(terms)), "a2");

    // One with an unknown outcome is not.
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::OutcomeUnknown)]);
    assert_eq!(world.fly(refused(&alive())).idle_claim, None);
}

#[test]
fn f044_no_request_leaves_later_than_30_s_after_its_claim() {
    let busy = std::iter::repeat_n(failed(TokenErrorKind::AlreadyProcessing), 3);
    let mut world = World::new(Some(alive())).answering(busy.chain([granted(2)]));
    world.exchange = Duration::from_secs(10);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    let claims: Vec<_> = world.swaps.iter().map(|record| record.claim.map(|claim| claim.nonce)).collect();
    assert!(
        matches!(claims.as_slice(), [Some(first), None, Some(second), None] if first != second),
        "given up and claimed anew before the fourth request: {claims:?}"
    );
}

#[test]
fn f045_after_invalid_grant_a_claim_that_superseded_this_one_is_waited_for_and_not_latched() {
    let mut world = World::new(Some(alive()))
        .answering([failed(TokenErrorKind::Reauthorise)])
        .after_waits(2, next(&alive(), 2));
    world.meanwhile_exchanging = Some(alive().claimed(1234, 1));
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!((world.presented.len(), world.swaps.len()), (1, 1), "the claim, and nothing over theirs");
}

#[test]
fn f099_a_refusal_that_the_store_did_not_take_keeps_the_process_from_asking_again() {
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::Fine, Store::Down])
        .answering([failed(TokenErrorKind::Reauthorise)]);
    let known = failure(&world.fly(refused(&alive()))).record.clone();
    assert_eq!(world.record().health, Health::Sound);
    let finish = world.fly(Terms { known, ..refused(&alive()) });
    assert_eq!(failure(&finish).kind, AuthErrorKind::ReauthorisationRequired);
    assert_eq!(world.presented.len(), 1);
    assert!(matches!(world.record().health, Health::Reauthorise(_)), "and the store has it now");
}

#[test]
fn f029_what_an_earlier_flight_could_not_store_is_tried_for_as_long_as_it_takes() {
    let child = next(&alive(), 2);
    let mut world = World::new(Some(alive())).with_store([Store::Down; 20]);
    let terms = Terms { known: Some(child.clone()), dirty: true, ..refused(&alive()) };
    assert_eq!(served(&world.fly(terms)), "a2");
    assert_eq!(world.log.iter().filter(|entry| **entry == "release").count(), 1);
    assert_eq!((world.presented.len(), world.record()), (0, &child));
}

#[test]
fn f032_of_two_children_of_one_parent_the_newer_stays() {
    let sibling = |issued_at, n| {
        alive().child(
            Some(Secret::new(format!("r{n}"))),
            Some(TokenSet { issued_at: Some(issued_at), ..tokens(&format!("a{n}")) }),
        )
    };
    for (theirs, stays) in [(0, "a2"), (5, "a8")] {
        let mut world = World::new(Some(alive())).answering([granted(2)]);
        world.meanwhile_exchanging = Some(sibling(theirs, 8));
        assert_eq!(served(&world.fly(refused(&alive()))), stays);
        let tokens = world.record().tokens.clone().unwrap();
        assert_eq!(tokens.access_token.expose(), stays);
    }
}

#[test]
fn f038_a_revoked_record_is_not_taken_for_a_rollback() {
    let revoked = Record {
        lineage: alive().lineage.child(),
        health: Health::Revoked,
        tokens: None,
        refresh_token: None,
        ..alive()
    };
    let known = next(&next(&alive(), 2), 3);
    for dirty in [false, true] {
        let mut world = World::new(Some(revoked.clone()));
        let finish = world.fly(Terms { dirty, ..refused(&known) });
        assert_eq!(failure(&finish).kind, AuthErrorKind::Revoked);
        assert_eq!(*world.record(), revoked);
    }
}
