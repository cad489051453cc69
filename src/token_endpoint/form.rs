//! Form bodies: the one place where credentials are written down.

use zeroize::Zeroizing;

use crate::refusal::without_long_words;

/// Encodes `fields` as `application/x-www-form-urlencoded`. The buffer is wiped when dropped.
pub(super) fn encode(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // Three bytes for one is the worst case: a buffer that never grows leaves no copy behind.
    let worst = fields.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(worst));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        escape(&mut body, name);
        body.push(b'=');
        escape(&mut body, value);
    }
    body
}

/// The percent-encode set of the WHATWG URL standard, §5.2.
fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// Takes out of a server's text what was sent to it, and whatever looks like a token.
///
/// Salesforce has been seen to repeat a session id in its faults; a proxy may repeat anything.
pub(super) fn redact(text: &str, sent: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (name, value) in sent {
        let public =
            matches!(*name, "grant_type" | "client_id" | "scope" | "redirect_uri" | "token_type_hint");
        if !public && !value.is_empty() {
            text = text.replace(value, "***");
            // As it went over the wire, and as others would have written that.
            let mut sent = Vec::new();
            escape(&mut sent, value);
            let sent = Zeroizing::new(String::from_utf8(sent).unwrap_or_default());
            if *sent != *value {
                text = text.replace(sent.as_str(), "***").replace(&lower_case_escapes(&sent), "***");
            }
        }
    }
    // An access token is the org's id, an exclamation mark and the secret.
    let mut from = 0;
    while let Some(mark) = text[from..].find('!').map(|found| from + found) {
        let before = text[..mark].trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let org = &text[before.len()..mark];
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | ',' | ')');
        let end = text[mark..].find(ends).map_or(text.len(), |length| mark + length);
        if org.starts_with("00D") && end > mark + 1 {
            text.replace_range(mark + 1..end, "***");
        }
        from = mark + 1;
    }
    // Tokens of earlier requests, and of other connections.
    without_long_words(&text).into_owned()
}

/// `%2B` as `%2b`.
fn lower_case_escapes(escaped: &str) -> String {
    let mut lower = String::with_capacity(escaped.len());
    let mut digits = 0;
    for character in escaped.chars() {
        lower.push(if digits > 0 { character.to_ascii_lowercase() } else { character });
        digits = if character == '%' { 2_u8 } else { digits.saturating_sub(1) };
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(fields: &[(&str, &str)]) -> String {
        String::from_utf8(encode(fields).to_vec()).unwrap()
    }

    #[test]
    fn specials_are_escaped_so_that_a_secret_arrives_as_it_is() {
        assert_eq!(
            encoded(&[("client_id", "3MVG9.a_b-c*"), ("client_secret", "a b+c&d=e%f!~/é")]),
            "client_id=3MVG9.a_b-c*&client_secret=a+b%2Bc%26d%3De%25f%21%7E%2F%C3%A9"
        );
        assert_eq!(encoded(&[("a", ""), ("\r\n", "\0")]), "a=&%0D%0A=%00");
        assert_eq!(encoded(&[]), "");
    }

    #[test]
    fn f188_the_buffer_never_grows_and_so_leaves_no_copy() {
        let worst = "é!\u{1}".repeat(100);
        let body = encode(&[(&worst, &worst), (&worst, &worst)]);
        assert!(body.len() <= 2 * (3 * 2 * worst.len() + 2));
        assert_eq!(body.capacity(), 2 * (3 * 2 * worst.len() + 2));
    }

    #[test]
    fn what_was_sent_is_taken_out_of_the_answers_text() {
        let sent = [("grant_type", "refresh_token"), ("client_id", "key"), ("refresh_token", "5Aepcanary")];
        assert_eq!(redact("bad refresh_token 5Aepcanary of key", &sent), "bad refresh_token *** of key");
        assert_eq!(redact("nothing to hide!", &sent), "nothing to hide!");
        let sent = [("client_secret", "can/ary+1")];
        for echo in ["can/ary+1", "can%2Fary%2B1", "can%2fary%2b1"] {
            assert_eq!(redact(&format!("client_secret={echo}&x"), &sent), "client_secret=***&x");
        }
    }

    #[test]
    fn an_access_token_is_taken_out_of_the_answers_text() {
        assert_eq!(
            redact("Session é00Dxx0000000000!AQ.ca_nary is gone", &[]),
            "Session é00Dxx0000000000!*** is gone"
        );
        assert_eq!(
            redact("00Dxx0000000000!a, 00Dxx0000000000!b", &[]),
            "00Dxx0000000000!***, 00Dxx0000000000!***"
        );
        assert_eq!(redact("!", &[]), "!");
    }
}
