//! The words and tables of the report.

use std::{collections::BTreeMap, fmt::Write};

use super::results::{Circumstances, Results};

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
    /// Why the figure proves nothing, if it does not.
    doubt: Option<String>,
}

pub(crate) fn report(results: &Results) -> String {
    let mut page = format!("{TITLE}{}{INTRODUCTION}", circumstances(results));
    targets_table(&mut page, results);
    page.push_str("\n## The hot path\n\n![Instructions over the bare service](benches/instructions.svg)\n\n");
    page.push_str(HOT_PATH);
    for (bench, unit, what) in [
        ("instructions", "instructions", "Instructions"),
        ("allocations", "allocations", "Allocations"),
        ("hot_path", "ns over bare", "Nanoseconds"),
    ] {
        writeln!(page, "\n{what} over the bare service, with one handle for all requests / with a clone of it for each:\n").unwrap();
        let cell = |contender: &str, shape: &str| {
            let of = |handle| number(results.of(bench, &format!("{shape}/{contender}/{handle}"), unit), 0);
            format!("{} / {}", of("long_lived"), of("cloned"))
        };
        grid(&mut page, &CONTENDERS, &SHAPES, cell);
    }
    if !times(results).is_empty() {
        page.push_str("\n![Nanoseconds over the bare service](benches/time.svg)\n");
    }
    peers_section(&mut page, results);
    section(&mut page, "Two threads", THREADS, results, "threads", "two threads / one", 2, |case| {
        case.split_once('/')
    });
    section(
        &mut page,
        "A crowd whose session has expired",
        HERD,
        results,
        "herd",
        "ours / floor",
        2,
        |case| case.split_once('/').map(|(what, crowd)| (crowd, what)),
    );
    section(&mut page, "What a refresh pays for its store", STORES, results, "stores", "ns", 1, |case| {
        case.split_once('/')
    });
    section(&mut page, "Reading a refusal", REFUSAL, results, "refusal", "ns", 2, |case| Some((case, "µs")));
    section(&mut page, "Bodies", BODIES, results, "body", "ns", 1, |case| case.rsplit_once('/'));
    end_to_end(&mut page, results);
    page.push_str(CLOSING);
    page
}

/// When and where the benches ran: in one line, if it was the same for all.
fn circumstances(results: &Results) -> String {
    let all = results.circumstances();
    let same = all.len() == 1;
    all.into_iter()
        .map(|(Circumstances { day, machine, rustc }, benches)| {
            let of = if same { String::new() } else { format!(": {}", benches.join(", ")) };
            format!("\nMeasured on {day} on {machine}, {rustc}{of}.\n")
        })
        .collect()
}

fn targets_table(page: &mut String, results: &Results) {
    page.push_str("| figure | bar | aim | measured | |\n|---|--:|--:|--:|---|\n");
    let targets = targets(results);
    for Target { what, bar, aim, unit, measured, doubt } in &targets {
        let verdict = match (measured, doubt) {
            (None, _) => "not measured".to_owned(),
            (_, Some(doubt)) => doubt.clone(),
            (Some(measured), _) if measured <= aim => "aim met".to_owned(),
            (Some(measured), _) if measured <= bar => "bar met".to_owned(),
            (Some(measured), _) => format!("missed by {:.0} %", (measured / bar - 1.0) * 100.0),
        };
        writeln!(
            page,
            "| {what} | {} | {} | {} | {verdict} |",
            n(*bar, unit),
            n(*aim, unit),
            measured.map_or_else(|| "–".to_owned(), |measured| n(measured, unit))
        )
        .unwrap();
    }
    let counts = targets.iter().filter(|target| target.what.starts_with("instructions"));
    if counts.into_iter().any(|target| target.measured > Some(target.bar)) {
        missed(page, results);
    }
    page.push_str(HELD_BY_TESTS);
}

/// What the instructions above the least that is possible are spent on.
fn missed(page: &mut String, results: &Results) {
    let of = |contender: &str| {
        results.of("instructions", &format!("typical/{contender}/long_lived"), "instructions")
    };
    let (Some(limit), Some(never), Some(cloned)) = (of("limit"), of("ours_never"), of("ours")) else {
        return;
    };
    writeln!(
        page,
        "
The bars for instructions come from a prototype that kept no diagnosis, looked at no header of the caller and handed its
answers on as they were. Of a usual GET with a long-lived handle, {limit:.0} are those of the limit: a header put in, a URI put
together. {:.0} more are what a live token takes beside one for ever: its generation is compared, the names of the caller's
headers are looked through (a second credential or a `Host` would defeat the token), the path is read for the API that it
leads to, the request remembers the token and the API that it was sent to, and the answer is wrapped so that a refusal
can be looked into; for that the request and the answer are moved once more each. And {:.0} are the copy of the head,
half of it the run of copies itself, the rest its memory and what is kept beside it.",
        never - limit,
        cloned - never
    )
    .unwrap();
}

