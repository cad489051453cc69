//! Answers of hosts that are not the API: pages, and redirects to where it is.

use http::{HeaderMap, StatusCode};
use tower_salesforce_auth::refusal::Verdict::{
    Forbidden, NotAuth, OrgUnavailable, ReadOnlyMaintenance, SessionExpired, UnrecognisedRefusal, WrongHost,
};
use tower_salesforce_auth::refusal::{self, Head};

use crate::{DATA, EXPIRED, IDENTITY, SOAP, classify, classify_with};

#[test]
fn below_400_only_the_way_to_another_host_is_a_refusal() {
    let headers = HeaderMap::new();
    for status in 100..400 {
        assert_eq!(classify(status, DATA, EXPIRED), NotAuth, "{status}");
        let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, DATA);
        assert!(!refusal::is_candidate(head), "{status}");
    }
    for (location, expected) in [
        ("https://acme.my.salesforce.com/?ec=302&startURL=%2Fservices%2Fdata", WrongHost),
        ("/?ec=302&startURL=%2Fservices%2Fdata", WrongHost),
        ("https://login.salesforce.com/", WrongHost),
        ("https://LOGIN.salesforce.com/?x", WrongHost),
        ("https://test.salesforce.com", WrongHost),
        ("https://acme.lightning.force.com/lightning/page/home", WrongHost),
        ("https://acme.my.salesforce.com/secur/frontdoor.jsp?startURL=x", WrongHost),
        ("https://acme.my.site.com/s/login/?ec=302&startURL=%2Fx", WrongHost),
        // The org has moved: the same API, elsewhere.
        ("https://acme.my.salesforce.com/services/data/v65.0/", WrongHost),
        ("https://acme.my.salesforce.com/services/Soap/u/65.0", NotAuth),
        ("/services/data/v65.0/", NotAuth),
        ("https://evil.example/services/data/v65.0/", NotAuth),
        ("https://acme.my.salesforce.com.evil.example/services/data/v65.0/", NotAuth),
        ("https://a@acme.my.salesforce.com/services/data/v65.0/", NotAuth),
        ("https://acme.file.force.com/sfc/dist/version/download/", NotAuth),
        ("https://evil.example/login.salesforce.com", NotAuth),
        ("https://login.salesforce.com.evil.example/", NotAuth),
        ("/services/data/v65.0/?startURL=x", NotAuth),
        ("", NotAuth),
        ("not a uri", NotAuth),
    ] {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(classify_with(status, &[("location", location)], DATA, ""), expected, "{location}");
        }
        for (status, path) in [
            (200, DATA),
            (304, DATA),
            (302, "/apex/page"),
            (302, APEX_REST),
            (302, "/services/oauth2/authorize"),
        ] {
            assert_eq!(
                classify_with(status, &[("location", location)], path, ""),
                NotAuth,
                "{status} {path}"
            );
        }
    }
}

/// What an application's own class answers is its own, wherever it sends its callers.
const APEX_REST: &str = "/services/apexrest/orders";

#[test]
fn f135_a_redirect_within_the_host_that_was_asked_is_none_to_another() {
    let headers =
        |location: &str| HeaderMap::from_iter([(http::header::LOCATION, location.parse().unwrap())]);
    for (host, location, expected) in [
        ("acme.my.salesforce.com", "https://acme.my.salesforce.com/services/data/v65.0/", NotAuth),
        ("acme.my.salesforce.com", "https://ACME.my.salesforce.com:443/services/data/v65.0/", NotAuth),
        ("na1.salesforce.com", "https://acme.my.salesforce.com/services/data/v65.0/", WrongHost),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/services/data/v65.0/", WrongHost),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/services/data/v65.0/", NotAuth),
        ("na1.salesforce.com", "https://acme.file.force.com/sfc/dist/version/download/", NotAuth),
        ("acme.lightning.force.com", "https://acme.lightning.force.com/lightning/page/home", WrongHost),
    ] {
        for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::TEMPORARY_REDIRECT] {
            let headers = headers(location);
            let head = Head::new(status, &headers, DATA).from_host(host);
            assert_eq!(refusal::classify(head, b""), expected, "{host} {location}");
            assert_eq!(refusal::is_candidate(head), expected == WrongHost);
        }
    }
}

