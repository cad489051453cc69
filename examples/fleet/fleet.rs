//! The parent: an org that lets its session end, processes that are told to send, and what befalls them.

use std::{process::Stdio, time::Duration};

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};
use tower_salesforce_auth::{
    BoxError,
    testing::{FakeOrg, Gate},
};

use super::{
    options::{Fault, Options},
    report::Report,
    stores::Shared,
    worker,
};

/// No generation takes longer, however scaled: whoever has not answered by then hangs.
const LONGEST: Duration = Duration::from_secs(240);

/// How often a consent is tried to be installed.
const CONSENT_TRIES: u32 = 50;

pub(crate) async fn run(options: &Options) -> Result<Report, BoxError> {
    let org = FakeOrg::start().await?;
    let shared = Shared::start(options.backend).await?;
    let job = json!({
        "url": org.url(),
        "client_id": org.client_id(),
        "client_secret": org.client_secret(),
        "refresh_token": org.issue_refresh_token(),
        "time_scale": options.time_scale,
        "store": options.backend.name(),
        "place": shared.place(),
    });
    let started = Instant::now();
    let workers = (0..options.processes).map(|_| Worker::spawn(&job)).collect::<Result<_, _>>()?;
    let mut fleet =
        Fleet { org, options, job, workers, report: Report::default(), suspect: false, dice: Dice(0x5eed) };
    for generation in 0..options.generations {
        if generation > 0 {
            fleet.org.expire_sessions();
        }
        fleet.generation(options.faults.of(generation)).await?;
    }
    let mut report = fleet.finish().await?;
    report.took = started.elapsed();
    Ok(report)
}

struct Fleet<'a> {
    org: FakeOrg,
    options: &'a Options,
    job: Value,
    workers: Vec<Worker>,
    report: Report,
    /// Whether a process was killed that had a token request under way, and no generation has gone well since.
    suspect: bool,
    dice: Dice,
}

