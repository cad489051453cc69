//! Reading an answer's JSON: strictly, and yet so that a refresh token inside a bad answer is not lost.

use std::{collections::HashSet, fmt, time::Duration};

use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::secret::Secret;

/// What could be read of an answer, and what is wrong with it.
///
/// Fields that stood before a fault are there: with a rotating grant the refresh token among them may be the only
/// living one.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) access_token: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
    pub(super) token_type: Option<String>,
    pub(super) instance_url: Option<String>,
    pub(super) id: Option<String>,
    pub(super) scope: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub(super) issued_at: Option<u64>,
    pub(super) expires_in: Option<Duration>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
    pub(super) fault: Option<Fault>,
}

/// What is wrong with an answer's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not one JSON object, or not to its end.
    Unreadable,
    /// A key comes twice: two readers could take two different tokens from it.
    Duplicate,
    /// It is nested deeper than any token answer.
    TooDeep,
    /// This field has a value of the wrong type.
    WrongType(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the answer is not a JSON object"),
            Self::Duplicate => f.write_str("the answer has a field twice"),
            Self::TooDeep => f.write_str("the answer is nested too deeply"),
            Self::WrongType(field) => write!(f, "the answer's {field} is not a string"),
        }
    }
}

/// Token answers are flat; Salesforce's are at most two deep. S22 asks for a bound, and this one leaves room.
const DEPTH: usize = 32;

/// Salesforce ends every session within 24 h: a longer life is a mistake or an attempt to stop refreshes (F091).
const LONGEST_LIFE: u64 = 24 * 60 * 60;

/// Reads `body`, whatever it is.
pub(super) fn read(body: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body); // F107: a BOM is no reason to lose a token
    if depth(body) > DEPTH {
        reading.fault = Some(Fault::TooDeep);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Answer(&mut reading).deserialize(&mut json).and_then(|()| json.end());
    // The parser's own error is dropped: it quotes values.
    if read.is_err() {
        reading.fault = Some(Fault::Unreadable);
    }
    reading
}

/// How deep `body` nests, by brackets outside of strings.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

struct Answer<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reading = self.0;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let again = seen.contains(&key);
            if again {
                reading.fault.get_or_insert(Fault::Duplicate);
            }
            match key.as_str() {
                "access_token" => {
                    let value = text(map.next_value()?, "access_token", &mut reading.fault);
                    set(&mut reading.access_token, value.map(Secret::new), again);
                }
                "refresh_token" => {
                    let value = text(map.next_value()?, "refresh_token", &mut reading.fault);
                    set(&mut reading.refresh_token, value.map(Secret::new), again);
                }
                "token_type" => {
                    let value = text(map.next_value()?, "token_type", &mut reading.fault);
                    set(&mut reading.token_type, value, again);
                }
                "instance_url" => {
                    let value = text(map.next_value()?, "instance_url", &mut reading.fault);
                    set(&mut reading.instance_url, value, again);
                }
                "id" => {
                    let value = text(map.next_value()?, "id", &mut reading.fault);
                    set(&mut reading.id, value, again);
                }
                "error" => {
                    let value = text(map.next_value()?, "error", &mut reading.fault);
                    set(&mut reading.error, value, again);
                }
                // The rest are hints: of a wrong type they count as absent (F090, F093, F107).
                "error_description" => {
                    set(&mut reading.error_description, map.next_value::<Scalar>()?.text(), again);
                }
                "scope" => set(&mut reading.scope, map.next_value::<Scalar>()?.text(), again),
                "issued_at" => set(&mut reading.issued_at, map.next_value::<Scalar>()?.number(), again),
                "expires_in" => {
                    let value = map.next_value::<Scalar>()?.number().and_then(life);
                    set(&mut reading.expires_in, value, again);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.insert(key);
        }
        Ok(())
    }
}

/// Of two different values neither is taken.
fn set<T: PartialEq>(field: &mut Option<T>, value: Option<T>, again: bool) {
    *field = if again && *field != value { None } else { value };
}

fn text(value: Scalar, field: &'static str, fault: &mut Option<Fault>) -> Option<String> {
    match value {
        Scalar::Text(text) => Some(text),
        Scalar::Null => None,
        Scalar::Number(_) | Scalar::Other => {
            fault.get_or_insert(Fault::WrongType(field));
            None
        }
    }
}

fn life(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.min(LONGEST_LIFE)))
}

/// One value, as far as a token answer has use for it.
enum Scalar {
    Null,
    Text(String),
    Number(u64),
    /// Anything else: nested values, booleans, negative numbers.
    Other,
}

impl Scalar {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Salesforce writes `issued_at` as a string, others as a number.
    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                // `as` saturates: 1e300 becomes the largest number, and is clamped where that matters.
                Ok(if number >= 0.0 { Scalar::Number(number as u64) } else { Scalar::Other })
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }

        json.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests;