fn targets(results: &Results) -> Vec<Target> {
    let hot = |bench: &str, case: &str| results.of(bench, case, bench);
    let threads = |name: &str| results.of("threads", name, "two threads / one");
    let herd = |name: &str| results.of("herd", name, "ours / floor");
    let time = |name: &str| results.of("hot_path", &format!("typical/{name}"), "ns over bare");
    let share =
        |handle: &str| Some(time(&format!("ours/{handle}"))? / time(&format!("retry/{handle}"))? * 100.0);
    let target = |what, bar, aim, unit, measured| Target { what, bar, aim, unit, measured, doubt: None };
    let on_threads = |what, bar, aim, handle: &str| {
        let bare = threads(&format!("bare/{handle}"));
        let doubt = bare.filter(|bare| !(0.95..=1.05).contains(bare));
        let doubt = doubt.map(|bare| format!("proves nothing: `bare` reads {bare:.2}"));
        Target { doubt, ..target(what, bar, aim, "x", threads(&format!("ours/{handle}"))) }
    };
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
            "time over bare against `tower::retry` + one token, long-lived",
            60.0,
            50.0,
            " %",
            share("long_lived"),
        ),
        target(
            "time over bare against `tower::retry` + one token, cloned",
            60.0,
            50.0,
            " %",
            share("cloned"),
        ),
        on_threads("two threads / one, long-lived handles", 1.15, 1.05, "long_lived"),
        on_threads("two threads / one, cloned per request", 1.6, 1.2, "cloned"),
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

/// A cell, empty if nothing was measured.
fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// Of a usual GET with a long-lived handle, by the name that the report gives.
pub(crate) fn contenders(results: &Results, bench: &str, unit: &str) -> Vec<(String, f64)> {
    let of = |contender| results.of(bench, &format!("typical/{contender}/long_lived"), unit);
    CONTENDERS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), of(key)?))).collect()
}

/// The same, in nanoseconds over the bare service.
pub(crate) fn times(results: &Results) -> Vec<(String, f64)> {
    contenders(results, "hot_path", "ns over bare")
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

fn peers_section(page: &mut String, results: &Results) {
    let rows = peers(results, "instructions");
    if rows.is_empty() {
        return;
    }
    page.push_str("\n## Peers\n\n![Instructions over the bare service](benches/peers.svg)\n\n");
    page.push_str(PEERS);
    for (name, instructions) in rows {
        let case = format!("typical/{name}");
        let of = |unit| number(results.of("peers", &case, unit), 0);
        let does = results.note("peers", &case);
        writeln!(page, "| {name} | {instructions:.0} | {} | {} | {does} |", of("allocations"), of("ns"))
            .unwrap();
    }
}

/// A table of all cases of a bench: `place` gives the row and the column of each. Nanoseconds are shown in µs.
#[allow(clippy::too_many_arguments)]
fn section(
    page: &mut String,
    title: &str,
    words: &str,
    results: &Results,
    bench: &str,
    unit: &str,
    digits: usize,
    place: impl for<'a> Fn(&'a str) -> Option<(&'a str, &'a str)>,
) {
    let cells: BTreeMap<_, _> =
        results.all(bench, unit).filter_map(|(case, value)| Some((place(case)?, value))).collect();
    if cells.is_empty() {
        return;
    }
    write!(page, "\n## {title}\n\n{words}\n").unwrap();
    let (mut rows, mut columns): (Vec<_>, Vec<_>) = cells.keys().map(|(row, column)| (*row, *column)).unzip();
    for names in [&mut rows, &mut columns] {
        names.sort_by_key(|name| (size(name), *name));
        names.dedup();
    }
    let scale = if unit == "ns" { 1e-3 } else { 1.0 };
    let cell = |row: &str, column: &str| number(cells.get(&(row, column)).map(|value| value * scale), digits);
    grid(page, &as_they_are(&rows), &as_they_are(&columns), cell);
}

/// What a name that begins with a number is sorted by: `64KiB` before `1MiB`.
fn size(name: &str) -> u64 {
    let end = name.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(name.len());
    let (number, unit) = name.split_at(end);
    let unit = if unit == "MiB" { 1024 } else { 1 };
    number.parse::<u64>().map_or(0, |number| number * unit)
}

/// Keys that are titles.
fn as_they_are<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    names.iter().map(|name| (*name, *name)).collect()
}

/// A table of rows and columns, each with its key and its title.
fn grid(
    page: &mut String,
    rows: &[(&str, &str)],
    columns: &[(&str, &str)],
    cell: impl Fn(&str, &str) -> String,
) {
    let titles: String = columns.iter().map(|(_, title)| format!(" {title} |")).collect();
    writeln!(page, "| |{titles}\n|---|{}", "--:|".repeat(columns.len())).unwrap();
    for (row, title) in rows {
        let cells: String = columns.iter().map(|(column, _)| format!(" {} |", cell(row, column))).collect();
        writeln!(page, "| {title} |{cells}").unwrap();
    }
}

