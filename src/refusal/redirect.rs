//! Redirects that stand for a refusal: an API call that was sent to a host of the user interface ends at a login page.

use http::{Uri, header::LOCATION};

use super::{Head, contains_ignoring_case};

/// Whether an API call was answered with the way to a login page or to Lightning.
///
/// Other redirects are the caller's (F135): downloads are served from other hosts, and an org that has moved points to
/// where it is now, which a head without the request's own host does not tell apart from that.
pub(super) fn is_to_login(head: Head<'_>) -> bool {
    // `/services/oauth2/authorize` leads browsers to a login page by design.
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308)
        || !head.path.starts_with("/services/")
        || head.path.starts_with("/services/oauth2")
    {
        return false;
    }
    let Some(location) = head.headers.get(LOCATION).and_then(|value| Uri::try_from(value.as_bytes()).ok())
    else {
        return false;
    };
    let host = location.host().unwrap_or_default();
    // `https://acme.my.salesforce.com/?ec=302&startURL=…`: the page to come back to after the login.
    let asks_for_login =
        location.path() == "/" && location.query().is_some_and(|query| query.contains("startURL="));
    asks_for_login
        || ["login.salesforce.com", "test.salesforce.com"]
            .iter()
            .any(|login| host.eq_ignore_ascii_case(login))
        || contains_ignoring_case(host, ".lightning.force.com")
}
