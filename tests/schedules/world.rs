//! The processes and the outside, step by step.

mod choices;
mod rest;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_salesforce_auth::store::Swap;

use crate::{
    coverage::Coverage,
    gate::{Answer, Asked, Desk, Pending, Site},
    outside::{Outside, Violation},
    process::{Call, Caller, Ended, Process},
    steps::{How, Left, Setup, Step},
};

/// How much of the world's time a step takes.
const STEP: Duration = Duration::from_millis(1);
/// How finely time passes while nothing is to be done. A process runs on its own for so long.
const QUANTUM: Duration = Duration::from_millis(400);
/// For so long at most before something else may be chosen.
const TICK: Duration = Duration::from_secs(5);
/// What a session promises its callers.
const WAIT_BUDGET: Duration = Duration::from_secs(15);
/// How late it may be noticed that a caller has ended.
const NOTICE: Duration = Duration::from_secs(1);
/// A token that is refused sooner is not taken for one that has expired.
const WARM: Duration = Duration::from_secs(120);
/// So much is told of a schedule: whoever is stuck does the same for ever.
const STORY: usize = 300;
/// How late what was sent takes effect, where nothing else limits it.
const LATE: Duration = Duration::from_secs(100);

pub(crate) struct World {
    pub(crate) setup: &'static Setup,
    now: Duration,
    pub(crate) outside: Outside,
    desk: Arc<Mutex<Desk>>,
    processes: Vec<Process>,
    callers: Vec<Caller>,
    left: Left,
    /// Until when the store refuses everything.
    down_until: Option<Duration>,
    /// Until when an operation is slow.
    held: HashMap<usize, Duration>,
    /// When it was announced: how long its process was awake then, and after when it is no longer to take effect.
    announced: HashMap<usize, (Duration, Duration)>,
    /// The operations that were noticed.
    noticed: usize,
    /// The claims that are acted on, by process and connection.
    windows: HashMap<(usize, usize), Window>,
    /// How many things went wrong, and how often somebody asked for a new token.
    faults: usize,
    reasons: usize,
    /// When an application last asked of its own accord.
    asked_at: Duration,
    expiries: usize,
    /// What has happened, where that is wanted.
    pub(crate) story: Option<Vec<String>>,
}

/// The time from a claim to the commit.
struct Window {
    nonce: String,
    since: Duration,
    /// Whether the refresh token was presented. Before that, a claim that is not fresh any more is given up.
    is_sent: bool,
}

impl World {
    pub(crate) fn begin(setup: &'static Setup) -> Self {
        let outside = Outside::new(setup);
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let now = Duration::ZERO;
        let processes = (0..setup.processes).map(|n| Process::start(n, 0, now, &desk, &outside)).collect();
        let mut world = Self {
            setup,
            now,
            outside,
            desk,
            processes,
            callers: Vec::new(),
            left: setup.left,
            down_until: None,
            held: HashMap::new(),
            announced: HashMap::new(),
            noticed: 0,
            windows: HashMap::new(),
            faults: 0,
            reasons: setup.connections,
            asked_at: now,
            expiries: 0,
            story: None,
        };
        if setup.is_warm {
            world.warm_up();
        }
        for (process, connection, call) in setup.calls {
            world.call(*process, *connection, *call);
        }
        world.go_on();
        world
    }

    /// Every session has a token that was accepted and has lived long enough to expire.
    fn warm_up(&mut self) {
        for process in 0..self.setup.processes {
            for connection in 0..self.setup.connections {
                self.call(process, connection, Call::Request);
            }
        }
        self.go_on();
        self.run_out();
        assert!(self.callers.iter().all(|caller| caller.ended() == Some(Ended::Served)), "a cold start");
        self.now += WARM;
        self.go_on();
        for connection in 0..self.setup.connections {
            self.expire(connection);
        }
        self.outside.coverage = Coverage::default();
    }

    fn expire(&mut self, connection: usize) {
        self.outside.grants[connection].is_open = false;
        self.reasons += 1;
    }

    fn call(&mut self, process: usize, connection: usize, call: Call) {
        let number = self.callers.len();
        self.reasons += usize::from(call == Call::Refresh);
        self.callers.push(self.processes[process].call(process, connection, call, number));
    }

    // === what happens ===

