//! A real org, configured by environment variables: `cargo run --example hyper_client` without any lists them.

use std::{env, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_salesforce_auth::{
    BoxError, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::FileStore,
};

const USAGE: &str = "\
usage: SF_CLIENT_ID=<consumer key> SF_REFRESH_TOKEN=<token> cargo run --example hyper_client
  SF_REFRESH_TOKEN  where the connection begins; later runs go on with the newer one in the store
  SF_CLIENT_SECRET  consumer secret, for a confidential client
  SF_LOGIN_HOST     production (default), sandbox, or your My Domain, such as acme.my.salesforce.com
  SF_STORE          directory of the token store (default: tokens)
  SF_PATH           what to get (default: /services/data/v65.0/limits)
Without an org at hand: cargo run --example quickstart";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set\n{USAGE}"));
    let client_id = variable("SF_CLIENT_ID")?;
    let client = match env::var("SF_CLIENT_SECRET") {
        Ok(secret) => Client::confidential(client_id, secret),
        Err(_) => Client::public(client_id),
    };
    let host = match env::var("SF_LOGIN_HOST").as_deref() {
        Err(_) | Ok("production") => LoginHost::Production,
        Ok("sandbox") => LoginHost::Sandbox,
        Ok(my_domain) => LoginHost::my_domain(my_domain),
    };
    let grant = RefreshToken::new(client, host, variable("SF_REFRESH_TOKEN")?);
    let directory = env::var("SF_STORE").unwrap_or_else(|_| "tokens".into());
    let session = Session::builder("example", grant).store(FileStore::open(directory)?).build()?;

    let https =
        HttpsConnectorBuilder::new().with_webpki_roots().https_only().enable_http1().enable_http2().build();
    let hyper = HyperClient::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
    let salesforce = ServiceBuilder::new()
        .timeout(Duration::from_secs(30))
        .layer(SalesforceAuthLayer::new(session.clone()))
        .concurrency_limit(20)
        .service(hyper);

    let path = env::var("SF_PATH").unwrap_or_else(|_| "/services/data/v65.0/limits".into());
    let result = salesforce.oneshot(Request::get(path).body(Full::default())?).await;
    // Of an answer that refuses, and of an error of the session.
    if let Some(diagnosis) = Diagnosis::of_result(&result) {
        eprintln!("{diagnosis}");
    }
    let response = result?;
    println!("{}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    session.close(Duration::from_secs(20)).await?;
    Ok(())
}