#[test]
fn data_cloud_refuses_in_json_and_with_a_login_page() {
    let json = r#"{"timestamp":"2021-01-08T11:53:29.668+0000","error":"Unauthorized","message":"Authorization header verification failed",
        "internalErrorCode":"COMMON_ERROR_GENERIC","details":{"status":"UNAUTHENTICATED: Invalid JWT (not before or expired)","statusCode":401}}"#;
    let page = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\">\n<html><head><script>if (this.SfdcApp) \
        SfdcApp.projectOneNavigator.handleRedirect('https://login.salesforce.com/?ec=302&startURL=%2Fservices%2Fa360');</script></head></html>";
    for path in ["/services/a360/token", "/api/v1/query", "/api/v2/query/x?limit=1"] {
        assert_eq!(classify(401, path, json), SessionExpired, "{path}");
        for (status, expected) in
            [(200, NotAuth), (401, SessionExpired), (403, SessionExpired), (404, NotAuth), (500, NotAuth)]
        {
            assert_eq!(classify(status, path, page), expected, "{path} {status}");
        }
    }
    // Where a dead session is told in JSON, the login page comes from another kind of host.
    for (status, expected) in [(200, NotAuth), (401, WrongHost), (403, WrongHost), (404, NotAuth)] {
        assert_eq!(classify(status, DATA, page), expected, "{status}");
    }
}

#[test]
fn f147_a_page_speaks_for_whoever_made_it() {
    let page = |words: &str| {
        format!("<!-- x -->\n<!DOCTYPE html><html><head><title>T</title></head><body>{words}</body></html>")
    };
    for (status, words, expected) in [
        (503, "", OrgUnavailable),
        (500, "We are down for maintenance. Sorry for the inconvenience.", OrgUnavailable),
        (502, "Bad gateway", NotAuth),
        (404, "We are setting things up&hellip;", OrgUnavailable),
        (403, "Updates can't be made during maintenance.", ReadOnlyMaintenance),
        // A site that has moved, or a proxy that does not say what it is; one that does is not the org's.
        (403, "", WrongHost),
        (403, "<h1>Access Denied</h1> Reference #18.2f4d", Forbidden),
        (403, "Your proxy does not allow this", Forbidden),
        (403, "<center><h1>403 Forbidden</h1></center><hr><center>nginx</center>", Forbidden),
        (403, "<h1>403 Forbidden</h1>", Forbidden),
        (403, "<h1>403 ERROR</h1> The request could not be satisfied.", Forbidden),
        (403, "<h1>Web Page Blocked</h1> FortiGuard", Forbidden),
        (403, "The requested URL was rejected. Please consult with your administrator.", Forbidden),
        (403, "Internet Security by Zscaler", Forbidden),
        (401, "Session expired or invalid", UnrecognisedRefusal),
        (401, "<h1>401 Authorization Required</h1>", UnrecognisedRefusal),
        (404, "URL No Longer Exists", NotAuth),
        (405, "<h1>Error 405 Only POST allowed</h1>", WrongHost),
        (405, "Method not allowed", NotAuth),
        (400, "Destination URL not reset", WrongHost),
    ] {
        for content_type in ["text/html; charset=UTF-8", "application/json"] {
            let verdict = classify_with(status, &[("content-type", content_type)], DATA, page(words));
            assert_eq!(verdict, expected, "{status} {words}");
        }
    }
    assert_eq!(classify(405, SOAP, page("Only POST allowed")), NotAuth, "the answer to a GET");
    // Where pages are at home, a 403 is what it says.
    for path in ["/apex/Orders", IDENTITY, "/cometd/65.0"] {
        assert_eq!(classify(403, path, page("")), Forbidden, "{path}");
    }
}
