use http::{HeaderName, StatusCode, header::DATE};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::*;
use crate::token_endpoint::in_memory::{Reply, endpoint, endpoint_at, field, http_date};

const PKCS8: &[u8] = include_bytes!("../../../tests/fixtures/test-only-keys/rsa-2048.pkcs8.pem");
const PKCS1: &[u8] = include_bytes!("../../../tests/fixtures/test-only-keys/rsa-2048.pkcs1.pem");
const GRANTED: &str = r#"{"access_token":"00Dxx!new"}"#;

fn grant() -> JwtBearer {
    JwtBearer::from_pem("3MVG9", "user@acme.example", LoginHost::Production, PKCS8).unwrap()
}

/// Header, claims, signing input and signature of the assertion in `body`.
fn assertion(body: &str) -> (Value, Value, String, Vec<u8>) {
    let assertion = field(body, "assertion").unwrap();
    let (input, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let decode = |part| BASE64URL.decode(part).unwrap();
    (
        serde_json::from_slice(&decode(header)).unwrap(),
        serde_json::from_slice(&decode(claims)).unwrap(),
        input.to_owned(),
        decode(signature),
    )
}

/// What the grant's one request said, for a login at `host`.
async fn claims(grant: JwtBearer, host: LoginHost) -> Value {
    let (endpoint, requests) = endpoint_at(host, |_| Reply::ok(GRANTED));
    grant.exchange(&endpoint, None).await.unwrap();
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    assertion(&requests[0].body).1
}

#[tokio::test]
async fn s33_an_assertion_is_signed_with_rs256_and_says_who_for_whom_where_and_until_when() {
    for pem in [PKCS8, PKCS1] {
        let grant =
            JwtBearer::from_pem("3MVG9", "o'neil \"x\"@acme.example", LoginHost::Production, pem).unwrap();
        let (endpoint, requests) = endpoint(Reply::ok(GRANTED));
        let before = clock::wall().as_secs();
        grant.exchange(&endpoint, None).await.unwrap();
        let after = clock::wall().as_secs();

        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        let body = &requests[0].body;
        assert!(
            body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        );
        assert_eq!(body.matches('&').count(), 1);
        let (header, claims, input, signature) = assertion(body);
        assert_eq!(header, serde_json::json!({"alg": "RS256", "typ": "JWT"}));
        let exp = claims["exp"].as_u64().unwrap();
        assert!((before + 120..=after + 120).contains(&exp), "{exp}");
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "3MVG9", "sub": "o'neil \"x\"@acme.example", "aud": "https://login.salesforce.com", "exp": exp
            })
        );
        let key = ring::rsa::KeyPair::from_der(
            rustls_pki_types::PrivatePkcs1KeyDer::from_pem_slice(PKCS1).unwrap().secret_pkcs1_der(),
        )
        .unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(input.as_bytes(), &signature)
            .unwrap();
    }
}

#[tokio::test]
async fn the_audience_is_the_login_host_unless_another_is_named() {
    for (host, audience) in [
        (LoginHost::Production, "https://login.salesforce.com"),
        (LoginHost::Sandbox, "https://test.salesforce.com"),
        (LoginHost::my_domain("acme.my.salesforce.com"), "https://acme.my.salesforce.com"),
        (LoginHost::experience_cloud("acme.my.site.com/customers/"), "https://acme.my.site.com/customers"),
    ] {
        assert_eq!(claims(grant(), host.clone()).await["aud"], audience);
        assert_eq!(
            claims(grant().audience("https://other.example"), host).await["aud"],
            "https://other.example"
        );
    }
}

#[tokio::test]
async fn f089_a_lifetime_stays_within_three_minutes() {
    for (asked, seconds) in [(0, 15), (60, 60), (180, 180), (3_600, 180)] {
        let before = clock::wall().as_secs();
        let claims = claims(grant().lifetime(Duration::from_secs(asked)), LoginHost::Production).await;
        let life = claims["exp"].as_u64().unwrap() - before;
        assert!((seconds..=seconds + 1).contains(&life), "{asked}: {life}");
    }
}

/// Long ago by the server's clock.
const OLD: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const OLD_SECONDS: u64 = 946_684_800;

