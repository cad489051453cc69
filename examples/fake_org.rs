//! Serves a Salesforce org on the loopback interface, for clients and test suites in any language.
//!
//! ```text
//! cargo run --example fake_org -- --port 8080
//! ```
//!
//! Prints one line of JSON when it is ready, with the base URL, the client's credentials and a refresh token, and runs
//! until Ctrl-C. Without `--port`, or with 0, the system chooses one. What happens to the org is controlled over HTTP:
//!
//! ```text
//! curl -X POST 'http://127.0.0.1:8080/__fake/expire'
//! curl -X POST 'http://127.0.0.1:8080/__fake/advance?seconds=7200'
//! curl -X POST 'http://127.0.0.1:8080/__fake/move'
//! curl -X POST 'http://127.0.0.1:8080/__fake/impose?kind=maintenance&page=edge'
//! curl -X POST 'http://127.0.0.1:8080/__fake/lift?kind=maintenance'
//! curl -X POST 'http://127.0.0.1:8080/__fake/token-answer?kind=drop-after&times=1'
//! curl         'http://127.0.0.1:8080/__fake/counters'
//! ```
//!
//! All commands are listed in the documentation of `tower_salesforce_auth::testing::fake_org`.

use std::{env, error::Error, io::Write as _};

use serde_json::json;
use tower_salesforce_auth::testing::FakeOrg;

const USAGE: &str = "usage: fake_org [--port <number>]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let port = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => 0,
        ["--port", port] => port.parse().map_err(|_| USAGE)?,
        _ => return Err(USAGE.into()),
    };
    let org = FakeOrg::builder().port(port).control_plane(true).start().await?;
    let ready = json!({
        "base_url": org.url(),
        "instance_url": org.instance_url(),
        "control_url": format!("{}/__fake/", org.url()),
        "client_id": org.client_id(),
        "client_secret": org.client_secret(),
        "refresh_token": org.issue_refresh_token(),
        "username": org.username(),
        "org_id": org.org_id(),
        "user_id": org.user_id(),
    });
    // A suite that started this reads the line through a pipe.
    let mut out = std::io::stdout();
    writeln!(out, "{ready}")?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    org.stop().await;
    Ok(())
}
