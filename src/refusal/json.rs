//! The errors in a JSON body: an object, or an array of them; keys in any order, anything else beside them.

use std::{borrow::Cow, fmt};

use serde_core::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::entries::Entry;

/// What a visitor makes of JSON's values that are neither text nor made of other values.
macro_rules! other_scalars {
    ($value:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// Hands every error of `text` to `each`, as far as `text` can be read, and says whether that was to its end.
///
/// Errors are the top-level object, the elements of the top-level array, and those of a list named `errors`. What is
/// nested deeper is skipped without recursion, so depth costs no stack (S22).
pub(super) fn errors<'a>(text: &'a str, each: &mut dyn FnMut(Entry<'a>)) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_any(Errors { each, place: Place::Document }).and_then(|()| json.end()).is_ok()
}

/// Where errors may stand.
struct Errors<'f, 'a> {
    each: &'f mut dyn FnMut(Entry<'a>),
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    /// What is named `errors`.
    List,
    /// An element of either.
    Element,
}

impl<'a> DeserializeSeed<'a> for Errors<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Errors<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("errors")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        if self.place == Place::Element {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
        } else {
            let place = Place::Element;
            while elements.next_element_seed(Errors { each: &mut *self.each, place })?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        let mut entry = Entry::default();
        let mut title = None;
        let mut read = || -> Result<(), A::Error> {
            while let Some(member) = members.next_key_seed(MemberName)? {
                // Of members with one name the first counts.
                let value = match member {
                    Member::Code if entry.code.is_none() => &mut entry.code,
                    Member::Message if entry.message.is_none() => &mut entry.message,
                    Member::Title if title.is_none() => &mut title,
                    Member::Errors if self.place == Place::Document => {
                        members.next_value_seed(Errors { each: &mut *self.each, place: Place::List })?;
                        continue;
                    }
                    _ => {
                        members.next_value::<IgnoredAny>()?;
                        continue;
                    }
                };
                *value = members.next_value_seed(Text)?;
            }
            Ok(())
        };
        let read = read();
        // Also of an object that was cut off: its code may have come before the cut.
        entry.code = entry.code.or(title);
        (self.each)(entry);
        read
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    other_scalars!(());
}

/// The members that are read.
enum Member {
    Code,
    /// Stands for the code where there is none: the Agent API names its exceptions so, gateways count them.
    Title,
    Message,
    /// A list of errors, as GraphQL and gateways have it.
    Errors,
    Other,
}

struct MemberName;

impl<'a> DeserializeSeed<'a> for MemberName {
    type Value = Member;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Member, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
        // Account Engagement writes `code` and `err`, Marketing Cloud `errorcode`, OAuth `error_description`.
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Ok(if is("errorCode") || is("exceptionCode") {
            Member::Code
        } else if is("message") || is("exceptionMessage") || is("error_description") || is("err") {
            Member::Message
        } else if is("error") || is("code") {
            Member::Title
        } else if is("errors") {
            Member::Errors
        } else {
            Member::Other
        })
    }
}

/// The value of a member that is read; `None` if it is no text.
struct Text;

impl<'a> DeserializeSeed<'a> for Text {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Option<Cow<'a, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    other_scalars!(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (Option<String>, Option<String>);

    fn read(text: &str) -> (Vec<Owned>, bool) {
        let mut entries = Vec::new();
        let whole = errors(text, &mut |entry| {
            entries.push((entry.code.map(Cow::into_owned), entry.message.map(Cow::into_owned)));
        });
        (entries, whole)
    }

    fn entry(code: &str, message: &str) -> Owned {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (some(code), some(message))
    }

    #[test]
    fn an_object_and_an_array_hold_errors_in_any_order_among_anything() {
        for (text, expected) in [
            (r#"{"errorCode":"A","message":"b"}"#, vec![entry("A", "b")]),
            (r#"[{"message":"b","errorCode":"A"},{"errorCode":"C"}]"#, vec![entry("A", "b"), entry("C", "")]),
            (
                r#"[1,null,"errorCode",true,-1.5e3,[{"errorCode":"nested"}],{"errorCode":"A"}]"#,
                vec![entry("A", "")],
            ),
            (r#"{"fields":["message"],"x":{"errorCode":"nested"},"errorCode":"A"}"#, vec![entry("A", "")]),
            (r#"{"errorCode":null,"message":{"a":[]},"errorCode":"A"}"#, vec![entry("A", "")]),
            (r#"{"errorCode":"A","errorCode":"B","message":"1","message":"2"}"#, vec![entry("A", "1")]),
            (r#"{"error":"E","message":"b"}"#, vec![entry("E", "b")]),
            (r#"{"error":"E","errorCode":"A"}"#, vec![entry("A", "")]),
            (r#"{"exceptionCode":"A","exceptionMessage":"b"}"#, vec![entry("A", "b")]),
            (r#"{"\u0065rrorCode":"\u0041","message":"\"\u00e9\n"}"#, vec![entry("A", "\"é\n")]),
            (r#"{"ERRORCODE":"A","Message":"b"}"#, vec![entry("A", "b")]),
            (r#"{"@attributes":{"err_code":184},"err":"b"}"#, vec![entry("", "b")]),
            (r#"{"code":184,"message":"b"}"#, vec![entry("", "b")]),
            (r#"{"code":"401","message":"b","errorCode":"A"}"#, vec![entry("A", "b")]),
            (r#"{"errors":[{"errorCode":"A"}],"message":"b"}"#, vec![entry("A", ""), entry("", "b")]),
            (r#"[{"errors":[{"errorCode":"A"}]}]"#, vec![entry("", "")]),
            (r#"{"errors":{"errorCode":"A"}}"#, vec![entry("A", ""), entry("", "")]),
            ("[]", vec![]),
            ("{}", vec![entry("", "")]),
        ] {
            assert_eq!(read(text), (expected, true), "{text}");
        }
    }

    #[test]
    fn f144_what_came_before_a_cut_is_kept() {
        let text = r#"[{"errorCode":"A","message":"b"},{"errorCode":"C","message":"d"}]"#;
        let end_of = |part: &str| text.find(part).unwrap() + part.len();
        for cut in 1..text.len() {
            let (entries, whole) = read(&text[..cut]);
            assert!(!whole, "{cut}");
            let codes: Vec<_> = entries.iter().filter_map(|(code, _)| code.as_deref()).collect();
            assert_eq!(codes.first(), (cut >= end_of("\"A\"")).then_some(&"A"), "{cut}");
            assert_eq!(codes.get(1), (cut >= end_of("\"C\"")).then_some(&"C"), "{cut}");
        }
    }

    #[test]
    fn s22_depth_costs_no_stack() {
        for open in ["[", "{\"a\":", "[{\"message\":[", "{\"errorCode\":{\"a\":"] {
            let (_, whole) = read(&open.repeat(200_000));
            assert!(!whole);
        }
    }
}
