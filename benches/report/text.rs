//! The words and tables of the report.

use std::fmt::Write;

use super::results::Results;

/// What is compared on the hot path, as the benches and as the report call it.
const CONTENDERS: [(&str, &str); 6] = [
    ("limit", "limit: one token for ever"),
    ("add_authorization", "tower-http AddAuthorization"),
    ("ours_never", "ours, replay::Never"),
    ("ours", "ours, replay::Cloned"),
    ("ours_buffered", "ours, replay::Buffered"),
    ("retry", "tower::retry + one token"),
];

const SHAPES: [(&str, &str); 4] = [
    ("static", "GET of constants"),
    ("typical", "usual GET"),
    ("post", "POST of a record"),
    ("many_headers", "GET, 20 headers"),
];

/// What is held against what: figure, bar, aim.
struct Target {
    what: &'static str,
    bar: f64,
    aim: f64,
    unit: &'static str,
    measured: Option<f64>,
}

pub(crate) fn report(results: &Results) -> String {
    let mut page = String::new();
    let Results { machine, rustc, day, .. } = results;
    write!(
        page,
        "# What the layer costs

Made by `benches/report.rs` from `benches/results.json`; measured on {day} on {machine}, {rustc}.

Instructions (callgrind) and allocations are exact and repeatable, and gates in CI. Times are medians on a small machine
that does other things too: read the ratios of one run, not the nanoseconds. *Bare* is the service below, called alike
and without anything above it; what is given is what comes on top of it.

## Against the targets

| figure | bar | aim | measured | |
|---|--:|--:|--:|---|
"
    )
    .unwrap();
    for Target { what, bar, aim, unit, measured } in targets(results) {
        let Some(measured) = measured else { continue };
        let verdict = if measured <= aim {
            "aim met".to_owned()
        } else if measured <= bar {
            "bar met".to_owned()
        } else {
            format!("missed by {:.0} %", (measured / bar - 1.0) * 100.0)
        };
        writeln!(
            page,
            "| {what} | {} | {} | {} | {verdict} |",
            n(bar, unit),
            n(aim, unit),
            n(measured, unit)
        )
        .unwrap();
    }
    page.push_str(MISSED);
    page.push_str("\n## The hot path\n\n![Instructions over the bare service](benches/instructions.svg)\n\n");
    page.push_str("Instructions over the bare service, with one handle for all requests / with a clone of it for each:\n\n");
    hot_path(&mut page, results, "instructions");
    page.push_str("\nAllocations over the bare service, long-lived / cloned:\n\n");
    hot_path(&mut page, results, "allocations");
    if !times(results).is_empty() {
        page.push_str("\n![Nanoseconds over the bare service](benches/time.svg)\n");
    }
    page.push_str(
        "\n*Limit* is the least that anything of this kind can do: a ready header value and ready parts of a URI, for one \
         token for ever, without a resend. `tower::retry` stands above the limit, with a policy that clones each request \
         and sends a 401 once more; it never gets another token.\n",
    );
    let peer_rows = peers(results, "instructions");
    if !peer_rows.is_empty() {
        page.push_str("\n## Peers\n\n![Instructions over the bare service](benches/peers.svg)\n\n");
        page.push_str(PEERS);
        for (name, instructions) in peer_rows {
            let of = |unit| {
                results
                    .of("peers", &format!("typical/{name}"), unit)
                    .map_or("".into(), |value| format!("{value:.0}"))
            };
            writeln!(page, "| {name} | {instructions:.0} | {} | {} |", of("allocations"), of("ns")).unwrap();
        }
    }
    section(&mut page, results, "threads", "two threads / one", "Two threads", THREADS, 2);
    section(&mut page, results, "herd", "ours / floor", "A crowd whose session has expired", HERD, 2);
    timed(&mut page, results, "stores", "What a refresh pays for its store", STORES);
    timed(&mut page, results, "body", "Bodies", BODIES);
    end_to_end(&mut page, results);
    page.push_str(CLOSING);
    page
}

