//! How each API refuses.

use http::{HeaderMap, StatusCode};
use tower_salesforce_auth::refusal::Verdict::{
    Forbidden, MalformedRequest, NotAuth, OrgUnavailable, PasswordExpired, RateLimited, ReadOnlyMaintenance,
    SessionExpired, SessionNotPermitted, UnrecognisedRefusal, WrongHost,
};
use tower_salesforce_auth::refusal::{self, Head};

use crate::{BULK, DATA, EXPIRED, IDENTITY, NOT_PERMITTED, SOAP, USERINFO, classify, classify_with};

#[test]
fn f143_f144_shapes_of_a_dead_session_are_one_shape() {
    for body in [
        EXPIRED.to_owned(),
        r#"{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}"#.to_owned(),
        r#"{"errorCode":"INVALID_SESSION_ID"}"#.to_owned(),
        r#"{"message":"SESSION EXPIRED OR INVALID."}"#.to_owned(),
        r#"[{"errorCode":"INVALID_SESSION_ID","message":"Worded anew"}]"#.to_owned(),
        r#"[{"errorCode":"INVALID_SESSION_ID","message":null,"fields":[]}]"#.to_owned(),
        r#"[{"errorCode":"INVALID_SESSION_ID","message":["odd"]}]"#.to_owned(),
        r#"[{"errorCode":"NOT_FOUND","message":"x"},{"errorCode":"INVALID_SESSION_ID"}]"#.to_owned(),
        r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED"},{"errorCode":"INVALID_SESSION_ID"}]"#.to_owned(),
        format!("\u{feff}{EXPIRED}"),
        "\u{feff}[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"Worded anew\"}]".to_owned(),
        format!("\r\n\t {EXPIRED}\n"),
        format!("{EXPIRED}<!-- proxy -->"),
        EXPIRED.replace(',', " ,\n\t").replace(':', " : "),
        "<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode><message>Session expired or invalid</message></Error></Errors>".to_owned(),
        "<?xml version=\"1.0\"?><Errors><Error><message>Worded anew</message><errorCode>INVALID_SESSION_ID</errorCode></Error></Errors>".to_owned(),
        "Session expired or invalid".to_owned(),
        "[{\"message\":\"lone \\ud800\",\"errorCode\":\"INVALID_SESSION_ID\"}]".to_owned(),
        "[{'errorCode':'INVALID_SESSION_ID'}]".to_owned(),
    ] {
        assert_eq!(classify(401, DATA, &body), SessionExpired, "{body}");
        for content_type in ["text/html", "application/octet-stream", "application/json; charset=UTF-8"] {
            let verdict = classify_with(401, &[("content-type", content_type)], DATA, &body);
            assert_eq!(verdict, SessionExpired, "{content_type} {body}");
        }
    }
}

#[test]
fn f146_a_live_session_that_may_not_come_in_is_told_from_a_dead_one() {
    for body in [
        NOT_PERMITTED,
        r#"{"message":"This session is not valid for use with the REST API"}"#,
        r#"[{"errorCode":"INVALID_SESSION_ID","message":"this session is NOT VALID FOR USE WITH the api"}]"#,
        "<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode><message>This session is not valid for use with the REST API</message></Error></Errors>",
        r#"{"status":401,"path":"v6.0.0/agents/x/sessions","error":"UnauthorizedException","message":"Connected app is not attached to Agent","timestamp":1740073984584,"expected":false}"#,
        r#"[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]"#,
    ] {
        assert_eq!(classify(401, DATA, body), SessionNotPermitted, "{body}");
    }
}

#[test]
fn f147_f152_a_401_that_says_nothing_known_is_unrecognised() {
    for body in [
        "",
        " ",
        "Unauthorized",
        "<html><body><h1>401 Authorization Required</h1><p>Session expired or invalid</p></body></html>",
        "<!DOCTYPE html><html><head><title>Proxy</title></head></html>",
        "[]",
        "{}",
        "null",
        "[null]",
        "[[]]",
        "{\"error\":\"unauthorized\"}",
        "[{\"errorCode\":\"SOMETHING_NEW\",\"message\":\"x\"}]",
        "[{\"errorCode\":401}]",
        "[[{\"errorCode\":\"NESTED\"}]]",
        "{\"timestamp\":\"x\",\"error\":\"Unauthorized\",\"message\":\"Authorization header verification failed\",\"details\":{\"statusCode\":401}}",
        "\0\0\0\0",
    ] {
        assert_eq!(classify(401, DATA, body), UnrecognisedRefusal, "{body:?}");
    }
    assert_eq!(classify_with(401, &[("www-authenticate", "Token")], DATA, ""), UnrecognisedRefusal);
}

