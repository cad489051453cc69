//! Redirects that stand for a refusal: an API call whose host is not, or is no longer, the org's.

use http::{Uri, header::LOCATION};

use super::{Answer, Dialect};
use crate::instance_url::{HostPolicy, InstanceUrl};

/// Whether an API call was answered with the way to a login page, to Lightning, or to the same API on another host.
///
/// Other redirects are the caller's (F135): downloads are served from other hosts, at paths that are of no API. This
/// one is not followed either. It says that the org's address is to be learnt anew.
pub(super) fn is_refusal(answer: Answer<'_>) -> bool {
    // 300 lists records that share an external id, 304 is a cache's.
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) || !answer.dialect.is_api() {
        return false;
    }
    let location = answer.headers.get(LOCATION).and_then(|value| Uri::try_from(value.as_bytes()).ok());
    location.is_some_and(|location| is_page(&location) || is_other_host(answer, &location))
}

/// Whether this is where people are sent to log in.
fn is_page(location: &Uri) -> bool {
    let host = location.host().unwrap_or_default().to_ascii_lowercase();
    // `https://acme.my.salesforce.com/?ec=302&startURL=…`: the page to come back to after the login.
    let is_back_link = location.query().is_some_and(|query| query.contains("startURL="));
    let is_login_path =
        matches!(location.path().trim_end_matches('/'), "" | "/login" | "/s/login" | "/idp/login")
            || location.path().starts_with("/secur/");
    (is_back_link && is_login_path)
        || matches!(host.as_str(), "login.salesforce.com" | "test.salesforce.com")
        || host.ends_with(".lightning.force.com")
}

/// Whether the same API is meant to be asked on another host: the org has moved (My Domain, enhanced domains, another
/// instance).
fn is_other_host(answer: Answer<'_>, location: &Uri) -> bool {
    let (Some(scheme), Some(there)) = (location.scheme_str(), location.authority()) else { return false };
    Dialect::of(location.path()) == answer.dialect
        && answer.host.is_none_or(|asked| !is_same_host(asked, there.as_str()))
        // A host that no org can have is not where this one has gone.
        && InstanceUrl::parse_with(&format!("{scheme}://{there}"), ANY_ORG).is_ok()
}

/// Nothing is sent there on the word of a redirect, so that every host passes that any session might have.
const ANY_ORG: HostPolicy = HostPolicy { loopback: true, force_com: true };

fn is_same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    plain(one) == plain(other)
}
