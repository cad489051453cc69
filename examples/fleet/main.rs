//! Many processes share one session, with rotation: `cargo run --example fleet -- --store file --processes 8 --requests 2000`.
//!
//! An org on loopback lets its session expire again and again, while real processes send requests to it. Some are
//! stopped and some are killed on the way (`--faults none` spares them). The table tells what became of the one refresh
//! token that they all share. `--store redis` and `--store postgres` start a server of their own, if its programs are
//! installed. `-- --json` prints the figures as one object, last.

#[cfg(unix)]
mod fleet;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod stores;
#[cfg(unix)]
mod worker;

use std::process::ExitCode;

#[cfg(unix)]
#[tokio::main]
async fn main() -> ExitCode {
    if let Some(job) = worker::job() {
        return worker::run(job).await;
    }
    let options = match options::Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match fleet::run(&options).await {
        Ok(report) => {
            report.print(&options);
            if report.is_sound(&options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("this example stops processes by signals, which this platform does not have");
    ExitCode::FAILURE
}
