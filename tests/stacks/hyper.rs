//! hyper-util's client: its type does not change, and the whole stack has a name.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_salesforce_auth::{PeekBody, SalesforceAuth, SalesforceAuthLayer, testing::FakeOrg};

use crate::{LIMITS, get, hyper_client, session};

/// What an application keeps: two parameters fewer than the type of the stack, and it can be cloned from anywhere.
type Salesforce = BoxCloneSyncService<Request<Full<Bytes>>, Response<PeekBody<Incoming>>, BoxError>;

struct Application {
    salesforce: Salesforce,
}

#[tokio::test]
async fn a_whole_stack_is_kept_under_an_erased_name_and_shared_by_tasks() {
    let org = FakeOrg::start().await.unwrap();
    let stack = ServiceBuilder::new()
        .timeout(Duration::from_secs(60))
        .load_shed()
        .layer(SalesforceAuthLayer::new(session(&org)))
        .concurrency_limit(20)
        .service(hyper_client());
    let application = Arc::new(Application { salesforce: BoxCloneSyncService::new(stack) });
    application.salesforce.clone().oneshot(get(LIMITS)).await.unwrap();
    org.expire_sessions();
    let tasks = (0..10).map(|_| {
        let application = Arc::clone(&application);
        tokio::spawn(
            async move { application.salesforce.clone().oneshot(get(LIMITS)).await.unwrap().status() },
        )
    });
    for status in join_all(tasks).await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(org.counters().token_requests, 2);
}

#[tokio::test]
async fn a_field_can_name_the_service_with_the_clients_own_type() {
    struct Named {
        salesforce: SalesforceAuth<Client<HttpConnector, Full<Bytes>>>,
    }
    let org = FakeOrg::start().await.unwrap();
    let named = Named { salesforce: SalesforceAuthLayer::new(session(&org)).layer(hyper_client()) };
    assert_eq!(named.salesforce.oneshot(get(LIMITS)).await.unwrap().status(), StatusCode::OK);
}