fn targets(results: &Results) -> Vec<Target> {
    let hot = |bench: &str, case: &str| results.of(bench, case, bench);
    let ratio = |name: &str| results.of("threads", name, "two threads / one");
    let herd = |name: &str| results.of("herd", name, "ours / floor");
    // Of the run where all take turns: one after the other, what else the machine does is in the ratio.
    let time = |name: &str| {
        let name = format!("typical/{name}@");
        results.all("peers", "ns").find(|(case, _)| case.starts_with(&name)).map(|(_, ns)| ns)
    };
    let target = |what, bar, aim, unit, measured| Target { what, bar, aim, unit, measured };
    vec![
        target(
            "instructions, long-lived handle, can resend",
            1350.0,
            1000.0,
            "",
            hot("instructions", "typical/ours/long_lived"),
        ),
        target(
            "instructions, long-lived handle, `replay::Never`",
            750.0,
            650.0,
            "",
            hot("instructions", "typical/ours_never/long_lived"),
        ),
        target(
            "instructions, handle cloned per request, can resend",
            1600.0,
            1250.0,
            "",
            hot("instructions", "typical/ours/cloned"),
        ),
        target("allocations, GET", 1.0, 0.0, "", hot("allocations", "typical/ours/long_lived")),
        target(
            "allocations, POST with a fresh body",
            2.0,
            1.0,
            "",
            hot("allocations", "post/ours/long_lived"),
        ),
        target(
            "time over bare, against `tower::retry` + one token, taking turns",
            60.0,
            50.0,
            " %",
            time("ours").zip(time("tower/retry")).map(|(ours, retry)| ours / retry * 100.0),
        ),
        target("two threads / one, long-lived handles", 1.15, 1.05, "x", ratio("ours/long_lived")),
        target("two threads / one, cloned per request", 1.6, 1.2, "x", ratio("ours/cloned")),
        target("10,000 on an expired session / the sleep-only floor", 1.3, 1.1, "x", herd("refresh/10000")),
    ]
}

/// A number as its unit wants it.
fn n(value: f64, unit: &str) -> String {
    match unit {
        "x" => format!("{value:.2}"),
        unit => format!("{value:.0}{unit}"),
    }
}

fn hot_path(page: &mut String, results: &Results, bench: &str) {
    page.push_str("| |");
    SHAPES.iter().for_each(|(_, shape)| write!(page, " {shape} |").unwrap());
    page.push_str("\n|---|--:|--:|--:|--:|\n");
    for (contender, name) in CONTENDERS {
        write!(page, "| {name} |").unwrap();
        for (shape, _) in SHAPES {
            let of = |handle| {
                let value = results.of(bench, &format!("{shape}/{contender}/{handle}"), bench);
                value.map_or("–".into(), |value| format!("{value:.0}"))
            };
            write!(page, " {} / {} |", of("long_lived"), of("cloned")).unwrap();
        }
        page.push('\n');
    }
}

/// Of a usual GET with a long-lived handle, by the name that the report gives.
pub(crate) fn contenders(results: &Results, bench: &str) -> Vec<(String, f64)> {
    let of = |contender| results.of(bench, &format!("typical/{contender}/long_lived"), bench);
    CONTENDERS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), of(key)?))).collect()
}

/// The same, in nanoseconds over the bare service.
pub(crate) fn times(results: &Results) -> Vec<(String, f64)> {
    CONTENDERS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), of_times(results, key)?))).collect()
}

fn of_times(results: &Results, contender: &str) -> Option<f64> {
    let of = |contender| results.of("hot_path", &format!("typical/{contender}/long_lived"), "ns");
    Some(of(contender)? - of("bare")?)
}

/// Those that were driven beside the layer, the cheapest first.
pub(crate) fn peers(results: &Results, unit: &str) -> Vec<(String, f64)> {
    let mut rows: Vec<_> = results
        .all("peers", unit)
        .map(|(case, value)| (case.strip_prefix("typical/").unwrap_or(case).to_owned(), value))
        .collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    rows
}

fn section(
    page: &mut String,
    results: &Results,
    bench: &str,
    unit: &str,
    title: &str,
    text: &str,
    digits: usize,
) {
    let mut rows = results.all(bench, unit).peekable();
    if rows.peek().is_none() {
        return;
    }
    write!(page, "\n## {title}\n\n{text}\n| | {unit} |\n|---|--:|\n").unwrap();
    rows.for_each(|(case, value)| writeln!(page, "| {case} | {value:.digits$} |").unwrap());
}

fn timed(page: &mut String, results: &Results, bench: &str, title: &str, text: &str) {
    let mut rows = results.all(bench, "ns").peekable();
    if rows.peek().is_none() {
        return;
    }
    write!(page, "\n## {title}\n\n{text}\n| | µs |\n|---|--:|\n").unwrap();
    rows.for_each(|(case, value)| writeln!(page, "| {case} | {:.1} |", value / 1e3).unwrap());
}