impl Fleet<'_> {
    async fn generation(&mut self, fault: Option<Fault>) -> Result<(), BoxError> {
        self.report.generations += 1;
        self.report.requests += self.options.requests as u64;
        let processes = self.workers.len();
        let fault = fault.map(|fault| (fault, self.org.hold_token_requests()));
        for (at, worker) in self.workers.iter_mut().enumerate() {
            // What does not divide evenly goes to the first.
            let share =
                self.options.requests / processes + usize::from(at < self.options.requests % processes);
            worker.order(&json!({ "send": share })).await?;
        }
        if let Some((fault, gate)) = fault {
            // Bounded: the session may be refreshed without anybody waiting at the gate.
            let _ = timeout(self.options.wait_out(), gate.arrived(1)).await;
            self.befall(fault, gate).await?;
        }
        let tally = self.collect().await?;
        self.report.refused += tally.refused;
        self.report.failed += tally.failed;
        self.settle(tally).await
    }

    /// What happens to one process while a refresh is under way.
    async fn befall(&mut self, fault: Fault, gate: Gate) -> Result<(), BoxError> {
        let victim = self.dice.roll(self.workers.len());
        match fault {
            Fault::Pause => {
                let pid = self.workers[victim].pid()?;
                kill_process(pid, Signal::STOP)?;
                drop(gate);
                let part = 0.1 + 0.05 * self.dice.roll(11) as f64; // up to 60 % of the wait-out
                sleep(self.options.wait_out().mul_f64(part)).await;
                kill_process(pid, Signal::CONT)?;
                self.report.paused += 1;
            }
            Fault::Kill => {
                let holds = gate.user_agents().contains(&self.workers[victim].name());
                // Replaced before it is killed, so that what it was told to send is known to be gone.
                let fresh = Worker::spawn(&self.job)?;
                let mut gone = std::mem::replace(&mut self.workers[victim], fresh);
                gone.child.kill().await?;
                drop(gate);
                self.report.killed += 1;
                self.suspect |= holds;
            }
        }
        Ok(())
    }

    /// Waits until everybody is answered well again; lets a person connect again where that is asked for.
    async fn settle(&mut self, mut tally: Tally) -> Result<(), BoxError> {
        let deadline = Instant::now() + LONGEST;
        while tally.refused + tally.failed + tally.reauthorise > 0 {
            if tally.reauthorise > 0 {
                self.reconnect().await?;
            }
            if Instant::now() > deadline {
                return Err(format!("the fleet does not recover: {tally:?}").into());
            }
            sleep(self.options.wait_out() / 20).await;
            for worker in &mut self.workers {
                worker.order(&json!({ "send": 1 })).await?;
            }
            tally = self.collect().await?;
        }
        self.suspect = false;
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<(), BoxError> {
        self.report.reauthorisations += 1;
        self.report.lost_grants += u64::from(std::mem::take(&mut self.suspect));
        let consent = json!({ "reconnect": self.org.issue_token_response() });
        let worker = self.workers.first_mut().ok_or("a fleet without processes")?;
        let mut answer = None;
        // Installing a consent twice does no harm, and a busy store may be too slow for scaled time limits.
        for _ in 0..CONSENT_TRIES {
            worker.order(&consent).await?;
            worker.outstanding -= 1;
            answer = worker.answer().await?;
            if answer.as_ref().is_some_and(|answer| answer["reconnected"] == true) {
                return Ok(());
            }
            sleep(self.options.wait_out() / 20).await;
        }
        Err(format!("the consent was not installed: {answer:?}").into())
    }

    /// Everybody's answers to the last orders.
    async fn collect(&mut self) -> Result<Tally, BoxError> {
        let answers =
            join_all(self.workers.iter_mut().filter(|worker| worker.outstanding > 0).map(|worker| {
                worker.outstanding -= 1;
                worker.answer()
            }));
        let answers = timeout(LONGEST, answers).await.map_err(|_| "a process does not answer")?;
        let mut tally = Tally::default();
        for answer in answers {
            tally.add(&answer?.ok_or("a process ended by itself")?);
        }
        Ok(tally)
    }

    async fn finish(self) -> Result<Report, BoxError> {
        let Self { org, workers, mut report, .. } = self;
        for worker in workers {
            let Worker { mut child, orders, .. } = worker;
            drop(orders);
            let status = timeout(LONGEST, child.wait()).await??;
            if !status.success() {
                return Err(format!("a process ended with {status}").into());
            }
        }
        let counters = org.counters();
        report.token_requests = counters.token_requests;
        // A grant ends with the first spent token that is shown while its child lives. Of a lost grant that must happen,
        // after the wait-out: the child died with its process, and nobody else can know that there was one.
        report.tokens_reused = counters.families_revoked.saturating_sub(report.lost_grants);
        Ok(report)
    }
}

struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    outstanding: usize,
}

impl Worker {
    fn spawn(job: &Value) -> Result<Self, BoxError> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(worker::JOB, job.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or("no pipe to a process")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe from a process")?).lines();
        Ok(Self { child, orders, answers, outstanding: 0 })
    }

    /// What its token requests say that they are of.
    fn name(&self) -> String {
        self.child.id().map(|id| id.to_string()).unwrap_or_default()
    }

    fn pid(&self) -> Result<Pid, BoxError> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        pid.ok_or_else(|| "a process has ended".into())
    }

    async fn order(&mut self, order: &Value) -> Result<(), BoxError> {
        self.outstanding += 1;
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        Ok(())
    }

    /// `None` once the process is gone.
    async fn answer(&mut self) -> Result<Option<Value>, BoxError> {
        match self.answers.next_line().await? {
            Some(line) => Ok(Some(serde_json::from_str(&line)?)),
            None => Ok(None),
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    reauthorise: u64,
    failed: u64,
    why: Option<String>,
}

impl Tally {
    fn add(&mut self, answer: &Value) {
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        self.refused += number("refused");
        self.reauthorise += number("reauthorise");
        self.failed += number("failed");
        self.why = self.why.take().or_else(|| answer["why"].as_str().map(str::to_owned));
    }
}

/// A small generator: the same victims in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}
