//! Strategies are this crate's own.

use http_body::Body;
use tower_salesforce_auth::replay::{Nothing, Replay};

#[derive(Clone)]
struct Mine;

impl<B: Body> Replay<B> for Mine {
    type Body = B;
    type Kept = Nothing<B>;

    fn keep(&self, body: B, _: &mut http::Extensions) -> (B, Option<Nothing<B>>) {
        (body, None)
    }
}

fn main() {}
