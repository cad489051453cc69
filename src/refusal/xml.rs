//! The errors in an XML body, found by the names of their elements.
//!
//! This is a scan for start tags, not a parser: nothing is expanded, declarations are skipped, and no input is refused.
//! One pass, no memory, no depth.

use std::borrow::Cow;

use super::entries::Entry;

/// Hands every error of `text` to `each`.
///
/// An error is a code and a message in either order; the second of either begins the next error. A SOAP fault thus
/// holds two: its fault code with the fault string, and the pair in its detail.
pub(super) fn errors<'a>(text: &'a str, each: &mut dyn FnMut(Entry<'a>)) {
    let mut entry = Entry::default();
    for (name, text) in (Leaves { rest: text }) {
        let code = match name {
            "errorCode" | "exceptionCode" | "faultcode" => true,
            // `error` in the answer that names its fault LOGIN_OAUTH_INVALID_TOKEN.
            "message" | "exceptionMessage" | "faultstring" | "error" => false,
            _ => continue,
        };
        let filled = if code { entry.code.is_some() } else { entry.message.is_some() };
        if filled {
            each(std::mem::take(&mut entry));
        }
        if code {
            // A fault code is a qualified name.
            let code = text.split_once(':').map_or(text, |(_, code)| code);
            entry.code = Some(Cow::Borrowed(code));
        } else {
            entry.message = Some(Cow::Borrowed(text));
        }
    }
    if entry.code.is_some() || entry.message.is_some() {
        each(entry);
    }
}

/// The elements that hold text only: local name and text, trimmed.
struct Leaves<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Leaves<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, markup) = self.rest.split_once('<')?;
            if let Some(comment) = markup.strip_prefix("!--") {
                (_, self.rest) = comment.split_once("-->")?;
            } else if let Some(data) = markup.strip_prefix("![CDATA[") {
                (_, self.rest) = data.split_once("]]>")?;
            } else if markup.starts_with(['/', '!', '?']) {
                (_, self.rest) = markup.split_once('>')?;
            } else {
                let end = tag_end(markup)?;
                let (tag, content) = (&markup[..end], &markup[end + 1..]);
                self.rest = content;
                if let Some(text) = only_text(content).filter(|_| !tag.ends_with('/')) {
                    return Some((local_name(tag), text.trim()));
                }
            }
        }
    }
}

/// Where a start tag ends: the first `>` that is not within an attribute's value.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(index),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The name of a start tag without its prefix.
fn local_name(tag: &str) -> &str {
    let name = tag
        .split(|character: char| character.is_ascii_whitespace() || character == '/')
        .next()
        .unwrap_or(tag);
    name.rsplit(':').next().unwrap_or(name)
}

/// The text up to the end tag, if nothing else stands before it.
fn only_text(content: &str) -> Option<&str> {
    if let Some(data) = content.strip_prefix("<![CDATA[") {
        return data.split_once("]]>").map(|(text, _)| text);
    }
    let (text, markup) = content.split_once('<')?;
    markup.starts_with('/').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        errors(text, &mut |entry| {
            entries.push((
                entry.code.unwrap_or_default().into_owned(),
                entry.message.unwrap_or_default().into_owned(),
            ));
        });
        entries
    }

    fn entry(code: &str, message: &str) -> (String, String) {
        (code.to_owned(), message.to_owned())
    }

    #[test]
    fn codes_and_messages_pair_up_in_either_order() {
        for (text, expected) in [
            ("<a><errorCode>A</errorCode><message>b</message></a>", vec![entry("A", "b")]),
            ("<message>b</message><errorCode>A</errorCode>", vec![entry("A", "b")]),
            (
                "<Errors><Error><errorCode>A</errorCode><message>b</message></Error>\
                 <Error><errorCode>C</errorCode><message>d</message></Error></Errors>",
                vec![entry("A", "b"), entry("C", "d")],
            ),
            ("<errorCode>A</errorCode><errorCode>B</errorCode>", vec![entry("A", ""), entry("B", "")]),
            ("<s:faultcode xmlns:s='u'>\n sf:A \n</s:faultcode>", vec![entry("A", "")]),
            ("<exceptionCode a=\"x>y\" b='\"'>A</exceptionCode >", vec![entry("A", "")]),
            ("<exceptionCode><![CDATA[A]]></exceptionCode>", vec![entry("A", "")]),
            ("<errorCode></errorCode>", vec![entry("", "")]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn other_markup_holds_no_errors() {
        for text in [
            "",
            "<",
            "<>",
            "< >",
            "</",
            "<!--",
            "<![CDATA[",
            "<errorCode",
            "<errorCode>",
            "<errorCode>A",
            "<errorCode>A<",
            "<errorCode/>A</errorCode>",
            "<errorCode><b>A</b></errorCode>",
            "<errorCodes>A</errorCodes>",
            "<x errorCode='A'>b</x>",
            "<!-- <errorCode>A</errorCode> -->",
            "<![CDATA[ <errorCode>A</errorCode> ]]>",
            "<!DOCTYPE a [<!ENTITY e 'A'>]><a>&e;</a>",
            "<?xml version='1.0'?><html><p>A</p></html>",
        ] {
            assert_eq!(read(text), vec![], "{text}");
        }
    }
}
