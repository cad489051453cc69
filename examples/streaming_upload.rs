//! A large upload whose session expires on the way: `cargo run --example streaming_upload`.
//!
//! 64 MiB stream in pieces of 64 KiB. The session has expired, and the org says so when half of the body has arrived.
//! What happens then is a matter of how much [`replay::Buffered`] may remember: with 1 MiB the caller gets the refusal
//! and the reason why the request was not sent again, and the next call works; with 128 MiB the upload begins anew on
//! its own and the caller notices nothing. The memory of the client tells what each costs.
//!
//! The org and each of the two clients are processes of their own, so that the peaks can be told apart. Without
//! `/proc` (elsewhere than on Linux) no peak is printed.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, header::CONTENT_LENGTH};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    BoxError, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    replay,
    store::MemoryStore,
    testing::FakeOrg,
};

const MIB: usize = 1024 * 1024;
const UPLOAD: usize = 64 * MIB;
const PIECE: usize = 64 * 1024;
/// What a client may take beyond what it remembers of the body: the program, its runtime, the buffers on the way.
const ALLOWANCE: usize = 24 * MIB;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => tell(),
        ["org"] => runtime()?.block_on(serve()),
        ["client", cap, org] => runtime()?.block_on(upload(cap.parse()?, &serde_json::from_str(org)?)),
        _ => Err("usage: streaming_upload".into()),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

// --- the story ---

/// Starts an org, then one client after the other.
fn tell() -> Result<(), BoxError> {
    let program = env::current_exe()?;
    let org = Command::new(&program).arg("org").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut org = Running(org);
    let mut ready = String::new();
    BufReader::new(org.0.stdout.take().ok_or("no pipe")?).read_line(&mut ready)?;
    println!(
        "{} MiB in pieces of {} KiB; the session has expired, which the org says half-way",
        UPLOAD / MIB,
        PIECE / 1024
    );
    for cap in [MIB, 128 * MIB] {
        println!("\nreplay::Buffered::new({} MiB)", cap / MIB);
        let status = Command::new(&program).args(["client", &cap.to_string(), ready.trim()]).status()?;
        if !status.success() {
            return Err("the client did not see what it should have seen".into());
        }
    }
    Ok(())
}

/// A process that ends with its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It ends by itself when its input is closed; killed, it cannot be late.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// --- the org ---

/// Serves an org until the input is closed.
async fn serve() -> Result<(), BoxError> {
    let org = FakeOrg::builder().control_plane(true).start().await?;
    let ready = serde_json::json!({
        "url": org.url(),
        "client_id": org.client_id(),
        "client_secret": org.client_secret(),
        // Each client is a connection of its own.
        "refresh_tokens": { MIB.to_string(): org.issue_refresh_token(), (128 * MIB).to_string(): org.issue_refresh_token() },
    });
    println!("{ready}");
    std::io::stdout().flush()?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    org.stop().await;
    Ok(())
}

// --- a client ---

async fn upload(cap: usize, org: &serde_json::Value) -> Result<(), BoxError> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let url = text(&org["url"]);
    let client = Client::confidential(text(&org["client_id"]), text(&org["client_secret"]));
    let refresh_token = text(&org["refresh_tokens"][cap.to_string()]);
    let session =
        Session::builder("acme", RefreshToken::new(client, LoginHost::my_domain(&url), refresh_token))
            .store(MemoryStore::volatile()) // an application uses a durable one, see `custom_store`
            .allow_loopback() // for tests: Salesforce is https only
            .build()?;
    session.access_token().await?;

    // The session ends, and the org will notice in the middle of the upload.
    let plain = HyperClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for command in
        ["expire".to_owned(), format!("api-answer?kind=early-dead-session&bytes={}&times=1", UPLOAD / 2)]
    {
        let request = Request::post(format!("{url}/__fake/{command}")).body(Full::default())?;
        plain.request(request).await?.into_body().collect().await?;
    }
    let before = peak();

    let hyper = HyperClient::builder(TokioExecutor::new()).build_http();
    let salesforce = SalesforceAuthLayer::new(session).replay(replay::Buffered::new(cap)).layer(hyper);
    let request = Request::post("/services/apexrest/echo").header(CONTENT_LENGTH, UPLOAD).body(pieces())?;
    let response = salesforce.clone().oneshot(request).await?;
    println!("  upload       {}", response.status());
    if let Some(diagnosis) = Diagnosis::of(&response) {
        println!("  diagnosis    {diagnosis}");
    }
    let resent = response.status().is_success();
    check(resent == (cap > UPLOAD), "it is sent again if the cap allows it, and only then")?;
    let answer = response.into_body().collect().await?.to_bytes();
    if resent {
        let echo: serde_json::Value = serde_json::from_slice(&answer)?;
        check(echo["length"] == UPLOAD && echo["sha256"] == digest(), "what arrived is not what was sent")?;
        println!("  digest       matches");
    }

    let limits = Request::get("/services/data/v65.0/limits")
        .body(Empty::new().map_err(BoxError::from).boxed_unsync())?;
    let next = salesforce.oneshot(limits).await?.status();
    println!("  next call    {next}");
    check(next.is_success(), "the session is good again")?;

    if let (Some(before), Some(peak)) = (before, peak()) {
        let allowed = ALLOWANCE + if resent { UPLOAD } else { 0 };
        println!(
            "  peak memory  {} MiB, of at most {} ({} before the upload)",
            mib(peak),
            mib(allowed),
            mib(before)
        );
        check(peak <= allowed, "that is more memory than it should take")?;
    }
    Ok(())
}

fn check(holds: bool, otherwise: &'static str) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// The body: neither in memory as a whole, nor `Clone`, nor `Sync`.
fn pieces() -> UnsyncBoxBody<Bytes, BoxError> {
    StreamBody::new(stream::iter((0..UPLOAD / PIECE).map(|n| Ok(Frame::data(piece(n)))))).boxed_unsync()
}

fn piece(n: usize) -> Bytes {
    let mut piece = vec![b'x'; PIECE];
    piece.splice(..8, (n as u64).to_le_bytes());
    piece.into()
}

fn digest() -> String {
    let mut sha256 = Sha256::new();
    (0..UPLOAD / PIECE).for_each(|n| sha256.update(piece(n)));
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The most memory that this process has had so far, in bytes.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<usize>().ok()? * 1024)
}

fn mib(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / MIB as f64)
}
