//! A real org: `SF_CLIENT_ID=… SF_REFRESH_TOKEN=… cargo run --example hyper_client`.
//!
//! | variable | meaning |
//! |---|---|
//! | `SF_CLIENT_ID` | the app's consumer key |
//! | `SF_CLIENT_SECRET` | its consumer secret, for a confidential client |
//! | `SF_REFRESH_TOKEN` | a refresh token; needed for the first run only, then the store has a newer one |
//! | `SF_LOGIN_HOST` | `production` (default), `sandbox`, or the org's My Domain |
//! | `SF_STORE` | the directory of the token store, `tokens` unless given |
//! | `SF_PATH` | what to get, `/services/data/v65.0/limits` unless given |

use std::{env, time::Duration};

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

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let variable =
        |name: &str| env::var(name).map_err(|_| format!("set {name}, see the head of this example"));
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
    let response = salesforce.oneshot(Request::get(path).body(Full::default())?).await?;
    println!("{}", response.status());
    if let Some(diagnosis) = Diagnosis::of(&response) {
        eprintln!("{diagnosis}");
    }
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    session.close(Duration::from_secs(20)).await?;
    Ok(())
}