fn end_to_end(page: &mut String, results: &Results) {
    let mut rows = results.all("end_to_end", "requests/s").peekable();
    if rows.peek().is_none() {
        return;
    }
    write!(page, "\n## Over sockets\n\n{SOCKETS}\n| | requests/s | p50 µs | p99 µs | processor µs a request |\n|---|--:|--:|--:|--:|\n").unwrap();
    for (case, rate) in rows {
        let of =
            |unit| results.of("end_to_end", case, unit).map_or("–".into(), |value| format!("{value:.1}"));
        writeln!(
            page,
            "| {case} | {rate:.0} | {} | {} | {} |",
            of("p50 µs"),
            of("p99 µs"),
            of("processor µs/request")
        )
        .unwrap();
    }
}

const MISSED: &str = "
The bars for instructions come from a prototype that kept no diagnosis, looked at no header of the
caller and handed its answers on as they were. What is missed is what those take: the names of the caller's headers are
looked through (a second credential or a `Host` would defeat the token), each request remembers the token and the API
that it was sent to, and an answer is wrapped so that a refusal can be looked into. Every request is moved twice for
that. Of a request that can be sent again, about 570 are the copy of its head. Times are of runs where contenders take
turns; two threads are as noisy as `bare` shows below, so that their aims are not proven by one run.

Three more are held by tests: the future over hyper-util's client has at most 192 bytes (bar 384, aim 320), a long-lived handle
counts no reference of what handles share, and the body of an answer that cannot be a refusal is neither polled nor copied.
";

const PEERS: &str = "The same request, in the same run, each as its own documentation says, with a token that is alive and a long-lived handle.
`limit`, AddAuthorization, octocrab, reqwest-middleware, `kube-client/static` and `tower/retry` have one token for ever, the
others can refresh; as set up here, only `ours` and `tower/retry` send a request again, and only ours look at why it was
refused. AddAuthorization, reqwest-middleware, Google, AWS and azure_core leave the host alone. The bench prints what each does.
Counts differ by up to a tenth from those above, being those of another binary. reqwest-middleware, AWS and azure_core are measured over an end that takes their own type of request.
No Salesforce crate is among them: those on crates.io send with a client of their own that cannot be had without a server,
but for cirrus, which needs aws-lc-rs, a C library that this repository does not build (the bench says of each why).

| | instructions | allocations | ns |
|---|--:|--:|--:|
";

const THREADS: &str = "A request's time on two threads over that on one: 1.00 is perfect, and `bare` shows what the machine makes of two
threads that have nothing in common.
";

const HERD: &str = "So many requests at once are refused, one of them refreshes, which takes 50 ms, and all are sent once more (`refresh`);
or the refresh fails (`failure`). One token request in all cases. The floor is as many tasks that wait 50 ms, each
from its own start, and send.
";

const STORES: &str = "A `load`, a `swap` that applies, and a whole `refresh` with a token request that is answered at once. The servers are
private ones on loopback, as durable as those of a fleet have to be. None of this is on the way of a request with a live
token: `ours_on_files` costs the same instructions as `ours`.
";

const BODIES: &str = "Frames of 16 KiB, handed on and never copied. `buffered` keeps them for the resend, `over_cap` gives that up half-way;
`peeked` is an answer whose first 16 KiB are read by the layer and handed on with the rest.
";

const SOCKETS: &str = "hyper-util's client on loopback, 1 or 64 requests at once, the server in a process of its own. Below `bare` a token that
never changes is put on by hand. `added` in the raw
figures is the processor time of pairs of neighbouring turns.
";

const CLOSING: &str = "
## Again

```sh
cargo bench                                  # everything, below 15 minutes on two cores; needs valgrind for the counts
CARGO_TARGET_DIR=$PWD/target cargo bench --manifest-path benches/peers/Cargo.toml   # the peers, a crate of its own
cargo bench --bench report -- --collect      # takes the figures over and makes this page
```

`cargo bench --bench instructions -- --check` and `cargo bench --bench allocations` are the gates of CI. A change that costs
more changes the numbers in `benches/instructions.toml`, and its message says why.

## What is not claimed

- That a request becomes noticeably faster or slower: over a socket on loopback the layer is a few hundredths of its
  processor time. The figures say that correctness is not paid for on the way of every request.
- That all figures are of one run: those of a bench that did not run again stay as they were.
- Anything about times on other machines, or below other services: the service below is in memory and ready at once.
- That peers which do less should be judged by this alone: most of them neither resend nor know why a session was refused,
  and some fetch tokens of other providers.
";
