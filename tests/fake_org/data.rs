//! The REST data API.

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::json;
use tower_salesforce_auth::testing::FakeOrg;

use crate::client::{both, get};

#[tokio::test]
async fn versions_need_no_session_and_limits_do() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let request = Request::get(format!("{}/services/data", org.url())).body(Full::default()).unwrap();
        let versions = client.send(request).await.json();
        let newest = versions.as_array().unwrap().last().unwrap();
        assert_eq!(newest["url"], "/services/data/v65.0");
        let limits = client.limits(&org, &org.issue_access_token()).await;
        assert_eq!(limits.json()["DailyApiRequests"]["Max"], 15_000);
        assert_eq!(limits.header("sforce-limit-info"), Some("api-usage=2/15000"));
    }
}

#[tokio::test]
async fn the_resources_of_a_version_need_a_session() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        for slash in ["", "/"] {
            let url = format!("{}/services/data/v64.0{slash}", org.url());
            let resources = client.get(&url, &token).await;
            assert_eq!(resources.status, 200);
            assert_eq!(resources.text("limits"), "/services/data/v64.0/limits");
            assert_eq!(client.get(&url, "dead").await.rest_error(), (401, "INVALID_SESSION_ID".into()));
        }
    }
}

#[tokio::test]
async fn a_query_is_read_page_by_page() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        let query = format!("{}/services/data/v65.0/query?q=SELECT+Id+FROM+Account", org.url());
        let first = client.get(&query, &token).await.json();
        assert_eq!((&first["totalSize"], &first["done"]), (&2_500.into(), &false.into()));
        let next = first["nextRecordsUrl"].as_str().unwrap();
        assert!(next.starts_with("/services/data/v65.0/query/01g") && next.ends_with("-2000"), "{next}");
        let second = client.get(&format!("{}{next}", org.url()), &token).await.json();
        assert_eq!((&second["done"], second.get("nextRecordsUrl")), (&true.into(), None));
        let ids: std::collections::HashSet<_> = [&first, &second]
            .iter()
            .flat_map(|page| page["records"].as_array().unwrap())
            .map(|record| record["Id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 2_500);

        let beyond = client.get(&format!("{}{}", org.url(), next.replace("-2000", "-9000")), &token).await;
        assert_eq!(beyond.rest_error(), (400, "INVALID_QUERY_LOCATOR".into()));
    }
}

#[tokio::test]
async fn a_query_obeys_batch_size_limit_and_count() {
    for client in both() {
        let org = FakeOrg::builder().accounts(450).start().await.unwrap();
        let token = org.issue_access_token();
        let url = |soql: &str| format!("{}/services/data/v65.0/query?q={soql}", org.url());
        let mut request = get(&url("select%20Id%20from%20Account"), &token);
        request.headers_mut().insert("sforce-query-options", "batchSize=200".parse().unwrap());
        let first = client.send(request).await;
        let mut sizes = vec![first.json()["records"].as_array().unwrap().len()];
        let mut next = first.json()["nextRecordsUrl"].as_str().map(str::to_owned);
        while let Some(url) = next {
            let page = client.get(&format!("{}{url}", org.url()), &token).await.json();
            sizes.push(page["records"].as_array().unwrap().len());
            next = page["nextRecordsUrl"].as_str().map(str::to_owned);
        }
        assert_eq!(sizes, [200, 200, 50]);
        let limited = client.get(&url("SELECT+Id+FROM+Account+LIMIT+3"), &token).await.json();
        assert_eq!(limited["records"].as_array().unwrap().len(), 3);
        let count = client.get(&url("SELECT+COUNT()+FROM+Account"), &token).await.json();
        assert_eq!(count, json!({ "totalSize": 450, "done": true, "records": [] }));
        assert_eq!(client.get(&url("SELECT+Id"), &token).await.rest_error(), (400, "MALFORMED_QUERY".into()));
    }
}

#[tokio::test]
async fn what_is_created_can_be_read_and_queried() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        let url = format!("{}/services/data/v65.0/sobjects/Contact", org.url());
        let create = |body: &'static str| {
            Request::post(&url)
                .header(AUTHORIZATION, format!("Bearer {token}"))
                .body(Full::new(Bytes::from_static(body.as_bytes())))
                .unwrap()
        };
        let created = client.send(create(r#"{"LastName":"Doe"}"#)).await;
        assert_eq!(created.status, 201);
        let id = created.text("id");
        assert_eq!(created.json(), json!({ "id": id, "success": true, "errors": [] }));
        assert_eq!((id.len(), &id[..3]), (18, "003"));
        for id in [&id[..], &id[..15]] {
            assert_eq!(client.get(&format!("{url}/{id}"), &token).await.text("LastName"), "Doe");
        }
        let query = format!("{}/services/data/v65.0/query?q=SELECT+Id+FROM+Contact", org.url());
        assert_eq!(client.get(&query, &token).await.json()["records"][0]["Id"], id);

        let missing = client.get(&format!("{url}/003xx0000000000AAA"), &token).await;
        assert_eq!(missing.rest_error(), (404, "NOT_FOUND".into()));
        assert_eq!(client.send(create("[]")).await.rest_error(), (400, "JSON_PARSER_ERROR".into()));
        assert_eq!(client.get(&url, &token).await.rest_error(), (405, "METHOD_NOT_ALLOWED".into()));
        let unknown = client.get(&format!("{}/services/data/v65/limits", org.url()), &token).await;
        assert_eq!(unknown.rest_error(), (404, "NOT_FOUND".into()));
    }
}

#[tokio::test]
async fn the_echo_tells_every_byte_that_arrived() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let target = "/services/apexrest/echo//a/%2e%2e/;b?q=%41&";
        let body: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&body);
        let request = Request::put(format!("{}{target}", org.url()))
            .header(AUTHORIZATION, format!("Bearer {}", org.issue_access_token()))
            .header("content-type", "application/octet-stream")
            .body(Full::from(body))
            .unwrap();
        let echo = client.send(request).await.json();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            echo,
            json!({
                "method": "PUT", "target": target, "content_type": "application/octet-stream",
                "length": 3_000_000, "sha256": hex,
            })
        );
    }
}
