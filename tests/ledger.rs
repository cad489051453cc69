//! The ledger of faults: every number is held by tests that exist, belongs to a topic, or is struck with a reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    ops::RangeInclusive,
    path::Path,
};

use toml::Value;

/// How many faults and security requirements are known.
const FAULTS: u16 = 192;
const REQUIREMENTS: u16 = 45;

/// The numbers that no topic may put off: they are about the path of every request.
const DUE: [(char, RangeInclusive<u16>); 4] =
    [('F', 119..=173), ('F', 185..=192), ('S', 1..=22), ('S', 30..=43)];

/// What is written about one number.
enum Entry {
    Tests(Vec<String>),
    Issue(String),
    Struck,
}

fn entry(number: &str, value: &Value) -> Entry {
    let fields = value.as_table().unwrap_or_else(|| panic!("{number} is no table"));
    let text = |name: &str| {
        let text = fields.get(name)?.as_str().unwrap_or_else(|| panic!("{number}: {name} is no text"));
        assert!(!text.trim().is_empty(), "{number}: {name} is empty");
        Some(text.to_owned())
    };
    assert!(text("title").is_some(), "{number} has no title");
    let tests = fields.get("tests").map(|tests| {
        let tests: Vec<String> =
            tests.clone().try_into().unwrap_or_else(|_| panic!("{number}: tests are no texts"));
        assert!(!tests.is_empty(), "{number} names no test");
        tests
    });
    assert_eq!(fields.len(), 2, "{number} has a title and one of tests, issue and not_applicable");
    match (tests, text("issue"), text("not_applicable")) {
        (Some(tests), None, None) => Entry::Tests(tests),
        (None, Some(issue), None) => Entry::Issue(issue),
        (None, None, Some(_)) => Entry::Struck,
        _ => panic!("{number} has none of tests, issue and not_applicable"),
    }
}

/// The names of all test functions below `folder`.
fn tests_in(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            names.extend(tests_of(&text).map(str::to_owned));
        }
    }
}

/// The functions that stand behind an attribute for a test, or in a `proptest!`, whose attributes are the same.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.contains("::test");
            return None;
        }
        if line.starts_with("//") {
            return None;
        }
        let (_, name) = line.split_once("fn ").filter(|_| std::mem::take(&mut is_test))?;
        name.split(|character: char| !character.is_alphanumeric() && character != '_').next()
    })
}

#[test]
fn every_number_is_held_or_accounted_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = HashSet::new();
    for folder in ["src", "tests"] {
        tests_in(&root.join(folder), &mut known);
    }
    // A number that comes twice is an error of the file's format already.
    let ledger: toml::Table = fs::read_to_string(root.join("tests/faults.toml")).unwrap().parse().unwrap();

    let numbers: BTreeSet<String> = (1..=FAULTS)
        .map(|n| format!("F{n:03}"))
        .chain((1..=REQUIREMENTS).map(|n| format!("S{n:02}")))
        .collect();
    let written: BTreeSet<String> = ledger.keys().cloned().collect();
    assert_eq!(numbers.difference(&written).collect::<Vec<_>>(), [""; 0], "numbers that are missing");
    assert_eq!(written.difference(&numbers).collect::<Vec<_>>(), [""; 0], "numbers that nobody knows");

    let mut wrong = Vec::new();
    let (mut held, mut put_off, mut struck, mut tests) = (0, 0, 0, BTreeSet::new());
    for (number, value) in &ledger {
        match entry(number, value) {
            Entry::Tests(names) => {
                held += 1;
                wrong.extend(
                    names
                        .iter()
                        .filter(|name| !known.contains(*name))
                        .map(|name| format!("{number}: there is no test {name}")),
                );
                tests.extend(names);
            }
            Entry::Issue(topic) => {
                put_off += 1;
                if is_due(number) {
                    wrong.push(format!("{number} is put off to {topic:?}, but it is due"));
                }
            }
            Entry::Struck => struck += 1,
        }
    }
    println!(
        "ledger: {} numbers, {held} held by {} tests, {put_off} of later topics, {struck} struck",
        ledger.len(),
        tests.len(),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_due(number: &str) -> bool {
    let (kind, digits) = number.split_at(1);
    let digits: u16 = digits.parse().unwrap();
    DUE.iter().any(|(due, range)| kind.starts_with(*due) && range.contains(&digits))
}

#[test]
fn tests_are_found_by_their_attributes() {
    let text = "
        fn helper() {}
        #[test]
        fn one() {}
        #[tokio::test(start_paused = true)]
        #[cfg(unix)]
        async fn two() {}
        /// Words.
        #[test]
        // Why.
        fn three(value in 0..1) {}
    ";
    assert_eq!(tests_of(text).collect::<Vec<_>>(), ["one", "two", "three"]);
}
