//! What one request pays for the layer while its token is alive: `cargo bench --bench hot_path`.
//!
//! Beside the layer, with each way to keep a request for its resend: the service below alone (`bare`), the least that
//! is possible with one token for ever (`limit`), the same below `tower::retry` with a policy that keeps a clone of
//! each request (`retry`), and tower-http's `AddAuthorization` (`add_authorization`: a static token, no base URL, no
//! resend). Read the ratios of one run; the machine's noise is in all of them alike. Exact counts: the benches `instructions` and `allocations`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench

mod rig;

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rig::{ACCESS_TOKEN, Bare, Limit, Once, Shape, call, session};
use tower::{Layer, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_salesforce_auth::{SalesforceAuthLayer, replay};

fn hot_path(criterion: &mut Criterion) {
    let auth = SalesforceAuthLayer::new(session());
    let bearer = AddAuthorizationLayer::bearer(ACCESS_TOKEN).as_sensitive(true);
    for shape in Shape::ALL {
        let mut group = criterion.benchmark_group(format!("hot_path/{}", shape.name()));
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        macro_rules! contender {
            ($name:literal, $service:expr) => {
                let mut service = $service;
                group.bench_function(concat!($name, "/long_lived"), |bencher| {
                    bencher.iter_batched(
                        || shape.request(),
                        |request| call(&mut service, request),
                        BatchSize::SmallInput,
                    );
                });
                group.bench_function(concat!($name, "/cloned"), |bencher| {
                    bencher.iter_batched(
                        || shape.request(),
                        |request| call(&mut service.clone(), request),
                        BatchSize::SmallInput,
                    );
                });
            };
        }
        contender!("bare", Bare);
        contender!("limit", Limit::new(Bare));
        contender!("add_authorization", bearer.layer(Bare));
        contender!("ours", auth.layer(Bare));
        contender!("ours_buffered", auth.clone().replay(replay::Buffered::default()).layer(Bare));
        contender!("ours_never", auth.clone().replay(replay::Never).layer(Bare));
        contender!("retry", Retry::new(Once, Limit::new(Bare)));
        group.finish();
    }
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
