//! The id of an org, in the one form in which ids can be compared.

use std::{fmt, str::FromStr};

/// Characters of a record id without its checksum.
const SHORT: usize = 15;

/// Characters of a record id with its checksum.
const LONG: usize = 18;

/// What the ids of orgs begin with.
const ORG_PREFIX: &str = "00D";

/// What the ids of users begin with.
const USER_PREFIX: &str = "005";

/// The id of a Salesforce org, for example `00DR0000000KvItMAK`.
///
/// Salesforce writes ids with 15 characters, where case matters, or with 18, where the last three say which of the
/// others are upper case. This type holds the long form, whose checksum was verified or computed: two values are equal
/// exactly if their 15 characters are.
///
/// ```
/// # use tower_salesforce_auth::OrgId;
/// let org: OrgId = "00DR0000000KvIt".parse()?;
/// assert_eq!(org.to_string(), "00DR0000000KvItMAK");
/// assert_eq!(org, "00DR0000000KvItMAK".parse()?);
/// # Ok::<(), tower_salesforce_auth::OrgIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OrgId(String);

/// Why a text is not the id of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrgIdError {
    /// Neither 15 nor 18 characters.
    Length,
    /// A character other than ASCII letters and digits.
    Character,
    /// The last three of 18 characters do not fit the others: most often the case of a letter was lost.
    Checksum,
    /// The id of something else: it does not begin with `00D`.
    Prefix,
}

impl OrgId {
    /// Reads an id of 15 or 18 characters.
    ///
    /// # Errors
    ///
    /// [`OrgIdError`] if the text is no record id, its checksum is wrong, or it is not the id of an org.
    pub fn parse(text: &str) -> Result<Self, OrgIdError> {
        record_id(text, ORG_PREFIX).map(Self)
    }

    /// The org that an opaque access token belongs to: the characters before its `!`.
    ///
    /// `None` for tokens in JWT format, which do not show their org this way.
    #[must_use]
    pub fn from_access_token(token: &str) -> Option<Self> {
        let (org, _) = token.split_once('!')?;
        Self::parse(org).ok()
    }

    /// The org and the user (18 characters) that an identity URL names: `https://<login host>/id/<org>/<user>`.
    ///
    /// Only the end of the path is read; where the URL points is not judged.
    #[must_use]
    pub fn from_identity_url(url: &str) -> Option<(Self, String)> {
        let path = url.split_once(['?', '#']).map_or(url, |(path, _)| path);
        let mut segments = path.strip_suffix('/').unwrap_or(path).rsplit('/');
        let (user, org, id) = (segments.next()?, segments.next()?, segments.next()?);
        if id != "id" {
            return None;
        }
        Some((Self::parse(org).ok()?, record_id(user, USER_PREFIX).ok()?))
    }

    /// All 18 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgId({})", self.0)
    }
}

impl FromStr for OrgId {
    type Err = OrgIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for OrgIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "an org id has 15 or 18 characters; copy it whole",
            Self::Character => "an org id holds ascii letters and digits only",
            Self::Checksum => {
                "the last three characters of the org id do not fit the others; keep upper and lower case"
            }
            Self::Prefix => "an org id begins with 00D; this is the id of something else",
        })
    }
}

impl std::error::Error for OrgIdError {}

