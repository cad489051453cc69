//! Form bodies and query strings.

/// The decoded pairs of an `application/x-www-form-urlencoded` text.
#[derive(Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value of this name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// `+` and `%XX`; anything that is no such escape stands for itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match escaped(after) {
                Some(decoded) => {
                    rest = &after[2..];
                    decoded
                }
                None => b'%',
            },
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(after: &[u8]) -> Option<u8> {
    let digit = |at: usize| after.get(at).and_then(|c| char::from(*c).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_broken_ones_kept() {
        let form = Form::parse("a=1%2B1&b=x+y&empty=&c=100%&d=%zz&a=second&%C3%A4=%c3%bc");
        assert_eq!(form.get("a"), Some("1+1"));
        assert_eq!(form.get("b"), Some("x y"));
        assert_eq!(form.get("empty"), None);
        assert_eq!(form.get("c"), Some("100%"));
        assert_eq!(form.get("d"), Some("%zz"));
        assert_eq!(form.get("ä"), Some("ü"));
    }
}
