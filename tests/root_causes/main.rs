//! Every scenario of the example `diagnose`: the true cause is named, first where the evidence decides it, no wrong one
//! with high confidence, and no request or token request is wasted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../examples/diagnose/scenarios/mod.rs"]
mod scenarios;
#[path = "../../examples/diagnose/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

mod breakers;
mod day;
mod probes;

use std::collections::BTreeMap;

use tower_salesforce_auth::{Confidence, RankedCause};

use self::stage::{Played, Scenario};

/// What is wrong with the diagnosis of a scenario.
fn misses(scenario: &Scenario, played: &Played) -> Vec<String> {
    let causes = played.diagnosis.causes();
    let mut misses = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            misses.push(format!(
                "{}: {what}\n    {}\n    {}",
                scenario.name,
                played.story.join("; "),
                played.diagnosis
            ));
        }
    };
    let is_true = |ranked: &RankedCause| ranked.cause == scenario.truth;
    check(causes.iter().any(is_true), format!("{} is not among the causes", scenario.truth.code()));
    check(
        !scenario.decided || causes.first().is_some_and(is_true),
        "the true cause does not come first".into(),
    );
    for wrong in causes.iter().filter(|ranked| !is_true(ranked) && ranked.confidence == Confidence::High) {
        check(false, format!("{} is named with high confidence", wrong.cause.code()));
    }
    check(played.sends <= 2, format!("{} sends of one call", played.sends));
    check(
        played.token_requests <= scenario.token_requests,
        format!("{} token requests, {} are enough", played.token_requests, scenario.token_requests),
    );
    misses
}

#[tokio::test]
async fn every_scenario_is_diagnosed_and_nothing_is_wasted() {
    let scenarios = scenarios::all();
    assert!(scenarios.len() >= 24, "{} scenarios", scenarios.len());
    let mut matrix: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for scenario in &scenarios {
        let played = match scenario.play().await {
            Ok(played) => played,
            Err(error) => {
                missed.push(error.to_string());
                continue;
            }
        };
        missed.extend(misses(scenario, &played));
        let named = played.diagnosis.cause().map_or("none", |cause| cause.code());
        *matrix.entry((scenario.truth.code(), named)).or_default() += 1;
    }
    print_matrix(&matrix);
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), scenarios.len(), missed.join("\n"));
}

/// One row a true cause, one column a cause that was named first.
fn print_matrix(matrix: &BTreeMap<(&str, &str), usize>) {
    let columns: std::collections::BTreeSet<&str> = matrix.keys().map(|(_, named)| *named).collect();
    print!("{:<22}", "true \\ named first");
    columns.iter().for_each(|column| print!("{column:>20}"));
    println!();
    let rows: std::collections::BTreeSet<&str> = matrix.keys().map(|(truth, _)| *truth).collect();
    for row in rows {
        print!("{row:<22}");
        for column in &columns {
            match matrix.get(&(row, column)) {
                Some(count) => print!("{count:>20}"),
                None => print!("{:>20}", "."),
            }
        }
        println!();
    }
}
