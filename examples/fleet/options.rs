//! The command line.

use std::{str::FromStr, time::Duration};

pub(crate) const USAGE: &str = "\
usage: cargo run --example fleet -- [OPTION ...]
  --store file|redis|postgres   what the processes share (file)
  --processes N                 how many there are (8)
  --requests N                  how many requests they send together in each generation (2000)
  --generations N               how often the session begins anew (5)
  --faults mixed|none|pause|kill
                                what happens to a process while a refresh is under way: pause or kill in each
                                generation, or now and then the one and the other (mixed)
  --time-scale X                the protocol's waits, times X: 0.1 makes a minute 6 s (0.1, and 1 without faults)
  --json                        the figures as one JSON object, last";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    File,
    Redis,
    Postgres,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// In every other generation: a pause, then a kill, in turn.
    Mixed,
    None,
    Each(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process stops for less than the wait-out, and goes on.
    Pause,
    /// A process ends without a word.
    Kill,
}

impl Faults {
    /// What befalls a process in this generation, counted from 0.
    pub(crate) fn of(self, generation: u64) -> Option<Fault> {
        match (self, generation % 4) {
            (Self::Each(fault), _) => Some(fault),
            (Self::Mixed, 1) => Some(Fault::Pause),
            (Self::Mixed, 3) => Some(Fault::Kill),
            (Self::Mixed | Self::None, _) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) backend: Backend,
    pub(crate) processes: usize,
    pub(crate) requests: usize,
    pub(crate) generations: u64,
    pub(crate) faults: Faults,
    pub(crate) time_scale: f64,
    pub(crate) json: bool,
}

/// How long a claim is waited out, unscaled.
const WAIT_OUT: Duration = Duration::from_secs(60);

/// A killed holder is waited out in 6 s, and a busy machine still answers within the scaled time limits.
const SCALE_WITH_FAULTS: f64 = 0.1;

impl Options {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            backend: Backend::File,
            processes: 8,
            requests: 2_000,
            generations: 5,
            faults: Faults::Mixed,
            time_scale: 1.0,
            json: false,
        };
        let mut time_scale = None;
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            if name == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value, or is not known"))?;
            match name.as_str() {
                "--store" => {
                    options.backend = match value.as_str() {
                        "file" => Backend::File,
                        "redis" => Backend::Redis,
                        "postgres" => Backend::Postgres,
                        _ => return Err(format!("--store {value}: file, redis or postgres")),
                    }
                }
                "--faults" => {
                    options.faults = match value.as_str() {
                        "mixed" => Faults::Mixed,
                        "none" => Faults::None,
                        "pause" => Faults::Each(Fault::Pause),
                        "kill" => Faults::Each(Fault::Kill),
                        _ => return Err(format!("--faults {value}: mixed, none, pause or kill")),
                    }
                }
                "--processes" => options.processes = number(&name, &value, 1..=64)?,
                "--requests" => options.requests = number(&name, &value, 1..=1_000_000)?,
                "--generations" => options.generations = number(&name, &value, 1..=1_000_000)?,
                "--time-scale" => time_scale = Some(number(&name, &value, 0.001..=1.0)?),
                _ => return Err(format!("{name} is not known")),
            }
        }
        let usual = if options.faults == Faults::None { 1.0 } else { SCALE_WITH_FAULTS };
        options.time_scale = time_scale.unwrap_or(usual);
        Ok(options)
    }

    pub(crate) fn wait_out(&self) -> Duration {
        WAIT_OUT.mul_f64(self.time_scale)
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    value: &str,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{name} {value}: a number from {} to {}", range.start(), range.end()))
}