fn end_to_end(page: &mut String, results: &Results) {
    let mut rows = results.all("end_to_end", "requests/s").peekable();
    if rows.peek().is_none() {
        return;
    }
    write!(
        page,
        "\n## Over sockets\n\n{SOCKETS}\n| | requests/s | p50 µs | p99 µs | processor µs a request | added |\n|---|--:|--:|--:|--:|--:|\n"
    )
    .unwrap();
    for (case, rate) in rows {
        let processor = "processor µs/request";
        let of = |unit| number(results.of("end_to_end", case, unit), 1);
        let added = case.strip_suffix("/ours").and_then(|client| {
            let added = results.of("end_to_end", &format!("{client}/added"), processor)?;
            let bare = results.of("end_to_end", &format!("{client}/bare"), processor)?;
            Some(format!("{added:.2} ({:.1} %)", added / bare * 100.0))
        });
        writeln!(
            page,
            "| {case} | {rate:.0} | {} | {} | {} | {} |",
            of("p50 µs"),
            of("p99 µs"),
            of(processor),
            added.unwrap_or_default()
        )
        .unwrap();
    }
}

const TITLE: &str = "# What the layer costs

Made by `benches/report.rs` from `benches/results.json`.
";

const INTRODUCTION: &str = "
Instructions (callgrind) and allocations are exact and repeatable, and gates in CI. Times are medians on a small machine
that does other things too: read the ratios of one run, not the nanoseconds. *Bare* is the service below, called alike
and without anything above it; what is given is what comes on top of it.

## Against the targets

";

const HELD_BY_TESTS: &str = "
Three more are held by tests: the future over hyper-util's client has at most 192 bytes (bar 384, aim 320), a long-lived
handle counts no reference of what handles share, and the body of an answer that cannot be a refusal is neither polled
nor copied.
";

const HOT_PATH: &str = "*Limit* is the least that anything of this kind can do: a ready header value and ready parts of a URI, for one token for
ever, without a resend. `tower::retry` stands above the limit, with a policy that clones each request and sends a 401
once more; it never gets another token. In the times all take turns of a fraction of a millisecond.
";

const PEERS: &str = "The same request, in the same run, each as its own documentation says, with a token that is alive and a long-lived handle.
`limit`, AddAuthorization, octocrab, reqwest-middleware, `kube-client/static` and `tower/retry` have one token for ever, the
others can refresh; as set up here, only `ours` and `tower/retry` send a request again, and only ours look at why it was
refused. Each was seen to put its token on the request, and its host where it says so.
Counts differ by up to a tenth from those above, being those of another binary. reqwest-middleware, cirrus, AWS and azure_core are measured over an end that takes their own type of request.
Of the Salesforce crates, cirrus is among them with the request that it hands out for the caller to send. Where it sends by
itself, it too looks at why it was refused and sends once more, but that cannot be had without a server. Nor can anything
of the others on crates.io, which only send with a client of their own (the bench says of each why).

| | instructions | allocations | ns | for a request |
|---|--:|--:|--:|---|
";

const THREADS: &str = "A request's time on two threads over that on one: 1.00 is perfect, and `bare` shows what the machine makes of two
threads that have nothing in common.
";

const HERD: &str = "So many requests at once are refused, one of them refreshes, which takes 50 ms, and all are sent once more (`refresh`);
or the refresh fails (`failure`). One token request in all cases. The floor is as many tasks that wait 50 ms, each
from its own start, and send.
";

const STORES: &str = "In µs: a `load`, a `swap` that applies, and a whole `refresh` with a token request that is answered at once. The servers are
private ones on loopback, as durable as those of a fleet have to be. None of this is on the way of a request with a live
token: `ours_on_files` costs the same instructions as `ours`.
";

const REFUSAL: &str = "What it takes to see that an answer is no candidate, and to read one that is (µs). Once for a refused request.
";

const BODIES: &str = "In µs, for bodies of frames of 16 KiB, handed on and never copied. `buffered` keeps them for the resend, `over_cap` gives that up half-way;
`peeked` is an answer whose first 16 KiB are read by the layer and handed on with the rest.
";

const SOCKETS: &str = "hyper-util's client on loopback, 1 or 64 requests at once, the server in a process of its own. Below `bare` a token that
never changes is put on by hand. `added` is the processor time of a turn with the layer over that of the neighbouring
turn without it, the median of all pairs, and its share of a request without it.
";

const CLOSING: &str = "
## Again

```sh
cargo bench                                  # everything, below 15 minutes on two cores; needs valgrind for the counts
cargo bench --manifest-path benches/peers/Cargo.toml   # the peers, a crate of its own
cargo bench --bench report -- --collect      # takes the figures over and makes this page
```

`cargo bench --bench instructions --bench allocations -- --check` are the gates of CI. A change that costs more changes
the numbers in `benches/instructions.toml` or `benches/allocations.toml` (`-- --write`), and its message says why.

## What is not claimed

- That a request becomes noticeably faster or slower: over a socket on loopback the layer is a few hundredths of its
  processor time. The figures say that correctness is not paid for on the way of every request.
- Anything about times on other machines, or below other services: the service below is in memory and ready at once.
- That peers which do less should be judged by this alone: most of them neither resend nor know why a session was refused,
  and some fetch tokens of other providers.
";
