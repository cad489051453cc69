//! How many allocations a request costs, exactly: `cargo bench --bench allocations`. Fails if one has changed.
//!
//! All figures are over the service below alone, called alike. Here and not with the instructions, since an allocator
//! that counts costs some.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

mod rig;

use std::process::ExitCode;

use rig::{
    Shape,
    contenders::{CONTENDERS, Case, Handle},
    results::{Figure, write},
};

const ROUNDS: usize = 100;

/// What is kept for the resend of a usual request is one piece of memory. The body of a record is the caller's bytes:
/// the first clone of such bytes makes them countable, which is the second.
const EXPECTED: [(Shape, &str, u64); 6] = [
    (Shape::Static, "ours", 1),
    (Shape::Typical, "ours", 1),
    (Shape::Post, "ours", 2),
    (Shape::Static, "ours_never", 0),
    (Shape::Typical, "ours_never", 0),
    (Shape::Post, "ours_never", 0),
];

fn main() -> ExitCode {
    println!("{:<44} {:>12}", "over the service below", "allocations");
    let mut figures = Vec::new();
    let mut is_expected = true;
    for shape in Shape::ALL {
        for contender in CONTENDERS {
            for handle in Handle::ALL {
                let case = Case { shape, contender, handle };
                let count = of(case) - of(case.bare());
                println!("{:<44} {count:>12}", case.name());
                figures.push(Figure::new("allocations", case.name(), "allocations", count as f64));
                for (_, _, expected) in EXPECTED.iter().filter(|e| (e.0, e.1) == (shape, contender)) {
                    if count != *expected {
                        eprintln!("{}: {count} allocations, expected {expected}", case.name());
                        is_expected = false;
                    }
                }
            }
        }
    }
    write("allocations", &figures);
    if is_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Of one round; what is set up once cancels.
fn of(case: Case) -> u64 {
    let count = |rounds| allocation_counter::measure(|| case.run(rounds)).count_total;
    (count(2 * ROUNDS) - count(ROUNDS)) / ROUNDS as u64
}
