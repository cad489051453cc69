//! Allocations of one request of each peer, a line each, for the bench.

use tower_salesforce_auth_peers::{names, set_up};

const ROUNDS: usize = 100;

fn main() {
    for name in names() {
        let mut rounds = set_up(name);
        // Twice as many over as many: what only happens the first time cancels.
        let mut count = |number| allocation_counter::measure(|| rounds(number)).count_total;
        count(ROUNDS);
        println!("{name} {}", (count(2 * ROUNDS) - count(ROUNDS)) as f64 / ROUNDS as f64);
    }
}
