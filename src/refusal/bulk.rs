//! Bulk API 1.0: a refused session is a 400 with `exceptionCode` `InvalidSessionId`, in XML or, for JSON jobs, in JSON.
//!
//! Bulk API 2.0 speaks REST.

use super::{
    Head,
    entries::{self, Found},
    wording::SessionWords,
};

/// Below this are all of Salesforce's APIs.
const SERVICES: &[u8] = b"/services/";

/// Below this, further, is Bulk API 1.0.
const ASYNC: &[u8] = b"async/";

/// Whether a request is for this API. Sites have the path below their own prefix.
///
/// Only the first `/services/` counts: what is behind `/services/apexrest/` is an application's own. Asked of every
/// request, so that nearly all are answered by their first bytes.
pub(crate) fn is_addressed(path: &str) -> bool {
    let path = path.as_bytes();
    let site = if begins_with(path, SERVICES) {
        Some(0)
    } else {
        path.windows(SERVICES.len()).position(|window| window.eq_ignore_ascii_case(SERVICES))
    };
    let below = site.and_then(|site| path.get(site + SERVICES.len()..));
    below.is_some_and(|below| begins_with(below, ASYNC))
}

fn begins_with(path: &[u8], prefix: &[u8]) -> bool {
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

pub(super) fn read<'a>(head: Head<'_>, text: &'a str) -> Found<'a> {
    let words = match head.status.as_u16() {
        400 => SessionWords::Coded,
        // Not Bulk's way, but a gateway before it may speak REST.
        401 => SessionWords::Believed,
        _ => SessionWords::Ignored,
    };
    entries::read(text, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_below_a_site_and_not_inside_another_api() {
        for path in ["/services/async/65.0/job", "/SERVICES/Async/", "/partners/services/async/65.0/job/750"]
        {
            assert!(is_addressed(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/services",
            "/services/",
            "/services/async",
            "/services/data/v65.0/jobs/ingest",
            "/services/apexrest/services/async/x",
            "/services/asyncapex/",
            "/async/65.0/job",
            "/servicesä/async/",
        ] {
            assert!(!is_addressed(path), "{path}");
        }
    }
}
