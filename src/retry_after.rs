//! The header `Retry-After`.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};

use crate::http_date;

/// How long an answer asks to wait: in seconds or as a date (RFC 9110 §10.2.3). Without a bound, which is the caller's
/// to set.
///
/// A date is compared with the answer's own `Date`, so that this machine's clock is not asked.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as good as for ever.
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    Some(http_date::of(headers, RETRY_AFTER)?.saturating_sub(http_date::of(headers, DATE)?))
}
