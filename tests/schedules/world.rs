//! The processes and the outside, and what may happen next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_salesforce_auth::{AuthErrorKind, store::Swap};

use crate::{
    gate::{Answer, Asked, Desk, Site},
    outside::{Outside, Violation},
    process::{Call, Caller, Ended, Process},
    steps::{HOLDS, How, Left, SLEEPS, Setup, Step, hows},
};

/// How much of the world's time a step takes.
const STEP: Duration = Duration::from_millis(1);
/// How finely time passes while nothing is to be done. A process runs on its own for so long.
const QUANTUM: Duration = Duration::from_millis(200);
/// For so long at most before something else may be chosen.
const TICK: Duration = Duration::from_secs(5);
/// What a session promises its callers.
const WAIT_BUDGET: Duration = Duration::from_secs(15);
/// How late it may be noticed that a caller has ended.
const NOTICE: Duration = Duration::from_secs(1);
/// A token that is refused sooner is not taken for one that has expired.
const WARM: Duration = Duration::from_secs(120);
/// The first two wait-outs, and as much again.
const PATIENCE: Duration = Duration::from_secs(400);
/// How late what was sent takes effect, where nothing else limits it.
const LATE: Duration = Duration::from_secs(100);
/// How many token requests a fault may lead to: those of a flight.
const PER_FAULT: usize = 5;

pub(crate) struct World {
    pub(crate) setup: &'static Setup,
    now: Duration,
    pub(crate) outside: Outside,
    desk: Arc<Mutex<Desk>>,
    processes: Vec<Process>,
    callers: Vec<Caller>,
    left: Left,
    /// Until when an operation is slow.
    held: HashMap<usize, Duration>,
    /// When it was announced: how long its process was awake then, and after when it is no longer to take effect.
    announced: HashMap<usize, (Duration, Duration)>,
    /// The operations that were noticed.
    noticed: usize,
    /// The claims that are acted on, and since when.
    windows: HashMap<(usize, usize), (String, Duration)>,
    /// How many things went wrong, and how often somebody asked for a new token.
    faults: usize,
    reasons: usize,
    /// When an application last asked of its own accord.
    asked_at: Duration,
    expiries: usize,
}

