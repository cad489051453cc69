//! The Pub/Sub API: gRPC, where a refusal is a status in the trailers.

use std::borrow::Cow;

use super::{
    Refusal, Verdict,
    entries::Entry,
    wording::{self, SessionWords},
};

/// Reads the status with which a call of the Pub/Sub API ended.
///
/// `status` is the number in `grpc-status`; `message` is `grpc-message`, decoded; `error_code` is what the trailer
/// `error-code` says, such as `sfdc.platform.eventbus.grpc.service.auth.error`. Where both are known the error code
/// counts. The crate needs no gRPC library for this; with tonic, `status` is `status.code() as i32` and the error code is
/// in `status.metadata()`.
///
/// ```
/// use tower_salesforce_auth::refusal::{self, Verdict};
///
/// let refusal = refusal::grpc(16, "An authentication exception occurred.", None);
/// assert_eq!(refusal.verdict, Verdict::SessionExpired);
/// ```
#[must_use]
pub fn grpc(status: i32, message: &str, error_code: Option<&str>) -> Refusal {
    let known = wording::verdict(error_code, None, SessionWords::Believed);
    let entry = Entry {
        code: error_code.map(Cow::Borrowed),
        message: (!message.is_empty()).then_some(Cow::Borrowed(message)),
    };
    Refusal::new(known.unwrap_or_else(|| by_status(status)), &entry)
}

/// Pub/Sub API Developer Guide, "Handle errors", and the meaning that gRPC gives these numbers.
fn by_status(status: i32) -> Verdict {
    match status {
        7 => Verdict::Forbidden,       // PERMISSION_DENIED
        8 => Verdict::RateLimited,     // RESOURCE_EXHAUSTED
        14 => Verdict::OrgUnavailable, // UNAVAILABLE
        // UNAUTHENTICATED (recorded; it is also said of a wrong org id or instance URL)
        16 => Verdict::SessionExpired,
        _ => Verdict::NotAuth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Forbidden, NotAuth, OrgUnavailable, RateLimited, SessionExpired};

    #[test]
    fn the_error_code_counts_before_the_status() {
        for (status, error_code, expected) in [
            (16, None, SessionExpired),
            (16, Some("sfdc.platform.eventbus.grpc.service.auth.error"), SessionExpired),
            (2, Some("sfdc.platform.eventbus.grpc.service.auth.refresh.invalid"), SessionExpired),
            (16, Some("sfdc.platform.eventbus.grpc.something.new"), SessionExpired),
            (3, Some("sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"), NotAuth),
            (8, Some("sfdc.platform.eventbus.grpc.concurrent.client.limit.exceeded"), RateLimited),
            (8, None, RateLimited),
            (14, Some("sfdc.platform.eventbus.grpc.service.unavailable"), OrgUnavailable),
            (14, None, OrgUnavailable),
            (7, None, Forbidden),
            (0, None, NotAuth),
            (5, None, NotAuth),
            (i32::MIN, None, NotAuth),
        ] {
            assert_eq!(grpc(status, "", error_code).verdict, expected, "{status} {error_code:?}");
        }
    }

    #[test]
    fn s17_its_words_are_fit_to_be_shown() {
        let refusal = grpc(16, "no 00Dxx0000000000!AQcanary\r\n", Some("a\u{1b}b"));
        assert_eq!(refusal.message.as_deref(), Some("no ***\\r\\n"));
        assert_eq!(refusal.code.as_deref(), Some("a\\u{1b}b"));
    }
}
