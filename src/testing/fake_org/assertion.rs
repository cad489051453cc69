//! What a JWT bearer assertion must say.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::Value;

use super::{clock, org::Org};

/// How far ahead `exp` may lie, in seconds (Salesforce help on the JWT bearer flow: within three minutes).
const LONGEST_LIFE: u64 = 180;

/// Audiences that a production org and a sandbox accept, besides the org's own hosts.
const LOGIN_HOSTS: [&str; 2] = ["https://login.salesforce.com", "https://test.salesforce.com"];

/// Checks everything but the signature: there is no certificate to check it with.
///
/// The error is an `error_description` of Salesforce's.
pub(super) fn check(org: &Org, assertion: Option<&str>) -> Result<(), &'static str> {
    const MALFORMED: &str = "invalid assertion";
    let parts: Vec<&str> = assertion.ok_or(MALFORMED)?.split('.').collect();
    let &[header, claims, signature] = parts.as_slice() else { return Err(MALFORMED) };
    let header: Value = decoded(header).ok_or(MALFORMED)?;
    let claims: Value = decoded(claims).ok_or(MALFORMED)?;
    let signed = BASE64URL.decode(signature).is_ok_and(|signature| !signature.is_empty());
    if header["alg"] != "RS256" || !signed {
        return Err(MALFORMED);
    }
    if claims["iss"] != org.facts.client_id {
        return Err("client identifier invalid");
    }
    // `prn` is the older name, and wins.
    let subject = claims.get("prn").unwrap_or(&claims["sub"]);
    if *subject != org.facts.username {
        return Err("user hasn't approved this consumer");
    }
    if !claims["aud"].as_str().is_some_and(|audience| is_ours(org, audience)) {
        return Err("audience is invalid");
    }
    let now = clock::wall().as_secs();
    match claims["exp"].as_u64() {
        Some(expiry) if expiry <= now => Err("expired authorization code"),
        Some(expiry) if expiry <= now + LONGEST_LIFE => Ok(()),
        _ => Err(MALFORMED),
    }
}

fn is_ours(org: &Org, audience: &str) -> bool {
    LOGIN_HOSTS.contains(&audience) || org.state().hosts.iter().any(|host| host == audience)
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()
}