/// The 18-character form of a record id whose first characters say that it is one of `prefix`.
fn record_id(text: &str, prefix: &str) -> Result<String, OrgIdError> {
    if !matches!(text.len(), SHORT | LONG) {
        return Err(OrgIdError::Length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(OrgIdError::Character);
    }
    let (id, given) = text.split_at(SHORT);
    let checksum = checksum(id);
    if !given.is_empty() && !given.chars().eq(checksum) {
        return Err(OrgIdError::Checksum);
    }
    if !id.starts_with(prefix) {
        return Err(OrgIdError::Prefix);
    }
    Ok(id.chars().chain(checksum).collect())
}

/// The three characters that make 18 of 15, for a record of any kind: one for each five of `id`, which says which of
/// them are upper case.
fn checksum(id: &str) -> [char; LONG - SHORT] {
    let mut upper_case = [0; LONG - SHORT];
    for (index, byte) in id.bytes().take(SHORT).enumerate() {
        upper_case[index / 5] |= u8::from(byte.is_ascii_uppercase()) << (index % 5);
    }
    // A to Z, then 0 to 5: one character for each of the 32 patterns.
    upper_case.map(|bits| char::from(if bits < 26 { b'A' + bits } else { b'0' + (bits - 26) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that Salesforce itself wrote in both forms, in recorded answers.
    const PAIRS: [(&str, &str); 4] = [
        ("00DR0000000KvIt", "MAK"),
        ("005R0000000pgIj", "IAI"),
        ("003RM0000068xVC", "YAY"),
        ("09SKf000002knYI", "MAY"),
    ];

    #[test]
    fn the_checksum_is_the_one_salesforce_computes() {
        for (id, expected) in PAIRS {
            assert_eq!(checksum(id).iter().collect::<String>(), expected, "{id}");
            assert_eq!(record_id(id, "").unwrap(), format!("{id}{expected}"));
            assert_eq!(record_id(&format!("{id}{expected}"), "").unwrap(), format!("{id}{expected}"));
        }
    }

    #[test]
    fn every_case_pattern_of_a_chunk_has_its_own_character() {
        let mut seen = std::collections::BTreeSet::new();
        for pattern in 0..32_u32 {
            let chunk: String = (0..5).map(|bit| if pattern >> bit & 1 == 1 { 'X' } else { 'x' }).collect();
            let [first, second, third] = checksum(&format!("{chunk}00000aaaaa"));
            assert_eq!((second, third), ('A', 'A'));
            assert_eq!(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345".as_bytes()[pattern as usize] as char);
            seen.insert(first);
        }
        assert_eq!(seen.len(), 32);
    }

    #[test]
    fn both_forms_are_one_org_and_print_as_the_long_one() {
        let short: OrgId = "00DR0000000KvIt".parse().unwrap();
        let long: OrgId = "00DR0000000KvItMAK".parse().unwrap();
        assert_eq!(short, long);
        assert_eq!(short.to_string(), "00DR0000000KvItMAK");
        assert_eq!(format!("{short:?}"), "OrgId(00DR0000000KvItMAK)");
    }

    #[test]
    fn case_tells_two_orgs_apart() {
        assert_ne!(OrgId::parse("00DR0000000KvIt").unwrap(), OrgId::parse("00DR0000000kvIt").unwrap());
    }

    #[test]
    fn no_single_change_of_case_passes_the_checksum() {
        let id = "00DR0000000KvItMAK";
        for index in 0..id.len() {
            let mut changed = id.as_bytes().to_vec();
            let byte = &mut changed[index];
            *byte =
                if byte.is_ascii_uppercase() { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() };
            let changed = String::from_utf8(changed).unwrap();
            if changed != id {
                assert_eq!(OrgId::parse(&changed), Err(OrgIdError::Checksum), "{changed}");
            }
        }
    }

    #[test]
    fn what_is_not_an_org_id_is_named() {
        for (text, error) in [
            ("", OrgIdError::Length),
            ("00D", OrgIdError::Length),
            ("00DR0000000KvI", OrgIdError::Length),
            ("00DR0000000KvItM", OrgIdError::Length),
            ("00DR0000000KvItMAKX", OrgIdError::Length),
            (" 0DR0000000KvIt", OrgIdError::Character),
            ("00DR0000000KvI\n", OrgIdError::Character),
            ("00DR00000-0KvIt", OrgIdError::Character),
            ("00DR000000é0KvI", OrgIdError::Length),
            ("00DR000000éKvI", OrgIdError::Character),
            ("00DR0000000KvItMAA", OrgIdError::Checksum),
            ("00DR0000000KvItmak", OrgIdError::Checksum),
            ("005R0000000pgIj", OrgIdError::Prefix),
            ("00dR0000000KvIt", OrgIdError::Prefix),
        ] {
            assert_eq!(OrgId::parse(text), Err(error), "{text:?}");
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn an_opaque_access_token_names_its_org() {
        let org = OrgId::parse("00DR0000000KvIt").unwrap();
        assert_eq!(OrgId::from_access_token("00DR0000000KvIt!AQ4AQabc.def_9"), Some(org.clone()));
        assert_eq!(OrgId::from_access_token("00DR0000000KvItMAK!AQ4AQ"), Some(org));
        for token in [
            "",
            "!",
            "00DR0000000KvIt",
            "eyJhbGciOi.J9.x",
            "005R0000000pgIj!AQ",
            "00DR0000000KvItMAA!AQ",
            "é!x",
        ] {
            assert_eq!(OrgId::from_access_token(token), None, "{token:?}");
        }
    }

    #[test]
    fn an_identity_url_names_org_and_user() {
        let expected = Some((OrgId::parse("00DR0000000KvIt").unwrap(), "005R0000000pgIjIAI".to_owned()));
        for url in [
            "https://login.stmpa.stm.salesforce.com/id/00DR0000000KvItMAK/005R0000000pgIjIAI",
            "https://login.salesforce.com/id/00DR0000000KvIt/005R0000000pgIj",
            "https://acme.my.site.com/partners/id/00DR0000000KvItMAK/005R0000000pgIjIAI/",
            "https://test.salesforce.com/id/00DR0000000KvItMAK/005R0000000pgIjIAI?version=65.0",
        ] {
            assert_eq!(OrgId::from_identity_url(url), expected, "{url}");
        }
    }

    #[test]
    fn other_urls_name_nobody() {
        for url in [
            "",
            "/",
            "https://login.salesforce.com/id",
            "https://login.salesforce.com/id/00DR0000000KvItMAK",
            "https://login.salesforce.com/ids/00DR0000000KvItMAK/005R0000000pgIjIAI",
            "https://login.salesforce.com/id/005R0000000pgIjIAI/00DR0000000KvItMAK",
            "https://login.salesforce.com/id/00DR0000000KvItMAK/005R0000000pgIjIAA",
            "https://login.salesforce.com/id/00DR0000000KvItMAA/005R0000000pgIjIAI",
            "https://login.salesforce.com/?u=/id/00DR0000000KvItMAK/005R0000000pgIjIAI",
        ] {
            assert_eq!(OrgId::from_identity_url(url), None, "{url}");
        }
    }
}
