//! A store that breaks one property fails the one case that is about it.

use std::sync::{Arc, Mutex, Weak};

use tower_salesforce_auth::{
    store::MemoryStore,
    testing::{ConformanceOutcome, ConformanceReport, store_conformance},
};

use crate::{
    flawed::{Flaw, Flawed, Shared},
    rig::{failed, skipped},
};

/// The kit on a store in memory with a flaw, and with all that the kit can use in one process.
async fn report_on(flaw: Flaw) -> ConformanceReport {
    let shared = Arc::new(Shared::new(flaw));
    let [removing, damaging, away] = [(); 3].map(|()| Arc::clone(&shared));
    store_conformance(async || Flawed::new(flaw, &shared))
        .removing(move |key| {
            removing.remove(&key);
            async {}
        })
        .damaging(move |key| {
            damaging.damage(&key);
            async {}
        })
        .outages(move |down| {
            away.go_away(down);
            async {}
        })
        .printing(Flawed::print)
        .await
}

#[tokio::test(start_paused = true)]
async fn a_store_without_a_flaw_passes_every_case_of_one_process() {
    let report = report_on(Flaw::None).await;
    report.assert_passed();
    assert_eq!(skipped(&report), ["two_processes", "survives_a_kill"]);
}

#[tokio::test(start_paused = true)]
async fn f085_each_flaw_fails_exactly_its_case() {
    let table = [
        (Flaw::IgnoresExpected, "create_and_swap"),
        (Flaw::EmptyConflicts, "conflicts_show_the_record"),
        (Flaw::ShortKeys, "keys_are_apart"),
        (Flaw::TextOnly, "any_bytes"),
        (Flaw::EmptyIsAbsent, "any_bytes"),
        (Flaw::PanicsAtZeros, "any_bytes"),
        (Flaw::HalfOfALargeRecord, "largest_record"),
        (Flaw::ReadsInTwoParts, "whole_records"),
        (Flaw::CreatesAfterALook, "one_creator"),
        (Flaw::SwapsAfterALook, "no_lost_update"),
        (Flaw::CachesReads, "linearizable_reads"),
        (Flaw::RevisionsOfContent, "fresh_revisions"),
        (Flaw::RevisionsOfOneByte, "fresh_revisions"),
        (Flaw::RevisionsStartAnew, "fresh_revisions_after_removal"),
        (Flaw::FailsAfterTheWrite, "honest_errors"),
        (Flaw::TriesAgain, "no_second_try"),
        (Flaw::WritesInTwoParts, "dropped_swaps"),
        (Flaw::LockOfADroppedSwapStays, "dropped_swaps"),
        (Flaw::DroppedSwapComesLate, "dropped_swaps"),
        (Flaw::DroppedLoadKeepsAConnection, "dropped_loads"),
        (Flaw::PoisonedByAPanic, "panics_leave_nothing"),
        (Flaw::HintsWithoutEnd, "quiet_hints"),
        (Flaw::HintsHoldTheLock, "quiet_hints"),
        (Flaw::AwayIsAbsent, "an_outage_is_not_absence"),
        (Flaw::DamagedIsAbsent, "damage_is_not_absence"),
        (Flaw::ErrorsShowRecords, "no_secret_shown"),
        (Flaw::DebugShowsRecords, "no_secret_shown"),
    ];
    let mut wrong = Vec::new();
    for (flaw, case) in table {
        let report = report_on(flaw).await;
        if failed(&report) != [case] {
            wrong.push(format!("{flaw:?}, which is about {case}: {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn handles_on_different_stores_fail_the_case_about_that_and_skip_the_rest() {
    let report = store_conformance(async || MemoryStore::volatile()).await;
    assert_eq!(failed(&report), ["one_store"]);
    assert_eq!(skipped(&report).len(), report.cases().len() - 2);
}

#[tokio::test(start_paused = true)]
async fn a_durable_store_that_forgets_with_its_last_handle_fails_the_case_about_that() {
    let shared = Mutex::new(Weak::<Shared>::new());
    let report = store_conformance(async || {
        let mut weak = shared.lock().unwrap();
        let living = weak.upgrade().unwrap_or_default();
        *weak = Arc::downgrade(&living);
        Flawed::new(Flaw::None, &living)
    })
    .await;
    assert_eq!(failed(&report), ["outlives_its_handles"]);
}

#[tokio::test(start_paused = true)]
async fn a_report_says_what_was_seen_and_what_to_do() {
    let report = report_on(Flaw::PanicsAtZeros).await;
    let case = report.failed().next().unwrap();
    let ConformanceOutcome::Failed(seen) = case.outcome() else { panic!() };
    assert!(seen.contains("the store panicked") && seen.contains("zeros"), "{seen}");
    let text = report.to_string();
    assert!(text.starts_with("store conformance: 20 passed, 1 failed, 3 skipped\n"), "{text}");
    for part in
        ["ok       create_and_swap", "FAILED   any_bytes", seen, case.advice(), "(needs `second_process`)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let failure = std::panic::catch_unwind(|| report.assert_passed()).unwrap_err();
    assert_eq!(*failure.downcast::<String>().unwrap(), text);
}
