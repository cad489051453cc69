//! The errors in an XML body, found by the names of their elements.
//!
//! Nothing is declared, expanded or fetched (S21): a document type is passed over, and of references only those to
//! characters and to XML's own five entities are resolved. What is malformed or cut off ends the reading, and what came
//! before it counts.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, BytesStart, Event},
};

use super::entries::Entry;

/// How deep errors may stand (F145). In the deepest that are known, the details of a SOAP fault, it is 6.
const DEEPEST: usize = 16;

/// How many attributes the element of an error may have (F145). Those that are known have at most 4, all namespaces.
const MOST_ATTRIBUTES: usize = 64;

/// Every error of `text`, as far as `text` can be read.
///
/// An error is a code and a message in either order; the second of either begins the next error. A SOAP fault thus
/// holds two: its fault code with the fault string, and the pair in its detail.
pub(super) fn errors(text: &str) -> Errors<'_> {
    Errors { leaves: Leaves::of(text), entry: Entry::default() }
}

pub(super) struct Errors<'a> {
    leaves: Leaves<'a>,
    /// The error that is not complete yet.
    entry: Entry<'a>,
}

impl<'a> Iterator for Errors<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        while let Some((part, text)) = self.leaves.next() {
            let text = trimmed(text);
            let (to, value) = match part {
                Part::Code => (&mut self.entry.code, unprefixed(text)),
                Part::Message => (&mut self.entry.message, text),
            };
            if to.is_none() {
                *to = Some(value);
                continue;
            }
            let complete = std::mem::take(&mut self.entry);
            match part {
                Part::Code => self.entry.code = Some(value),
                Part::Message => self.entry.message = Some(value),
            }
            return Some(complete);
        }
        let last = std::mem::take(&mut self.entry);
        (last.code.is_some() || last.message.is_some()).then_some(last)
    }
}

/// What an element says of an error.
#[derive(Clone, Copy)]
enum Part {
    Code,
    Message,
}

impl Part {
    fn of(element: &BytesStart<'_>) -> Option<Self> {
        let part = match element.local_name().as_ref() {
            // `Value` and `Text` are those of SOAP 1.2.
            "errorCode" | "exceptionCode" | "faultcode" | "Value" => Self::Code,
            // `error` in the answer that names its fault LOGIN_OAUTH_INVALID_TOKEN, `err` in Account Engagement.
            "message" | "exceptionMessage" | "faultstring" | "Text" | "error" | "err" => Self::Message,
            _ => return None,
        };
        let mut attributes = element.html_attributes();
        let too_wide = attributes.with_checks(false).nth(MOST_ATTRIBUTES).is_some();
        (!too_wide).then_some(part)
    }
}

/// The parts of errors: elements that hold nothing but text.
struct Leaves<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    open: Option<(Part, Cow<'a, str>)>,
}

impl<'a> Leaves<'a> {
    fn of(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        // Nobody is helped by a strict reading of an error.
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        Self { reader, depth: 0, open: None }
    }

    fn next(&mut self) -> Option<(Part, Cow<'a, str>)> {
        loop {
            match self.reader.read_event().ok()? {
                Event::Start(element) => {
                    self.depth += 1;
                    let part = if self.depth <= DEEPEST { Part::of(&element) } else { None };
                    self.open = part.map(|part| (part, Cow::Borrowed("")));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    if let Some(leaf) = self.open.take() {
                        return Some(leaf);
                    }
                }
                Event::Empty(_) => self.open = None,
                Event::Text(text) => self.push(text.into_inner()),
                Event::CData(text) => self.push(text.into_inner()),
                Event::GeneralRef(reference) => self.push(resolved(&reference)),
                Event::Eof => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn push(&mut self, more: Cow<'a, str>) {
        if let Some((_, text)) = &mut self.open {
            if text.is_empty() {
                *text = more;
            } else {
                text.to_mut().push_str(&more);
            }
        }
    }
}

/// What a reference stands for; one to an entity that somebody declared stays as it is.
fn resolved<'a>(reference: &BytesRef<'_>) -> Cow<'a, str> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Cow::Owned(character.to_string());
    }
    match resolve_xml_entity(reference) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("&{};", &**reference)),
    }
}

/// A fault code is a qualified name.
fn unprefixed(code: Cow<'_, str>) -> Cow<'_, str> {
    match code {
        Cow::Borrowed(code) => Cow::Borrowed(code.split_once(':').map_or(code, |(_, code)| code)),
        Cow::Owned(code) => match code.split_once(':') {
            Some((_, code)) => Cow::Owned(code.to_owned()),
            None => Cow::Owned(code),
        },
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        errors(text)
            .map(|Entry { code, message }| {
                (code.unwrap_or_default().into_owned(), message.unwrap_or_default().into_owned())
            })
            .collect()
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
            ("<errorCode>A<!-- b -->C</errorCode>", vec![entry("AC", "")]),
            ("<errorCode></errorCode>", vec![entry("", "")]),
            (
                "<e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>sf:A</e:Value></e:Subcode></e:Code>\
                 <e:Reason><e:Text xml:lang='en'>b</e:Text></e:Reason>",
                vec![entry("Sender", ""), entry("A", "b")],
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn s21_only_characters_and_the_five_entities_are_resolved() {
        for (text, expected) in [
            ("a &lt;&gt;&amp;&apos;&quot; b", "a <>&'\" b"),
            ("&#65;&#x42;", "AB"),
            ("&nbsp;&x;", "&nbsp;&x;"),
            ("&#0;&#xFFFFFFFF;", "&#0;&#xFFFFFFFF;"),
            ("Q&A", "Q&A"),
        ] {
            assert_eq!(read(&format!("<message>{text}</message>")), vec![entry("", expected)], "{text}");
        }
    }

    #[test]
    fn s21_what_is_too_deep_or_too_wide_is_no_error() {
        let nested = |depth: usize| format!("{}<errorCode>A</errorCode>", "<a>".repeat(depth));
        assert_eq!(read(&nested(DEEPEST - 1)), vec![entry("A", "")]);
        assert_eq!(read(&nested(DEEPEST)), vec![]);
        let wide = |attributes: usize| format!("<errorCode {}>A</errorCode>", "a='>' ".repeat(attributes));
        assert_eq!(read(&wide(MOST_ATTRIBUTES)), vec![entry("A", "")]);
        assert_eq!(read(&wide(MOST_ATTRIBUTES + 1)), vec![]);
        // Those that came before count.
        assert_eq!(read(&format!("<message>b</message>{}", nested(5_000))), vec![entry("", "b")]);
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

    #[test]
    fn f145_what_came_before_a_cut_is_kept() {
        let text = "<?xml version=\"1.0\"?><e:E xmlns:e=\"u\"><errorCode>A</errorCode><message>b &amp; c</message></e:E>";
        let end_of = |part: &str| text.find(part).unwrap() + part.len();
        for cut in 0..text.len() {
            let expected = match cut {
                cut if cut >= end_of("</message>") => vec![entry("A", "b & c")],
                cut if cut >= end_of("</errorCode>") => vec![entry("A", "")],
                _ => vec![],
            };
            assert_eq!(read(&text[..cut]), expected, "{cut}");
        }
    }
}
