//! What a refresh makes of the record that it finds.

use super::*;

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
fn f099_a_definite_refusal_is_latched_in_the_record() {
    let mut world = World::new(Some(alive())).answering([failed(TokenErrorKind::Reauthorise)]);
    assert_eq!(failure(&world.fly(refused(&alive()))).kind, AuthErrorKind::ReauthorisationRequired);
    assert!(matches!(&world.record().health, Health::Reauthorise(reason) if !reason.rotation_lost));
    assert_eq!((world.record().claim, world.record().refresh_token.clone()), (None, Some(Secret::new("r1"))));
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

#[test]
fn f065_a_session_that_has_outlived_the_usual_time_out_is_refreshed_and_not_adopted() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let issued = |record: Record, at: Duration| {
        let tokens =
            record.tokens.map(|tokens| TokenSet { issued_at: Some(at.as_millis() as u64), ..tokens });
        Record { tokens, ..record }
    };
    let before = issued(alive(), hours(100));
    // Another process refreshed, and then nobody asked for anything over night.
    for (at, presented) in [(hours(101), &["r2"][..]), (hours(109), &[])] {
        let mut world = World::new(Some(issued(next(&before, 2), at))).answering([granted(3)]);
        let finish = world.fly(Terms { served_for: hours(10), ..refused(&before) });
        assert_eq!(world.presented, presented);
        assert_eq!(served(&finish), if presented.is_empty() { "a2" } else { "a3" });
    }
}

#[test]
fn f038_what_was_revoked_here_is_not_minted_anew_while_the_store_is_down() {
    let tombstone = Record { tokens: None, refresh_token: None, health: Health::Revoked, ..alive() };
    let mut world = World::new(None).with_store([Store::Down; 40]).answering([granted(2)]);
    let finish = world.fly(Terms { known: Some(tombstone), ..minting() });
    assert_eq!(failure(&finish).kind, AuthErrorKind::Revoked);
    assert!(world.presented.is_empty() && !world.log.contains(&"exchange"));
}
