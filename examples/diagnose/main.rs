//! Why was my request refused? `cargo run --example diagnose` plays every way in which an org refuses a session, on
//! loopback, and prints what the layer makes of it. `-- --json` prints one JSON object a scenario.
//!
//! With `SF_CLIENT_ID` and `SF_REFRESH_TOKEN` set it asks a real org instead; `-- --help` lists the variables.

mod scenarios;
mod stage;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use tower_salesforce_auth::{
    BoxError, Diagnosis, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::FileStore,
};

use self::stage::{Played, Scenario};

const USAGE: &str = "\
usage: cargo run --example diagnose [-- --json]
  plays every scenario against an org on loopback
usage: SF_CLIENT_ID=<consumer key> SF_REFRESH_TOKEN=<token> cargo run --example diagnose [-- --json]
  asks a real org
  SF_REFRESH_TOKEN  where the connection begins; later runs go on with the newer one in the store
  SF_CLIENT_SECRET  consumer secret, for a confidential client
  SF_LOGIN_HOST     production (default), sandbox, or your My Domain, such as acme.my.salesforce.com
  SF_STORE          directory of the token store (default: tokens)";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let json = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--json"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match env::var("SF_CLIENT_ID") {
        Ok(client_id) => ask(client_id, json).await,
        Err(_) => play(json).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read along has read enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn play(json: bool) -> Result<(), BoxError> {
    let scenarios = scenarios::all();
    let out = &mut io::stdout();
    if !json {
        writeln!(
            out,
            "{} ways in which a request to Salesforce is refused, each played against an org on loopback. What happens\n\
             and what is really the matter is told first; the layer knows only the answers, and draws the rest from them.",
            scenarios.len()
        )?;
    }
    for scenario in &scenarios {
        let played = scenario.play().await?;
        if json {
            writeln!(out, "{}", object(scenario, &played))?;
        } else {
            tell(out, scenario, &played)?;
        }
    }
    Ok(())
}

fn tell(out: &mut dyn Write, scenario: &Scenario, played: &Played) -> io::Result<()> {
    writeln!(out, "\n=== {}", scenario.name)?;
    line(out, "what happens", &played.story.join("; "))?;
    let answered_alike =
        if scenario.decided { "" } else { " (which Salesforce does not tell from other causes)" };
    line(out, "really", &format!("{}{answered_alike}", scenario.truth))?;
    print_diagnosis(out, &played.diagnosis)?;
    let Played { sends, token_requests, .. } = played;
    let enough = scenario.token_requests;
    line(
        out,
        "cost",
        &format!("sends of one call: {sends}; token requests in all: {token_requests}, of {enough} allowed"),
    )
}

/// The parts of a diagnosis, one a line. As one paragraph, for a log or a support case, it prints itself.
fn print_diagnosis(out: &mut dyn Write, diagnosis: &Diagnosis) -> io::Result<()> {
    let said: Vec<&str> = [diagnosis.code(), diagnosis.message()].into_iter().flatten().collect();
    if !said.is_empty() {
        line(out, "the answer says", &said.join(": "))?;
    }
    line(out, "what was done", &diagnosis.outcome().to_string())?;
    let causes = diagnosis.causes();
    let Some((first, others)) = causes.split_first() else {
        return line(out, "diagnosis", "nothing is the matter");
    };
    line(out, "likeliest cause", &format!("{} ({} confidence)", first.cause, first.confidence))?;
    let because: Vec<String> = first.because.iter().map(ToString::to_string).collect();
    line(out, "because", &because.join("; "))?;
    let others: Vec<String> =
        others.iter().map(|other| format!("{} ({})", other.cause, other.confidence)).collect();
    if !others.is_empty() {
        line(out, "also possible", &others.join("; "))?;
    }
    let advice = first.cause.advice();
    line(out, "the app's owner", advice.owner)?;
    let place = advice.setup.map(|setup| format!(" ({setup})")).unwrap_or_default();
    line(out, "the org's admin", &format!("{}{place}", advice.admin))?;
    if let Some(wait) = diagnosis.retry_after() {
        line(out, "try again", &format!("in {} s", wait.as_secs_f64().ceil()))?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{name:>15}: {}", wrapped(text))
}

/// `text` in lines of a readable length, behind a margin.
fn wrapped(text: &str) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        if length + word.len() > 100 {
            out.push_str("\n                 ");
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += word.len();
    }
    out
}

fn object(scenario: &Scenario, played: &Played) -> serde_json::Value {
    let causes: Vec<_> = played
        .diagnosis
        .causes()
        .into_iter()
        .map(|ranked| {
            serde_json::json!({ "cause": ranked.cause.code(), "confidence": ranked.confidence.to_string() })
        })
        .collect();
    serde_json::json!({
        "scenario": scenario.name,
        "truth": scenario.truth.code(),
        "causes": causes,
        "sends": played.sends,
        "token_requests": played.token_requests,
    })
}

async fn ask(client_id: String, json: bool) -> Result<(), BoxError> {
    let refresh_token =
        env::var("SF_REFRESH_TOKEN").map_err(|_| format!("SF_REFRESH_TOKEN is not set\n{USAGE}"))?;
    let client = match env::var("SF_CLIENT_SECRET") {
        Ok(secret) => Client::confidential(client_id, secret),
        Err(_) => Client::public(client_id),
    };
    let host = match env::var("SF_LOGIN_HOST").as_deref() {
        Err(_) | Ok("production") => LoginHost::Production,
        Ok("sandbox") => LoginHost::Sandbox,
        Ok(my_domain) => LoginHost::my_domain(my_domain),
    };
    let directory = env::var("SF_STORE").unwrap_or_else(|_| "tokens".into());
    let session = Session::builder("example", RefreshToken::new(client, host, refresh_token))
        .store(FileStore::open(directory)?)
        .build()?;
    let diagnosis = session.diagnose().allow_token_request().await;
    if json {
        println!("{}", diagnosis.to_json());
    } else {
        print_diagnosis(&mut io::stdout(), &diagnosis)?;
    }
    session.close(std::time::Duration::from_secs(20)).await?;
    Ok(())
}
