//! A piece of a body as text.

use std::borrow::Cow;

use http::{HeaderMap, header::CONTENT_ENCODING};

use super::PEEK_BYTES;

/// The first 16 KiB of `body` as text, without byte order mark and leading white space; empty if it is encoded.
///
/// The content type is not asked: Salesforce sends XML as `text/html`, and proxies send anything (F143). What is not
/// UTF-8 keeps its ASCII, which is what codes and messages are written in (F142).
pub(super) fn text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, str> {
    // F141: decompressing is work for a layer below, which knows how to bound it.
    if is_encoded(headers) {
        return Cow::Borrowed("");
    }
    let body = body.get(..PEEK_BYTES).unwrap_or(body);
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        // Cut off within a character.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&body[..error.valid_up_to()]),
        Err(_) => String::from_utf8_lossy(body),
    }
}

/// Whether the body is compressed, so that what came of it says nothing.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