impl World {
    pub(crate) fn begin(setup: &'static Setup) -> Self {
        let outside = Outside::new(setup.connections, setup.hints);
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
            held: HashMap::new(),
            announced: HashMap::new(),
            noticed: 0,
            windows: HashMap::new(),
            faults: 0,
            reasons: setup.connections,
            asked_at: now,
            expiries: 0,
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

    // === what may happen ===

    /// Everything that may happen next, what is usual first.
    pub(crate) fn options(&self) -> Vec<Step> {
        let usual = self.usual();
        let mut options = vec![usual];
        let desk = self.desk.lock().unwrap();
        for (number, pending) in &desk.pending {
            let site = pending.site;
            let well = Step::Do(*number, How::Well);
            if well != usual {
                options.push(well);
            }
            if pending.is_abandoned() {
                continue;
            }
            if self.left.faults > 0 {
                options.extend(hows(&pending.asked).iter().map(|how| Step::Do(*number, *how)));
            }
            if self.left.pauses > 0 && !self.held.contains_key(number) {
                let fits =
                    HOLDS.iter().filter(|pause| self.fits(site.process, Some(site.connection), **pause));
                options.extend(fits.map(|pause| Step::Hold(*number, *pause)));
            }
        }
        for (n, process) in self.processes.iter().enumerate() {
            if self.left.pauses > 0 && process.asleep_until.is_none() {
                let fits = SLEEPS.iter().filter(|pause| {
                    self.setup.window.is_none_or(|window| **pause <= window) && self.fits(n, None, **pause)
                });
                options.extend(fits.map(|pause| Step::Sleep(n, *pause)));
            }
            if self.left.faults > 0 {
                options.push(Step::Crash(n));
            }
        }
        if self.left.others > 0 {
            let open = (0..self.setup.connections).filter(|n| self.outside.grants[*n].is_open);
            options.extend(open.map(Step::Expire));
            let waiting = self.callers.iter().enumerate().filter(|(_, caller)| !caller.is_over);
            options.extend(waiting.map(|(n, _)| Step::Cancel(n)));
            for process in 0..self.setup.processes {
                options.push(Step::Call(process, Call::Request));
                options.push(Step::Call(process, Call::Refresh));
            }
        }
        options
    }

    fn usual(&self) -> Step {
        let desk = self.desk.lock().unwrap();
        let next = desk.pending.iter().find(|(number, pending)| {
            !pending.is_abandoned() && self.held.get(number).is_none_or(|until| *until <= self.now)
        });
        next.map_or(Step::Tick, |(number, _)| Step::Do(*number, How::Well))
    }

    /// Whether what a process has claimed is still its own after `pause`.
    fn fits(&self, process: usize, connection: Option<usize>, pause: Duration) -> bool {
        let Some(window) = self.setup.window else { return true };
        self.windows
            .iter()
            .filter(|((of, at), _)| *of == process && connection.is_none_or(|connection| connection == *at))
            .all(|(_, (_, since))| self.now + pause <= *since + window)
    }

    /// Whether nobody does anything any more and nobody has a reason to, and nothing is on its way.
    pub(crate) fn is_over(&self) -> bool {
        self.callers.iter().all(|caller| caller.is_over)
            && self.processes.iter().all(|process| process.asleep_until.is_none() && process.is_stored())
            && self.outside.grants.iter().all(|grant| grant.is_open || grant.is_revoked)
            && self.desk.lock().unwrap().pending.is_empty()
    }

    /// What is told of a step in a counterexample.
    pub(crate) fn tell(&self, step: Step) -> String {
        let at = format!("{:8.3}", self.now.as_secs_f64());
        match step {
            Step::Do(number, _) | Step::Hold(number, _) => {
                let desk = self.desk.lock().unwrap();
                let pending = &desk.pending[&number];
                let Site { process, connection, .. } = pending.site;
                let given_up = if pending.is_abandoned() { " (given up)" } else { "" };
                format!("{at} p{process} c{connection} {step:?}: {:?}{given_up}", pending.asked)
            }
            _ => format!("{at} {step:?}"),
        }
    }

    // === what happens ===

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Do(number, how) => self.perform(number, how),
            Step::Hold(number, pause) => {
                self.left.pauses -= 1;
                self.faults += 1;
                self.held.insert(number, self.now + pause);
            }
            Step::Sleep(process, pause) => {
                self.left.pauses -= 1;
                self.faults += 1;
                self.processes[process].asleep_until = Some(self.now + pause);
            }
            Step::Crash(process) => {
                self.left.faults -= 1;
                self.faults += 1;
                self.crash(process);
            }
            Step::Expire(connection) => {
                self.left.others -= 1;
                self.expiries += 1;
                self.expire(connection);
            }
            Step::Cancel(caller) => {
                self.left.others -= 1;
                self.callers[caller].cancel();
            }
            Step::Call(process, call) => {
                self.left.others -= 1;
                self.call(process, 0, call);
            }
            Step::Tick => return self.tick(),
        }
        self.now += STEP;
        self.go_on();
    }

    fn perform(&mut self, number: usize, how: How) {
        let pending = self.desk.lock().unwrap().pending.remove(&number).expect("a pending operation");
        let (site, asked) = (pending.site, &pending.asked);
        if how != How::Well {
            self.left.faults -= 1;
            self.faults += 1;
        }
        let is_done = matches!(how, How::Well | How::Unanswered | How::Broken);
        let done = is_done.then(|| self.outside.perform(site, asked));
        self.mind_the_window(site, asked, how, done.as_ref());
        let is_token = matches!(asked, Asked::Token { .. });
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
        let is_granted = is_token && how == How::Well && matches!(answer, Answer::Json(200, _));
        if pending.answer.send(answer).is_ok() && is_granted {
            self.outside.was_told(site);
        }
    }

    /// Notes where a claim ends: at the write without one, or where its flight gives up for good.
    fn mind_the_window(&mut self, site: Site, asked: &Asked, how: How, done: Option<&Answer>) {
        let at = (site.process, site.connection);
        let is_over = match (asked, done) {
            (Asked::Swap { record, .. }, Some(Answer::Swapped(swap))) => {
                let is_applied = matches!(swap, Swap::Applied(_));
                match claim(record) {
                    None => is_applied,
                    Some(nonce) => !is_applied && self.windows.get(&at).is_some_and(|(of, _)| *of == nonce),
                }
            }
            (Asked::Token { .. }, _) => matches!(how, How::Unanswered | How::Lost | How::Broken),
            _ => false,
        };
        if is_over {
            self.windows.remove(&at);
        }
    }

    fn crash(&mut self, process: usize) {
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
                        && self.windows.get(&at).is_none_or(|(of, _)| *of != nonce)
                    {
                        self.windows.insert(at, (nonce, self.now));
                    }
                }
                Asked::Token { .. } => self.outside.token_requests += 1,
                Asked::Api { caller, .. } => self.outside.sent(*caller),
                Asked::Load(_) => {}
            }
            let since = self.windows.get(&at).map_or(self.now, |(_, since)| *since);
            let latest = since + self.setup.window.unwrap_or(LATE);
            self.announced.insert(*number, (self.processes[site.process].awake, latest));
        }
        self.noticed = desk.announced;
        desk.pending.retain(|number, pending| {
            let has_effect = matches!(pending.asked, Asked::Swap { .. } | Asked::Token { .. });
            !pending.is_abandoned() || (has_effect && self.announced[number].1 >= self.now)
        });
    }

    // === the end ===

    /// Does what is usual until nobody does anything any more.
    fn run_out(&mut self) {
        let until = self.now + PATIENCE;
        while !self.is_over() && self.now < until {
            self.take(self.usual());
        }
    }

    /// Everything goes well from now on: does everybody get a token, and is the store up to date?
    pub(crate) fn rest(&mut self) {
        self.held.clear();
        self.desk.lock().unwrap().pending.retain(|_, pending| !pending.is_abandoned());
        self.run_out();
        if !self.is_over() {
            self.outside.violated(Violation::Stuck);
        }
        let is_calm = self.faults == 0 && self.expiries == 0;
        if is_calm && self.callers.iter().any(|caller| caller.ended().is_some_and(|end| end != Ended::Served))
        {
            self.outside.violated(Violation::Unserved);
        }
        self.check_grants();
        for process in 0..self.setup.processes {
            for connection in 0..self.setup.connections {
                self.recover(process, connection);
            }
        }
        self.check_grants();
        if self.outside.token_requests > self.reasons + PER_FAULT * self.faults {
            self.outside.violated(Violation::Storm);
        }
    }

    fn check_grants(&mut self) {
        for connection in 0..self.setup.connections {
            if self.outside.grants[connection].is_revoked {
                continue;
            }
            let is_sound = |record: serde_json::Value| record["health"]["state"] == "sound";
            if !self.outside.record(connection).is_none_or(is_sound) {
                self.outside.violated(Violation::AskedForPerson);
            }
            let has_newest =
                self.outside.grants[connection].newest == 0 || self.outside.is_stored(connection);
            if self.outside.is_held(connection) && !has_newest {
                self.outside.violated(Violation::NotStored);
            }
        }
    }

    /// Left alone, a session gets a token, or knows that the grant has ended.
    fn recover(&mut self, process: usize, connection: usize) {
        let until = self.now + PATIENCE;
        let before = self.reasons;
        loop {
            self.call(process, connection, Call::Refresh);
            self.reasons = before + 1;
            self.now += STEP;
            self.go_on();
            self.run_out();
            match self.callers.last().and_then(Caller::ended) {
                Some(Ended::Served) => return,
                Some(Ended::Failed(AuthErrorKind::ReauthorisationRequired)) => {
                    if !self.outside.grants[connection].is_revoked {
                        self.outside.violated(Violation::AskedForPerson);
                    }
                    return;
                }
                _ if self.now > until || self.outside.violation.is_some() => {
                    self.outside.violated(Violation::Stuck);
                    return;
                }
                _ => self.take(Step::Tick),
            }
        }
    }
}

/// The nonce of a record's claim.
fn claim(record: &[u8]) -> Option<String> {
    let record: serde_json::Value = serde_json::from_slice(record).expect("a record");
    Some(record["claim"]["nonce"].as_str()?.to_owned())
}
