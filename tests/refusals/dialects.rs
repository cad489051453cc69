//! How each API refuses.

use http::StatusCode;
use tower_salesforce_auth::refusal::Verdict::{
    Forbidden, MalformedRequest, NotAuth, OrgUnavailable, PasswordExpired, RateLimited, ReadOnlyMaintenance,
    SessionExpired, SessionNotPermitted, TokenFormat, UnrecognisedRefusal, WrongHost,
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
        "INVALID_SESSION_ID".to_owned(),
        "{\"message\":\"INVALID_SESSION_ID: worded anew\"}".to_owned(),
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
        "{\"timestamp\":\"2021-01-08\",\"status\":401,\"error\":\"Unauthorized\",\"path\":\"/api/v1/query\"}",
        "{\"errorcode\":0,\"message\":\"Not Authorized\",\"documentation\":\"https://developer.salesforce.com/docs\"}",
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
        ("sf:INVALID_LOGIN", "Invalid username, password, security token; or user locked out.", Forbidden),
        ("LOGIN_MUST_USE_SECURITY_TOKEN", "LOGIN_MUST_USE_SECURITY_TOKEN: Invalid username", Forbidden),
        ("sf:REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", RateLimited),
        ("sf:SERVER_UNAVAILABLE", "server temporarily unavailable", OrgUnavailable),
        ("fns:INVALID_SESSION_ID", "INVALID_SESSION_ID: Illegal Session", SessionExpired),
        ("soapenv:INVALID_SESSION_ID", "&quot;Illegal&#32;Session&quot;", SessionExpired),
        ("soapenv:Server", "INVALID_SESSION_ID: Illegal Session", NotAuth),
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
        for body in ["", "Something new", "<a></a>", "[{\"errorCode\":\"SOMETHING_NEW\"}]"] {
            assert_eq!(classify_with(status, headers, DATA, body), expected, "{status} {body}");
        }
        if status != 403 {
            assert_eq!(classify_with(status, headers, DATA, "<html></html>"), expected, "{status}");
        }
    }
}

#[test]
fn f145_soap_1_2_and_json_under_a_soap_path_are_understood() {
    let fault = "<env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\"><env:Body><env:Fault>\
        <env:Code><env:Value>env:Sender</env:Value><env:Subcode><env:Value>sf:INVALID_SESSION_ID</env:Value></env:Subcode></env:Code>\
        <env:Reason><env:Text xml:lang=\"en\">Illegal Session</env:Text></env:Reason></env:Fault></env:Body></env:Envelope>";
    for status in [400, 500] {
        assert_eq!(classify(status, SOAP, fault), SessionExpired);
        assert_eq!(classify(status, "/services/Soap/class/Orders", fault), SessionExpired);
    }
    assert_eq!(classify(401, SOAP, EXPIRED), SessionExpired);
}