    pub(crate) fn take(&mut self, step: Step) {
        self.tell(|world| world.step(step));
        match step {
            Step::Do(number, how) => self.perform(number, how),
            Step::Hold(number, pause) => {
                self.left.pauses -= 1;
                self.faults += 1;
                self.outside.coverage.note("operation slow");
                self.held.insert(number, self.now + pause);
            }
            Step::Sleep(process, pause) => {
                self.left.pauses -= 1;
                self.faults += 1;
                self.outside.coverage.note(if self.has_claimed(process) {
                    "stood still with a claim"
                } else {
                    "stood still"
                });
                self.processes[process].asleep_until = Some(self.now + pause);
            }
            Step::Crash(process) => {
                self.left.faults -= 1;
                self.faults += 1;
                self.crash(process);
            }
            Step::Outage(outage) => {
                self.left.faults -= 1;
                self.faults += 1;
                self.outside.coverage.note("outage");
                self.down_until = Some(self.now + outage);
            }
            Step::FailOver(connection) => {
                self.left.faults -= 1;
                self.faults += 1;
                let sites = self.processes.iter().enumerate().map(|(n, process)| process.site(n, connection));
                self.outside.fail_over(connection, sites.collect());
            }
            Step::Expire(connection) => {
                self.left.others -= 1;
                self.expiries += 1;
                self.outside.coverage.note("session expired");
                self.expire(connection);
            }
            Step::Cancel(caller) => {
                self.left.others -= 1;
                self.callers[caller].cancel();
                self.outside.coverage.note("caller gone");
            }
            Step::Call(process, call) => {
                self.left.others -= 1;
                self.outside.coverage.note("caller came");
                self.call(process, 0, call);
            }
            Step::Tick => return self.tick(),
        }
        self.now += STEP;
        self.go_on();
    }

    fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.story.as_ref().is_some_and(|story| story.len() < STORY) {
            let line = format!("{:8.3} {}", self.now.as_secs_f64(), what(self));
            self.story.get_or_insert_default().push(line);
        }
    }

    fn perform(&mut self, number: usize, how: How) {
        let pending = self.desk.lock().unwrap().pending.remove(&number).expect("a pending operation");
        let (site, asked) = (pending.site, &pending.asked);
        if how != How::Well {
            self.left.faults -= 1;
            self.faults += 1;
        }
        self.down_until = self.down_until.filter(|until| *until > self.now);
        let is_of_store = matches!(asked, Asked::Load(_) | Asked::Swap { .. });
        let how = if is_of_store && self.down_until.is_some() { How::Refused } else { how };
        let is_done = matches!(how, How::Well | How::Unanswered | How::Broken);
        let done = is_done.then(|| self.outside.perform(site, asked));
        self.note(&pending, how, done.as_ref());
        self.mind_the_window(site, asked, how, done.as_ref());
        let is_token = matches!(asked, Asked::Token { .. });
        let is_granted = is_token && matches!(done, Some(Answer::Json(200, _)));
        let answer = match (how, done) {
            (How::Well, Some(done)) => done,
            (How::Unanswered | How::Lost, _) if !is_token => Answer::Ambiguous,
            (How::Unsent, _) => Answer::Unsent,
            (How::Broken, _) => Answer::Json(500, "<html>".into()),
            (How::Overloaded, _) => Answer::Json(503, String::new()),
            (How::Busy, _) => {
                let body = r#"{"error":"invalid_request","error_description":"token request is already being processed"}"#;
                Answer::Json(400, body.into())
            }
            (How::Refused, _) => Answer::Unavailable,
            _ => Answer::Reset,
        };
        if let Asked::Api { caller, .. } = asked {
            let awake = self.processes[site.process].awake;
            self.callers[*caller].at_api += awake - self.announced[&number].0;
        }
        let is_told = pending.answer.send(answer).is_ok() && how == How::Well;
        if is_granted && is_told {
            self.outside.was_told(site);
        } else if is_granted {
            self.outside.losses += 1;
        }
    }

    /// Counts what goes wrong with an operation.
    fn note(&mut self, pending: &Pending, how: How, done: Option<&Answer>) {
        let is_late = pending.is_abandoned();
        let what = match (&pending.asked, how, done) {
            (Asked::Load(_), How::Refused, _) => "load refused",
            (Asked::Swap { .. }, How::Refused, _) => "swap refused",
            (Asked::Swap { .. }, How::Lost, _) => "swap lost, not known",
            (Asked::Swap { .. }, How::Unanswered, Some(Answer::Swapped(Swap::Applied(_)))) => {
                "swap applied, not known"
            }
            (Asked::Swap { .. }, How::Unanswered, _) => "swap in conflict, not known",
            (Asked::Swap { .. }, _, Some(Answer::Swapped(Swap::Applied(_)))) if is_late => "write came late",
            (Asked::Token { .. }, How::Well, _) if is_late => "token request came late",
            (Asked::Token { .. }, How::Lost, _) => "token request lost",
            (Asked::Token { .. }, How::Unsent, _) => "token request never sent",
            (Asked::Token { .. }, How::Unanswered, _) => "grant not told",
            (Asked::Token { .. }, How::Broken, _) => "grant told as a 500",
            (Asked::Token { .. }, How::Overloaded, _) => "overloaded",
            (Asked::Token { .. }, How::Busy, _) => "already being processed",
            _ => return,
        };
        self.outside.coverage.note(what);
    }

    /// Notes where a claim ends: at the write without one, or where its flight gives up for good.
    fn mind_the_window(&mut self, site: Site, asked: &Asked, how: How, done: Option<&Answer>) {
        let at = (site.process, site.connection);
        let is_over = match (asked, done) {
            (Asked::Swap { record, .. }, Some(Answer::Swapped(swap))) => {
                let is_applied = matches!(swap, Swap::Applied(_));
                match claim(record) {
                    None => is_applied,
                    Some(nonce) => {
                        !is_applied && self.windows.get(&at).is_some_and(|window| window.nonce == nonce)
                    }
                }
            }
            (Asked::Token { .. }, _) => matches!(how, How::Unanswered | How::Lost | How::Broken),
            _ => false,
        };
        if is_over {
            self.windows.remove(&at);
        }
    }

    /// Whether a process acts on a claim.
    fn has_claimed(&self, process: usize) -> bool {
        self.windows.keys().any(|(of, _)| *of == process)
    }

    fn crash(&mut self, process: usize) {
        self.outside.coverage.note(if self.has_claimed(process) { "killed with a claim" } else { "killed" });
        let life = self.processes[process].life + 1;
        self.processes[process] = Process::start(process, life, self.now, &self.desk, &self.outside);
        self.outside.died(process);
        self.windows.retain(|(of, _), _| *of != process);
        for caller in self.callers.iter_mut().filter(|caller| caller.process == process) {
            caller.is_over = true;
        }
    }

    /// Where nobody waits, one asks again after a while: an application goes on asking.
    fn ask_again(&mut self) {
        if self.now < self.asked_at + TICK {
            return;
        }
        self.asked_at = self.now;
        for process in 0..self.setup.processes {
            let has_caller = self.callers.iter().any(|caller| caller.process == process && !caller.is_over);
            if self.processes[process].asleep_until.is_none() && !has_caller {
                for connection in 0..self.setup.connections {
                    self.call(process, connection, Call::Request);
                }
            }
        }
    }

    /// Lets time pass until something is to be done, or for a while.
    fn tick(&mut self) {
        self.ask_again();
        let until = self.now + TICK;
        while self.now < until {
            let (noticed, over) = (self.noticed, self.running());
            let held = self.held.values().filter(|held| **held > self.now).count();
            self.now += QUANTUM;
            let mut has_woken = false;
            for process in &mut self.processes {
                if process.asleep_until.is_some_and(|until| until <= self.now) {
                    process.wake(self.now);
                    has_woken = true;
                }
            }
            self.now += STEP;
            self.go_on();
            let is_free = self.held.values().filter(|held| **held > self.now).count() < held;
            if has_woken || is_free || self.noticed > noticed || self.running() < over {
                return;
            }
        }
    }

    fn running(&self) -> usize {
        self.callers.iter().filter(|caller| !caller.is_over).count()
    }

    /// Everybody who is awake does what there is to do.
    fn go_on(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.asleep_until.is_none()) {
            process.live(self.now);
            process.look(&mut self.outside);
        }
        self.notice();
        // What the API has not answered yet is not counted yet either.
        let at_api: Vec<usize> = (self.desk.lock().unwrap().pending.values())
            .filter(|pending| matches!(pending.asked, Asked::Api { .. }))
            .map(|pending| pending.site.process)
            .collect();
        for caller in self.callers.iter_mut().filter(|caller| !caller.is_over) {
            let waited = (self.processes[caller.process].awake - caller.since).saturating_sub(caller.at_api);
            let budget = if caller.call == Call::Request { 2 * WAIT_BUDGET } else { WAIT_BUDGET };
            caller.is_over = caller.ended().is_some();
            if waited > budget + NOTICE && !at_api.contains(&caller.process) {
                self.outside.violated(Violation::OverBudget);
            }
        }
    }

    /// Looks at what was announced, and drops what can no longer take effect.
    fn notice(&mut self) {
        let mut desk = self.desk.lock().unwrap();
        desk.sort(self.noticed);
        for (number, pending) in desk.pending.range(self.noticed..) {
            let site = pending.site;
            let at = (site.process, site.connection);
            match &pending.asked {
                Asked::Swap { record, .. } => {
                    if let Some(nonce) = claim(record)
                        && self.windows.get(&at).is_none_or(|window| window.nonce != nonce)
                    {
                        self.windows.insert(at, Window { nonce, since: self.now, is_sent: false });
                    }
                }
                Asked::Token { .. } => {
                    self.outside.token_requests += 1;
                    self.windows.entry(at).and_modify(|window| window.is_sent = true);
                }
                Asked::Api { caller, .. } => self.outside.sent(*caller),
                Asked::Load(_) => {}
            }
            let since = self.windows.get(&at).map_or(self.now, |window| window.since);
            let latest = since + self.setup.window.unwrap_or(LATE);
            self.announced.insert(*number, (self.processes[site.process].awake, latest));
        }
        self.noticed = desk.announced;
        desk.pending.retain(|number, pending| {
            let has_effect = matches!(pending.asked, Asked::Swap { .. } | Asked::Token { .. });
            !pending.is_abandoned() || (has_effect && self.announced[number].1 >= self.now)
        });
    }
}

/// The nonce of a record's claim.
fn claim(record: &[u8]) -> Option<String> {
    let record: serde_json::Value = serde_json::from_slice(record).expect("a record");
    Some(record["claim"]["nonce"].as_str()?.to_owned())
}