#[test]
fn f145_bulk_1_and_soap_refuse_in_their_own_way_on_their_own_paths() {
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
        <exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>";
    let json = r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#;
    for body in [xml, json] {
        assert_eq!(classify(400, BULK, body), SessionExpired);
        assert_eq!(classify(400, "/partners/services/async/65.0/job/750/batch", body), SessionExpired);
        assert_eq!(classify(401, BULK, body), SessionExpired);
        assert_eq!(classify(400, DATA, body), NotAuth);
        assert_eq!(classify(500, BULK, body), NotAuth);
    }
    for (fault, expected) in [
        ("Invalid Session ID found in SessionHeader: Illegal Session", SessionExpired),
        (
            "Illegal Session. Session not found, missing session hash: 0\nThis error usually occurs after",
            SessionExpired,
        ),
        ("Session timed out", SessionExpired),
        ("Worded anew", SessionExpired),
        ("This session is not valid for use with the API", SessionNotPermitted),
    ] {
        let body = format!(
            "<soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>\
             <faultstring>INVALID_SESSION_ID: {fault}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        );
        assert_eq!(classify(500, SOAP, &body), expected, "{fault}");
        assert_eq!(classify(500, "/SERVICES/soap/T/65.0", &body), expected, "{fault}");
        assert_eq!(classify(500, DATA, &body), NotAuth, "{fault}");
        assert_eq!(classify(200, SOAP, &body), NotAuth, "{fault}");
    }
    for (code, message, expected) in [
        ("soapenv:Client", "callout failed: INVALID_SESSION_ID Session expired or invalid", NotAuth),
        ("sf:INVALID_LOGIN", "Invalid username, password, security token; or user locked out.", NotAuth),
        (
            "UNKNOWN_EXCEPTION",
            "Destination URL not reset. The URL returned from login must be set",
            WrongHost,
        ),
        ("sf:API_DISABLED_FOR_ORG", "The SOAP API is not enabled", Forbidden),
        ("sf:INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "", ReadOnlyMaintenance),
    ] {
        let body = format!("<faultcode>{code}</faultcode><faultstring>{message}</faultstring>");
        assert_eq!(classify(500, SOAP, &body), expected, "{code}");
    }
}

#[test]
fn identity_refuses_in_plain_text() {
    for path in [USERINFO, IDENTITY, "/services/oauth2/singleaccess"] {
        for body in ["Bad_OAuth_Token", "bad_oauth_token\n", " Bad_OAuth_Token.", "Bad_OAuth_Token: expired"]
        {
            assert_eq!(classify(403, path, body), SessionExpired, "{path} {body}");
        }
        assert_eq!(classify(403, path, "Missing_OAuth_Token"), MalformedRequest);
        assert_eq!(classify(403, path, "Wrong_Org"), Forbidden);
        assert_eq!(classify(403, path, "<html>Bad_OAuth_Token</html>"), Forbidden);
        assert_eq!(classify(403, path, ""), Forbidden);
        assert_eq!(classify(401, path, ""), UnrecognisedRefusal);
        assert_eq!(classify(401, path, EXPIRED), SessionExpired);
        assert_eq!(classify(404, path, "Bad_Id"), NotAuth);
        assert_eq!(classify(404, path, "Bad_OAuth_Token"), NotAuth);
    }
    for path in [DATA, "/not/oauth2", "/idea", "/x/id/1/2"] {
        assert_eq!(classify(403, path, "Bad_OAuth_Token"), Forbidden, "{path}");
    }
    for path in ["/services/oauth2/token", "/services/oauth2/revoke", "/services/oauth2/introspect"] {
        for status in [400, 401, 403] {
            assert_eq!(classify(status, path, r#"{"error":"invalid_client"}"#), NotAuth, "{path} {status}");
        }
        assert_eq!(classify(420, path, "<html>"), OrgUnavailable);
    }
}

#[test]
fn f150_words_about_the_session_under_another_status_refresh_nothing() {
    for (status, expected) in
        [(400, NotAuth), (403, Forbidden), (404, NotAuth), (500, NotAuth), (503, OrgUnavailable)]
    {
        for body in [
            EXPIRED,
            NOT_PERMITTED,
            r#"{"message":"Session expired or invalid"}"#,
            "Session expired or invalid",
        ] {
            assert_eq!(classify(status, DATA, body), expected, "{status} {body}");
        }
    }
}

#[test]
fn known_codes_are_read_at_any_error_status() {
    for (code, expected) in [
        ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", ReadOnlyMaintenance),
        ("ORG_IN_MAINTENANCE", OrgUnavailable),
        ("SERVER_UNAVAILABLE", OrgUnavailable),
        ("REQUEST_LIMIT_EXCEEDED", RateLimited),
        ("API_DISABLED_FOR_ORG", Forbidden),
        ("API_CURRENTLY_DISABLED", Forbidden),
        ("CLIENT_NOT_ACCESSIBLE_FOR_USER", Forbidden),
        ("INVALID_AUTH_HEADER", MalformedRequest),
        ("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", PasswordExpired),
        ("URL_NOT_RESET", WrongHost),
    ] {
        for status in (400..600).filter(|status| StatusCode::from_u16(*status).is_ok()) {
            let body = format!("[{{\"errorCode\":\"{code}\",\"message\":\"any\"}}]");
            assert_eq!(classify(status, DATA, body), expected, "{status} {code}");
        }
    }
}

#[test]
fn a_status_speaks_where_the_body_does_not() {
    let edge: &[(&str, &str)] = &[("x-sfdc-edge-err", "true")];
    for (status, headers, expected) in [
        (400, &[][..], NotAuth),
        (403, &[], Forbidden),
        (404, &[], NotAuth),
        (420, &[], OrgUnavailable),
        (429, &[], RateLimited),
        (500, &[], NotAuth),
        (502, &[], NotAuth),
        (503, &[], OrgUnavailable),
        (502, edge, OrgUnavailable),
        (404, edge, NotAuth),
        (401, edge, UnrecognisedRefusal),
    ] {
        for body in ["", "<html></html>", "[{\"errorCode\":\"SOMETHING_NEW\"}]"] {
            assert_eq!(classify_with(status, headers, DATA, body), expected, "{status} {body}");
        }
    }
}

#[test]
fn below_400_only_the_way_to_a_login_page_is_a_refusal() {
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
        ("https://acme.my.salesforce.com/services/data/v65.0/", NotAuth),
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
        for (status, path) in
            [(200, DATA), (304, DATA), (302, "/apex/page"), (302, "/services/oauth2/authorize")]
        {
            assert_eq!(
                classify_with(status, &[("location", location)], path, ""),
                NotAuth,
                "{status} {path}"
            );
        }
    }
}