#[tokio::test]
async fn f089_a_refused_assertion_is_repeated_once_by_the_servers_clock() {
    let refused =
        Reply::refused(r#"{"error":"invalid_grant","error_description":"expired authorization code"}"#)
            .header(DATE, OLD);
    let answer = refused.clone();
    let (healed, requests) =
        endpoint_at(LoginHost::Production, move |n| if n == 0 { answer.clone() } else { Reply::ok(GRANTED) });
    assert!(grant().exchange(&healed, None).await.is_ok());
    {
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(assertion(&requests[1].body).1["exp"], OLD_SECONDS + 120);
    }

    let (hopeless, requests) = endpoint(refused);
    let error = grant().exchange(&hopeless, None).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::OperatorMustAct);
    assert_eq!(error.hint(), Some("check this machine's clock"));
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn f089_nothing_is_repeated_when_the_clock_is_not_the_reason() {
    let no_date: &[(HeaderName, &str)] = &[];
    for (status, body, headers) in [
        (400, r#"{"error":"invalid_grant","error_description":"expired authorization code"}"#, no_date),
        (400, r#"{"error":"invalid_client"}"#, &[(DATE, OLD)]),
        (400, r#"{"error":"invalid_grant","error_description":"login rate exceeded"}"#, &[(DATE, OLD)]),
        (503, "", &[(DATE, OLD)]),
        (500, r#"{"error":"invalid_grant"}"#, &[(DATE, OLD)]),
    ] {
        let reply = headers
            .iter()
            .fold(Reply::new(StatusCode::from_u16(status).unwrap(), body), |reply, (name, value)| {
                reply.header(name.clone(), value)
            });
        let (endpoint, requests) = endpoint(reply);
        assert!(grant().exchange(&endpoint, None).await.is_err());
        assert_eq!(requests.lock().unwrap().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn f089_a_clock_that_is_nearly_right_is_not_the_reason() {
    for (off, sent) in [(-90, 2), (-40, 1), (0, 1), (40, 1), (90, 2)] {
        let server_time = Duration::from_secs(clock::wall().as_secs().saturating_add_signed(off));
        let (endpoint, requests) =
            endpoint(Reply::refused(r#"{"error":"invalid_grant"}"#).header(DATE, &http_date(server_time)));
        assert!(grant().exchange(&endpoint, None).await.is_err());
        assert_eq!(requests.lock().unwrap().len(), sent, "{off}");
    }
}

/// A signer outside of the process.
struct Kms(Result<&'static [u8], &'static str>);

impl Signer for Kms {
    async fn sign(&self, signing_input: &[u8]) -> Result<Vec<u8>, BoxError> {
        assert_eq!(signing_input.iter().filter(|byte| **byte == b'.').count(), 1);
        tokio::task::yield_now().await;
        Ok(self.0?.to_vec())
    }
}

#[tokio::test]
async fn a_signer_of_ones_own_signs_the_assertion() {
    let grant =
        JwtBearer::with_signer("3MVG9", "user", LoginHost::Production, Kms(Ok(b"\xff\xfe signature")));
    let (endpoint, requests) = endpoint(Reply::ok(GRANTED));
    grant.exchange(&endpoint, None).await.unwrap();
    assert_eq!(assertion(&requests.lock().unwrap()[0].body).3, b"\xff\xfe signature");
}

#[tokio::test]
async fn a_signer_that_fails_sends_nothing() {
    let grant =
        JwtBearer::with_signer("3MVG9", "user", LoginHost::Production, Kms(Err("the key is disabled")));
    let (endpoint, requests) = endpoint(Reply::ok(GRANTED));
    let error = grant.exchange(&endpoint, None).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Grant);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the key is disabled");
    assert!(requests.lock().unwrap().is_empty());
}

#[test]
fn malformed_keys_are_told_apart_and_not_shown() {
    macro_rules! key {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/test-only-keys/", $name)).to_owned()
        };
    }
    let pkcs8 = key!("rsa-2048.pkcs8.pem");
    let lines: Vec<_> = pkcs8.lines().collect();
    let secret = lines[1];
    for (pem, error) in [
        (String::new(), KeyError::NotPem),
        ("/etc/keys/salesforce.pem".to_owned(), KeyError::NotPem),
        (lines[1..lines.len() - 1].join("\n"), KeyError::NotPem),
        (pkcs8.replace('\n', "\\n"), KeyError::EscapedLineBreaks),
        (pkcs8.replace('\n', " "), KeyError::Damaged),
        (lines[..lines.len() - 1].join("\n"), KeyError::Damaged),
        (pkcs8.replace("-----BEGIN PRIVATE KEY-----", &format!("-----BEGIN {secret}")), KeyError::Damaged),
        (pkcs8.replacen(secret, &format!("{}*", &secret[1..]), 1), KeyError::Damaged),
        (lines[..5].join("\n") + "\n-----END PRIVATE KEY-----\n", KeyError::Damaged),
        (pkcs8.replacen(secret, &secret.replace(&secret[4..8], "AAAA"), 1), KeyError::Damaged),
        (key!("rsa-2048.encrypted.pem"), KeyError::Encrypted),
        (key!("rsa-2048.encrypted-pkcs1.pem"), KeyError::Encrypted),
        (key!("rsa-2048.public.pem"), KeyError::NoPrivateKey),
        (key!("ec-p256.pkcs8.pem"), KeyError::NotRsa),
        (key!("ec-p256.sec1.pem"), KeyError::NotRsa),
        (key!("rsa-1024.pkcs8.pem"), KeyError::Unusable),
    ] {
        let found = JwtBearer::from_pem("3MVG9", "user", LoginHost::Production, &pem).unwrap_err();
        assert_eq!(found, error, "{pem}");
        assert!(!format!("{found} {found:?}").contains(&secret[..8]));
    }
}

#[test]
fn a_key_may_stand_beside_its_certificate_and_have_dos_line_ends() {
    let pkcs8 = std::str::from_utf8(PKCS8).unwrap();
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in [
        format!("{certificate}{pkcs8}"),
        format!("Bag Attributes\n{pkcs8}{certificate}"),
        pkcs8.replace('\n', "\r\n"),
    ] {
        assert!(JwtBearer::from_pem("3MVG9", "user", LoginHost::Production, pem).is_ok());
    }
}

#[test]
fn f185_debug_shows_neither_key_nor_signer() {
    let shown = format!("{:?}", grant());
    assert!(shown.starts_with("JwtBearer { client_id: \"3MVG9\"") && !shown.contains("signer"), "{shown}");
}

#[test]
fn empty_names_are_a_configuration_error() {
    let signer = || Kms(Err(""));
    assert!(JwtBearer::with_signer("", "user", LoginHost::Production, signer()).check().is_err());
    assert!(JwtBearer::with_signer("3MVG9", "", LoginHost::Production, signer()).check().is_err());
    assert!(JwtBearer::with_signer("3MVG9", "user", LoginHost::Production, signer()).check().is_ok());
}
