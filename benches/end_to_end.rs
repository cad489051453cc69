//! What the layer costs where requests go over sockets: `cargo bench --bench end_to_end`.
//!
//! hyper-util's client, over HTTP/1.1 and HTTP/2 on loopback, with 1 and 64 requests at once, against a server in a
//! process of its own, so that the processor time is the client's alone. `ours` sends through the layer; `bare` without
//! it, the caller giving URL and token, so that the bytes on the wire are the same.
//!
//! The two take turns of a quarter of a second, and each figure is the median of the turns, so that what the machine does
//! beside it meets both alike. Requests a second and latencies are mostly the sockets'; the time of the processor is
//! the figure that tells what the layer takes. The client runs on one thread, the server on another.
//!
//! Prints a table, and writes the figures to `bench/end_to_end.json` in the target directory. `-- --quick` takes a few
//! short turns, to see that it works, and writes nothing. Processor time is read on Unix alone.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

#[path = "rig/processor.rs"]
mod processor;
mod rig;

use std::{
    convert::Infallible,
    env,
    future::poll_fn,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rig::{ACCESS_TOKEN, Body, Shape, medians::median, results::Run};
use tokio::{net::TcpListener, runtime, task::JoinSet};
use tower::{Layer, Service};
use tower_salesforce_auth::{
    BoxError, SalesforceAuthLayer, Session, grant, store::MemoryStore, token_endpoint::TokenResponse,
};

/// In the environment of the process that is the server.
const SERVE: &str = "END_TO_END_SERVE";

/// An account as the REST API returns it, without most of its fields.
const RECORD: &str = r#"{"attributes":{"type":"Account","url":"/services/data/v65.0/sobjects/Account/001R0000003GeJ1IAK"},"Id":"001R0000003GeJ1IAK","IsDeleted":false,"Name":"Acme","Industry":"Manufacturing","NumberOfEmployees":1200,"BillingCountry":"Germany","CreatedDate":"2026-01-01T00:00:00.000+0000","SystemModstamp":"2026-05-01T00:00:00.000+0000"}"#;

/// How long each contender sends until it is the other's turn.
#[derive(Clone, Copy, Debug)]
struct Pace {
    turn: Duration,
    turns: usize,
}

fn main() {
    if env::var_os(SERVE).is_some() {
        serve();
        return;
    }
    // cargo's own `--bench` and filters are nothing to this one.
    let quick = env::args().any(|argument| argument == "--quick" || argument == "--test");
    let pace = if quick {
        Pace { turn: Duration::from_millis(50), turns: 3 }
    } else {
        Pace { turn: Duration::from_millis(250), turns: 21 }
    };
    let server = Server::start();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut run = Run::begin("end_to_end");
    println!(
        "{:<16} {:>14} {:>10} {:>10} {:>16}",
        "end_to_end", "requests/s", "p50", "p99", "processor time"
    );
    for (protocol, http2) in [("http1", false), ("http2", true)] {
        for at_once in [1, 64] {
            let case = format!("{protocol}/{at_once}");
            runtime.block_on(measure(&case, http2, at_once, server.address, pace, &mut run));
        }
    }
    run.end();
}

/// Bare and ours in turns.
async fn measure(case: &str, http2: bool, at_once: usize, server: SocketAddr, pace: Pace, run: &mut Run) {
    let origin = format!("http://{server}");
    let client = || Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Body>();
    let bare = Bare::new(client(), &origin);
    let ours = SalesforceAuthLayer::new(session(&origin).await).layer(client());

    // Opens the connections.
    let _ = turn(&bare, at_once, pace.turn / 2).await;
    let _ = turn(&ours, at_once, pace.turn / 2).await;
    let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
    for number in 0..pace.turns {
        // Whoever is second finds the machine as the first left it.
        if number % 2 == 0 {
            of_bare.push(turn(&bare, at_once, pace.turn).await);
            of_ours.push(turn(&ours, at_once, pace.turn).await);
        } else {
            of_ours.push(turn(&ours, at_once, pace.turn).await);
            of_bare.push(turn(&bare, at_once, pace.turn).await);
        }
    }

    for (name, turns) in [("bare", &of_bare), ("ours", &of_ours)] {
        let figure = |value: fn(&Turn) -> f64| median(turns.iter().map(value).collect());
        let (rate, p50) = (figure(|turn| turn.rate), figure(|turn| turn.p50));
        let (p99, processor) = (figure(|turn| turn.p99), figure(|turn| turn.processor));
        let case = format!("{case}/{name}");
        println!("{case:<16} {rate:>14.0} {p50:>7.1} µs {p99:>7.1} µs {processor:>13.2} µs");
        for (unit, value) in
            [("requests/s", rate), ("p50 µs", p50), ("p99 µs", p99), ("processor µs/request", processor)]
        {
            run.figure(case.clone(), unit, value);
        }
    }
    // Of neighbours, and not of the medians: what the machine does meets both of a pair.
    let pairs = of_ours.iter().zip(&of_bare);
    let added = median(pairs.map(|(ours, bare)| ours.processor - bare.processor).collect());
    println!("{:<16} {added:>65.2} µs", format!("{case}/added"));
    run.figure(format!("{case}/added"), "processor µs/request", added);
}

/// What one turn came to: requests a second, and microseconds.
#[derive(Clone, Copy, Debug)]
struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
    processor: f64,
}