#[test]
fn the_agent_api_answers_nothing_at_all_to_a_token_of_the_other_format() {
    let path = "/einstein/ai-agent/v1/agents/0XxR0000000KvItMAK/sessions";
    assert_eq!(classify(404, path, ""), TokenFormat);
    assert_eq!(classify(404, path, "\r\n"), TokenFormat);
    assert_eq!(classify(404, path, r#"{"status":404,"error":"NotFoundException","message":"x"}"#), NotAuth);
    assert_eq!(classify_with(404, &[("content-encoding", "gzip")], path, ""), NotAuth);
    assert_eq!(classify(404, DATA, ""), NotAuth, "HEAD of a record that is not there");
    assert_eq!(classify(401, path, ""), UnrecognisedRefusal);
}

#[test]
fn account_engagement_refuses_in_words_without_a_code_of_its_own() {
    for body in [
        r#"{"@attributes":{"stat":"fail","version":1,"err_code":184},"err":"Invalid access token"}"#,
        r#"{"code":184,"message":"access_token is invalid, unknown, or malformed: Inactive token"}"#,
        "<rsp stat=\"fail\" version=\"1.0\"><err code=\"184\">access_token is invalid, unknown, or malformed</err></rsp>",
    ] {
        assert_eq!(classify(401, "/api/v5/objects/prospects", body), SessionExpired, "{body}");
    }
    let unit = r#"{"code":181,"message":"A required header is missing: Pardot-Business-Unit-Id header not found on request."}"#;
    assert_eq!(classify(400, "/api/v5/objects/prospects", unit), NotAuth);
}

#[test]
fn an_answer_may_say_how_long_to_wait() {
    let wait = |status: u16, headers: &[(&'static str, &str)]| {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, DATA);
        refusal::read(head, b"").retry_after.map(|wait| wait.as_secs())
    };
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (status, headers, expected) in [
        (429, &[("retry-after", "7")][..], Some(7)),
        (503, &[("retry-after", "0")], Some(0)),
        (503, &[("retry-after", "99999999999999999999")], Some(24 * 60 * 60)),
        (503, &[("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT"), ("date", date)], Some(120)),
        (503, &[("retry-after", date), ("date", "Sun, 06 Nov 1994 08:51:37 GMT")], Some(0)),
        (503, &[("retry-after", date)], None),
        (503, &[("retry-after", "soon")], None),
        (503, &[], None),
        // Of what is no refusal nothing is noted.
        (500, &[("retry-after", "7")], None),
        (200, &[("retry-after", "7")], None),
    ] {
        assert_eq!(wait(status, headers), expected, "{status} {headers:?}");
    }
}

#[test]
fn what_differs_in_a_detail_means_the_same() {
    for (status, body, expected) in [
        (
            401,
            "[{\"ERRORCODE\":\"invalid_session_id\",\"Message\":\"Session expired or invalid\"}]",
            SessionExpired,
        ),
        (
            401,
            "{\"errors\":[{\"message\":\"Session expired or invalid\",\"errorCode\":\"INVALID_SESSION_ID\"}]}",
            SessionExpired,
        ),
        (
            401,
            "{\"error\":\"invalid_token\",\"error_description\":\"The token has expired\"}",
            SessionExpired,
        ),
        (
            401,
            "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"This session is not valid for use with the API (error 7)\"}]",
            SessionNotPermitted,
        ),
        (
            401,
            "[{\"errorCode\":\"INVALID_AUTH_HEADER\",\"message\":\"INVALID_JWT_FORMAT\"}]",
            MalformedRequest,
        ),
        (
            403,
            "[{\"errorCode\":\"INVALID_OPERATION_WITH_EXPIRED_PASSWORD\",\"message\":\"\"}]",
            PasswordExpired,
        ),
        (
            403,
            "{\"message\":\"The users password has expired, you must call SetPassword before\"}",
            PasswordExpired,
        ),
        (
            403,
            "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"ConcurrentRequests (Concurrent API Requests) Limit exceeded.\"}]",
            RateLimited,
        ),
        (
            403,
            "<Errors><Error><errorCode>REQUEST_LIMIT_EXCEEDED</errorCode><message>TotalRequests Limit exceeded.</message></Error></Errors>",
            RateLimited,
        ),
        (403, "[{\"errorCode\":\"OAUTH_APPROVAL_ERROR_GENERIC\",\"message\":\"x\"}]", Forbidden),
        (400, "[{\"errorCode\":\"TXN_SECURITY_NO_ACCESS\",\"message\":\"x\"}]", Forbidden),
        (
            500,
            "[{\"errorCode\":\"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE\",\"message\":\"\"}]",
            ReadOnlyMaintenance,
        ),
        (
            503,
            "[{\"message\":\"Updates can't be made during maintenance. Try again when maintenance is complete.\"}]",
            ReadOnlyMaintenance,
        ),
        (
            400,
            "{\"message\":\"UNKNOWN_EXCEPTION: Destination URL not reset. The URL returned from login must be set\"}",
            WrongHost,
        ),
    ] {
        for body in [body.to_owned(), format!("\u{feff}{body}"), format!("\n\n{body}\n")] {
            for path in [DATA, "/services/data/v20.0/chatter/users/me", "/partners/services/apexrest/orders"]
            {
                assert_eq!(classify(status, path, &body), expected, "{status} {body}");
            }
        }
    }
}
