//! CometD, of the Streaming API: a refusal hides in a `200`, as a message that was not successful.
//!
//! `error` reads `403::Handshake denied`: a number as of HTTP, arguments, and words. The true reason, if it is another,
//! is in `ext.sfdc.failureReason` (since Spring '18; jsforce, streaming extension).

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Refusal, Verdict,
    entries::{Decision, Entry, Reading},
    status,
    wording::SessionWords,
};

/// Reads the answer of a CometD channel: a `/meta/handshake`, `/meta/connect` or `/meta/subscribe` that was refused.
///
/// The layer does not look into what was answered with a `200`, so that this is for whoever speaks CometD above it:
/// hand over the whole body, and on [`SessionExpired`](Verdict::SessionExpired) refresh, then handshake again. Events
/// are no refusals, nor is a client that is only not known any more (`403::Unknown client`): it handshakes again with
/// the same session. What cannot be parsed is [`NotAuth`](Verdict::NotAuth).
///
/// ```
/// use tower_salesforce_auth::refusal::{self, Verdict};
///
/// let body = br#"[{"error":"401::Request requires authentication","successful":false}]"#;
/// assert_eq!(refusal::cometd(body).verdict, Verdict::SessionExpired);
/// ```
#[must_use]
pub fn cometd(body: &[u8]) -> Refusal {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let messages = match serde_json::from_slice(body) {
        Ok(Value::Array(messages)) => messages,
        Ok(message) => vec![message],
        Err(_) => Vec::new(),
    };
    let mut decision = Decision::new(SessionWords::Believed);
    for reason in messages.iter().filter_map(reason) {
        let (number, words) = reason.split_once(':').unwrap_or((reason, ""));
        let entry = Entry {
            code: Some(Cow::Borrowed(number)),
            message: Some(Cow::Borrowed(words.trim_start_matches(':'))),
        };
        decision.weigh_or(entry, number.parse().ok().map(status::of));
    }
    let Reading { verdict, entry } = decision.made();
    Refusal::new(verdict.unwrap_or(Verdict::NotAuth), &entry)
}

/// Why a message was not successful.
fn reason(message: &Value) -> Option<&str> {
    if message["successful"].as_bool() == Some(true) {
        return None;
    }
    message["ext"]["sfdc"]["failureReason"].as_str().or_else(|| message["error"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Forbidden, NotAuth, OrgUnavailable, RateLimited, SessionExpired, UnrecognisedRefusal};

    #[test]
    fn what_failed_is_read_from_any_message_and_its_true_reason_counts() {
        for (body, expected) in [
            (r#"[{"error":"401::Request requires authentication","successful":false}]"#, SessionExpired),
            (
                r#"{"error":"401::Authentication invalid","channel":"/meta/connect","successful":false}"#,
                SessionExpired,
            ),
            (
                r#"[{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"}},"advice":{"reconnect":"none"},
                    "channel":"/meta/handshake","error":"403::Handshake denied","successful":false}]"#,
                SessionExpired,
            ),
            (
                r#"[{"ext":{"sfdc":{"failureReason":"403::Organization concurrent user limit exceeded"}},
                    "channel":"/meta/handshake","error":"403::Handshake denied","successful":false}]"#,
                RateLimited,
            ),
            (
                r#"[{"data":{},"channel":"/event/X__e"},{"channel":"/meta/connect","error":"401::x","successful":false}]"#,
                UnrecognisedRefusal,
            ),
            (
                r#"[{"error":"403::Unknown client","successful":false},{"error":"401::Authentication invalid"}]"#,
                SessionExpired,
            ),
            (r#"[{"error":"403::Handshake denied","successful":false}]"#, UnrecognisedRefusal),
            (r#"[{"error":"403:denied_by_security_policy:create_denied","successful":false}]"#, Forbidden),
            (r#"[{"error":"503::Server is too busy","successful":false}]"#, OrgUnavailable),
            (
                r#"[{"error":"403::Unknown client","advice":{"interval":0,"reconnect":"handshake"},"successful":false}]"#,
                NotAuth,
            ),
            (r#"[{"error":"402::Unknown client","successful":false}]"#, NotAuth),
            (
                r#"[{"error":"400::The channel you requested to subscribe to does not exist","successful":false}]"#,
                NotAuth,
            ),
            (r#"[{"error":"401::Authentication invalid","successful":true}]"#, NotAuth),
            (r#"[{"data":{"error":"401::Authentication invalid"},"channel":"/topic/x"}]"#, NotAuth),
            ("[]", NotAuth),
            ("401", NotAuth),
            ("", NotAuth),
            ("<html>", NotAuth),
        ] {
            assert_eq!(cometd(body.as_bytes()).verdict, expected, "{body}");
        }
    }

    #[test]
    fn s17_its_words_are_fit_to_be_shown() {
        let refusal = cometd(br#"[{"error":"401:00Dxx0000000000!AQcanary:a\nb","successful":false}]"#);
        assert_eq!((refusal.code.as_deref(), refusal.message.as_deref()), (Some("401"), Some("***:a\\nb")));
        assert!(cometd("[".repeat(100_000).as_bytes()).message.is_none(), "S22");
    }
}