async fn turn<S, B>(service: &S, at_once: usize, limit: Duration) -> Turn
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (processor, begun) = (processor::of_process(), Instant::now());
    let mut senders = JoinSet::new();
    for _ in 0..at_once {
        senders.spawn(send_until(begun + limit, service.clone()));
    }
    let mut latencies = senders.join_all().await.concat();
    let (elapsed, processor) = (begun.elapsed(), processor::of_process() - processor);

    latencies.sort_unstable();
    let at = |share: f64| latencies[(share * (latencies.len() - 1) as f64) as usize].as_secs_f64() * 1e6;
    Turn {
        rate: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        processor: processor.as_secs_f64() * 1e6 / latencies.len() as f64,
    }
}

/// One request after the other; how long each took, to the end of its answer.
async fn send_until<S, B>(end: Instant, mut service: S) -> Vec<Duration>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut latencies = Vec::new();
    loop {
        let begun = Instant::now();
        if begun >= end && !latencies.is_empty() {
            return latencies;
        }
        let answered = async {
            poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
            let response = service.call(Shape::Typical.request()).await.map_err(Into::into)?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(Into::into)?;
            Ok::<_, BoxError>((status, body.to_bytes()))
        };
        let (status, body) = answered.await.unwrap();
        assert_eq!((status.as_u16(), body.len()), (200, RECORD.len()));
        latencies.push(begun.elapsed());
    }
}

/// The client without the layer: the request as a caller makes it who knows URL and token.
#[derive(Clone, Debug)]
struct Bare {
    client: Client<HttpConnector, Body>,
    uri: Uri,
    authorization: HeaderValue,
}

impl Bare {
    fn new(client: Client<HttpConnector, Body>, origin: &str) -> Self {
        let path = Shape::Typical.request().uri().to_string();
        let mut authorization = HeaderValue::try_from(format!("Bearer {ACCESS_TOKEN}")).unwrap();
        authorization.set_sensitive(true);
        Self { client, uri: format!("{origin}{path}").parse().unwrap(), authorization }
    }
}

impl Service<Request<Body>> for Bare {
    type Response = Response<Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = hyper_util::client::legacy::ResponseFuture;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.client, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        self.client.call(request)
    }
}

async fn session(origin: &str) -> Session {
    let grant =
        grant::RefreshToken::new(grant::Client::public("client"), grant::LoginHost::Production, "seed");
    let session =
        Session::builder("bench", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap();
    let consent = format!(
        r#"{{"access_token":"{ACCESS_TOKEN}","refresh_token":"refresh","instance_url":"{origin}","token_type":"Bearer"}}"#
    );
    session.reconnect(TokenResponse::from_json(consent.as_bytes()).unwrap()).await.unwrap();
    session
}

/// The server's process. It ends with this value, and also if this process is killed, since its input ends then.
#[derive(Debug)]
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(SERVE, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().parse().expect("the server's address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Answers every request that has the token, until the input ends.
fn serve() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let token = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    if token.and_then(|token| token.strip_prefix(b"Bearer ")) != Some(ACCESS_TOKEN.as_bytes()) {
        return Ok(Response::builder().status(401).body(Full::default()).unwrap());
    }
    let mut response = Response::new(Full::new(Bytes::from_static(RECORD.as_bytes())));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    Ok(response)
}
