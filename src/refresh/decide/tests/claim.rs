//! Claims, waits, and what the token endpoint answers.

use super::*;

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
fn f021_the_same_refresh_token_again_still_moves_the_lineage() {
    let same = || Answer::Granted { tokens: tokens("a2"), refresh_token: Some(Secret::new("r1")) };
    let mut world = World::new(Some(alive())).answering([same(), granted(3)]);
    let finish = world.fly(refused(&alive()));
    let record = world.record().clone();
    assert_eq!((served(&finish), record.lineage), ("a2", alive().lineage.child()));
    // It is good for the next refresh, which may rotate it.
    assert_eq!(served(&world.fly(refused(&record))), "a3");
    assert_eq!(world.presented, ["r1", "r1"]);
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
fn f043_a_claim_whose_giving_up_is_not_confirmed_is_not_sent_on() {
    // The write that gives the claim up may still land, and let somebody else claim: it is claimed anew before that.
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Slow(2_500), Store::Down])
        .answering([granted(2)]);
    assert_eq!(served(&world.fly(refused(&alive()))), "a2");
    assert_eq!(world.log, ["load", "swap", "swap", "load", "swap", "exchange", "hold", "swap"]);
    let claims: Vec<_> = world.swaps.iter().map(|record| record.claim.map(|claim| claim.nonce)).collect();
    assert_eq!((claims[1], claims[3]), (None, None));
    assert_ne!(claims[0], claims[2]);
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

    // And one whose request did not leave, with the store gone as well.
    let mut world = World::new(Some(alive()))
        .with_store([Store::Fine, Store::Fine, Store::Down, Store::Down, Store::Down])
        .answering([failed(TokenErrorKind::NotSent), granted(2)]);
    let finish = world.fly(refused(&alive()));
    assert_eq!(failure(&finish).kind, AuthErrorKind::StoreUnavailable);
    let waits = world.waits;
    let terms = Terms { idle_claim: finish.idle_claim, ..refused(&alive()) };
    assert_eq!((served(&world.fly(terms)), world.waits), ("a2", waits));

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
