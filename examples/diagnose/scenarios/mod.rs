//! Every way in which an org refuses a session, as far as it is known or plausible, and what only looks like it.

/// The token endpoint refuses with these words.
macro_rules! refuses {
    ($what:literal, $error:literal, $description:literal) => {
        super::Step::Happens($what, |org, _| {
            org.answer_token_requests(tower_salesforce_auth::testing::TokenAnswer::Error {
                error: $error.into(),
                description: $description.into(),
            });
        })
    };
}

mod passing;
mod policies;
mod sessions;

use std::time::Duration;

use tower_salesforce_auth::Cause;

use super::stage::{Grant, Scenario, Step};
use Step::Happens;

pub(crate) fn all() -> Vec<Scenario> {
    [
        sessions::expired(),
        sessions::wrong_host(),
        policies::ip_locked(),
        policies::access_control(),
        sessions::revoked(),
        passing::maintenance(),
        passing::look_alikes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A scenario whose evidence decides.
fn decided(name: &'static str, truth: Cause, token_requests: u64, steps: &[Step]) -> Scenario {
    Scenario { name, truth, decided: true, token_requests, grant: Grant::RefreshToken, steps: steps.to_vec() }
}

/// A scenario that other causes answer alike.
fn open(name: &'static str, truth: Cause, token_requests: u64, steps: &[Step]) -> Scenario {
    Scenario { decided: false, ..decided(name, truth, token_requests, steps) }
}

fn with(grant: Grant, scenario: Scenario) -> Scenario {
    Scenario { grant, ..scenario }
}

const IDLE: Step = Happens("three idle hours pass", |org, _| org.advance(Duration::from_secs(3 * 3_600)));
const LIFTED: Step = Happens("the cause is lifted", |org, _| org.lift_all());
