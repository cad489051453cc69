//! Commits, and stores that fail.

use super::*;

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
fn f031_a_commit_lands_on_whatever_else_was_written_to_the_same_lineage_meanwhile() {
    let pause = Some(1_700_000_060_000);
    for touched in [
        alive(),
        Record { not_before: pause, ..alive() },
        Record { not_before: pause, ..alive().claimed(1234, 1) },
    ] {
        let mut world = World::new(Some(alive())).answering([granted(2)]);
        world.meanwhile_exchanging = Some(touched.clone());
        assert_eq!(served(&world.fly(refused(&alive()))), "a2", "{touched:?}");
        assert_eq!((world.presented.len(), world.record()), (1, &next(&alive(), 2)), "{touched:?}");
        assert_eq!(world.log.iter().filter(|entry| **entry == "swap").count(), 3, "claim, conflict, commit");
    }
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
fn f035_a_record_that_begins_again_is_ours_only_if_it_begins_with_a_seed_that_we_have_spent() {
    let ours = next(&next(&alive(), 2), 3);
    for (seed, is_ours) in [("r0", true), ("new", false)] {
        let begun = Record::first(binding(), Some(&Secret::new(seed)), 8, 1);
        assert_eq!(is_ahead(&ours, &begun), is_ours, "{seed}");
        assert!(!is_ahead(&ours, &Record { health: Health::Revoked, ..begun }), "{seed}");
    }
    let undated = |record: &Record| {
        let tokens = record.tokens.clone().map(|tokens| TokenSet { issued_at: None, ..tokens });
        Record { tokens, lineage: Lineage { id: 8, ..record.lineage }, ..record.clone() }
    };
    assert!(!is_ahead(&ours, &undated(&alive())), "nothing says which is the newer");
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
fn f051_a_token_that_nothing_dates_outlives_a_store_that_fell_back_below_its_parent() {
    let parent = next(&alive(), 2);
    let kept = Answer::Quarantined { refresh_token: Some(Secret::new("r3")), reason: "another org".into() };
    let mut world = World::new(Some(parent.clone())).answering([kept]);
    world.meanwhile_exchanging = Some(alive());
    assert_eq!(failure(&world.fly(refused(&parent))).kind, AuthErrorKind::TokenAnswerRejected);
    assert_eq!(world.record().refresh_token.as_ref().unwrap().expose(), "r3");
}
