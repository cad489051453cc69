//! Where a connection's token endpoint is.

use std::{fmt, net::Ipv4Addr};

use http::Uri;

/// The host that a connection logs in at.
///
/// Refresh tokens and client secrets are sent to this host and to no other: there is no fallback from one login host
/// to another, and redirects are not followed. `https` only; plain `http` is for tests on loopback, behind the
/// builder's switch for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginHost {
    /// `login.salesforce.com`: production and Developer Edition orgs.
    Production,
    /// `test.salesforce.com`: sandboxes.
    Sandbox,
    /// The org's My Domain: `acme.my.salesforce.com`, with or without `https://`, without a path.
    MyDomain(String),
    /// An Experience Cloud site with its path, if it has one: `https://acme.my.site.com/customers`.
    ExperienceCloud(String),
}

/// Why a login host cannot be used. It does not repeat the host: it may hold a password (`user:password@host`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginHostError {
    /// It begins with `http://`, and it is not loopback or loopback was not allowed.
    PlainHttp,
    /// It has a scheme that is neither `https` nor `http`.
    Scheme,
    /// It has a user name or a password before the host.
    Userinfo,
    /// It has a query or a fragment.
    QueryOrFragment,
    /// It has a path where none may be, or a path that no site has.
    Path,
    /// Its host or port is not one.
    Host,
    /// It is a Lightning host, which has no token endpoint.
    Lightning,
    /// This grant works at the org's My Domain only.
    MyDomainRequired,
}

impl fmt::Display for LoginHostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainHttp => {
                "the login host uses plain http, which would show secrets to the network; use https (http is for tests \
                 on loopback, and must be allowed there)"
            }
            Self::Scheme => "the login host has an unknown scheme; write https:// or leave the scheme out",
            Self::Userinfo => "the login host contains a user name or '@'; give the host alone",
            Self::QueryOrFragment => "the login host contains a query or a fragment; give the host alone",
            Self::Path => {
                "the login host has a path; give a My Domain without one (acme.my.salesforce.com), and a site with the \
                 site's own path (acme.my.site.com/customers)"
            }
            Self::Host => {
                "the login host is not a host name; write for example acme.my.salesforce.com, in ASCII and without \
                 white space"
            }
            Self::Lightning => {
                "the login host is a Lightning host, which issues no tokens; use the org's My Domain \
                 (acme.my.salesforce.com)"
            }
            Self::MyDomainRequired => {
                "this grant works at the org's My Domain only; use LoginHost::MyDomain(\"acme.my.salesforce.com\")"
            }
        })
    }
}

impl std::error::Error for LoginHostError {}

/// A login host, checked: the addresses that requests go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginOrigin {
    origin: String,
    base: String,
    token: Uri,
    revoke: Uri,
    introspect: Uri,
}

impl LoginOrigin {
    /// Scheme, host and port in canonical form, for example `https://login.salesforce.com`: what a stored record is
    /// pinned to.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The origin, followed by the path of an Experience Cloud site.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn token(&self) -> &Uri {
        &self.token
    }

    pub(crate) fn revoke(&self) -> &Uri {
        &self.revoke
    }

    pub(crate) fn introspect(&self) -> &Uri {
        &self.introspect
    }
}

const PRODUCTION: &str = "login.salesforce.com";
const SANDBOX: &str = "test.salesforce.com";

impl LoginHost {
    /// The org's My Domain, for example `acme.my.salesforce.com`.
    pub fn my_domain(host: impl Into<String>) -> Self {
        Self::MyDomain(host.into())
    }

    /// An Experience Cloud site, for example `https://acme.my.site.com/customers`.
    pub fn experience_cloud(site: impl Into<String>) -> Self {
        Self::ExperienceCloud(site.into())
    }

    /// Checks the host and derives the addresses. `loopback` allows plain `http` to this machine, for tests.
    pub(crate) fn resolve(&self, loopback: bool) -> Result<LoginOrigin, LoginHostError> {
        let site = matches!(self, Self::ExperienceCloud(_));
        let parts = Parts::parse(self.text())?;
        if parts.plain && !(loopback && parts.is_loopback()) {
            return Err(LoginHostError::PlainHttp); // F111
        }
        if parts.host.ends_with(".lightning.force.com") {
            return Err(LoginHostError::Lightning);
        }
        if !(parts.path.is_empty() || site && is_site_path(parts.path)) {
            return Err(LoginHostError::Path);
        }
        let origin = parts.origin();
        let base = format!("{origin}{}", parts.path);
        let endpoint =
            |name| format!("{base}/services/oauth2/{name}").parse().map_err(|_| LoginHostError::Host);
        Ok(LoginOrigin {
            token: endpoint("token")?,
            revoke: endpoint("revoke")?,
            introspect: endpoint("introspect")?,
            origin,
            base,
        })
    }

    /// Whether the host is an org's own, and not one of the two that all orgs share.
    pub(crate) fn require_my_domain(&self) -> Result<(), LoginHostError> {
        match Parts::parse(self.text())?.host.as_str() {
            PRODUCTION | SANDBOX => Err(LoginHostError::MyDomainRequired),
            _ => Ok(()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Production => PRODUCTION,
            Self::Sandbox => SANDBOX,
            Self::MyDomain(text) | Self::ExperienceCloud(text) => text,
        }
    }
}

/// A login host, taken apart by hand: URI parsers disagree about user names, ports and white space, and what they
/// disagree about is where the secrets go.
struct Parts<'a> {
    plain: bool,
    /// Lower case, without a trailing dot.
    host: String,
    /// `None` for the scheme's own.
    port: Option<u16>,
    /// Without a trailing slash.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Result<Self, LoginHostError> {
        for byte in text.bytes() {
            match byte {
                b'@' => return Err(LoginHostError::Userinfo),
                b'?' | b'#' => return Err(LoginHostError::QueryOrFragment),
                b'\\' | b'%' => return Err(LoginHostError::Host),
                0x21..=0x7e => {}
                _ => return Err(LoginHostError::Host),
            }
        }
        let (plain, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (true, rest),
            Some(_) => return Err(LoginHostError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix("[::1]") {
            Some(port) => ("[::1]", port),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !(host == "[::1]" || is_host_name(&host)) {
            return Err(LoginHostError::Host);
        }
        let port = parse_port(port)?.filter(|port| *port != if plain { 80 } else { 443 });
        Ok(Self { plain, host, port, path: path.strip_suffix('/').unwrap_or(path) })
    }

    fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "[::1]")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }

    fn origin(&self) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }
}

/// `text` is empty or a colon with a port behind it.
fn parse_port(text: &str) -> Result<Option<u16>, LoginHostError> {
    let Some(digits) = text.strip_prefix(':') else { return Ok(None) };
    // `parse` alone would take "+443".
    match digits.parse() {
        Ok(port) if port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(port)),
        _ => Err(LoginHostError::Host),
    }
}

/// The lengths of RFC 1035, and the underscore that some sandboxes' names have.
fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn is_site_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn my_domain(text: &str) -> Result<String, LoginHostError> {
        LoginHost::my_domain(text).resolve(false).map(|login| login.token().to_string())
    }

    #[test]
    fn each_host_has_its_token_and_revoke_addresses() {
        for (host, base) in [
            (LoginHost::Production, "https://login.salesforce.com"),
            (LoginHost::Sandbox, "https://test.salesforce.com"),
            (LoginHost::my_domain("acme.my.salesforce.com"), "https://acme.my.salesforce.com"),
            (LoginHost::my_domain("https://acme.my.salesforce.com"), "https://acme.my.salesforce.com"),
            (LoginHost::experience_cloud("https://acme.my.site.com"), "https://acme.my.site.com"),
            (
                LoginHost::experience_cloud("acme.my.site.com/customers/"),
                "https://acme.my.site.com/customers",
            ),
        ] {
            let login = host.resolve(false).unwrap();
            assert_eq!(login.base(), base, "{host:?}");
            assert_eq!(login.token().to_string(), format!("{base}/services/oauth2/token"));
            assert_eq!(login.revoke().to_string(), format!("{base}/services/oauth2/revoke"));
            assert_eq!(login.introspect().to_string(), format!("{base}/services/oauth2/introspect"));
        }
    }

    #[test]
    fn the_pinned_origin_has_neither_the_sites_path_nor_the_default_port() {
        let login = LoginHost::experience_cloud("acme.my.site.com:443/customers").resolve(false).unwrap();
        assert_eq!(login.origin(), "https://acme.my.site.com");
    }

    #[test]
    fn f125_upper_case_and_one_trailing_dot_are_normalised() {
        assert_eq!(
            my_domain("HTTPS://ACME.my.Salesforce.com./").unwrap(),
            "https://acme.my.salesforce.com/services/oauth2/token"
        );
        assert_eq!(my_domain("acme.my.salesforce.com.."), Err(LoginHostError::Host));
    }

    #[test]
    fn f111_plain_http_is_for_loopback_and_only_when_allowed() {
        for text in ["http://127.0.0.1:8080", "http://127.9.9.9", "http://localhost:1", "http://[::1]:8080"] {
            assert!(LoginHost::my_domain(text).resolve(true).is_ok(), "{text}");
            assert_eq!(my_domain(text), Err(LoginHostError::PlainHttp), "{text}");
        }
        for text in [
            "http://acme.my.salesforce.com",
            "http://10.0.0.1",
            "http://0x7f.1",
            "http://2130706433",
            "http://localhost.example",
        ] {
            assert_eq!(LoginHost::my_domain(text).resolve(true), Err(LoginHostError::PlainHttp), "{text}");
        }
        let login = LoginHost::my_domain("http://[::1]:8080").resolve(true).unwrap();
        assert_eq!(login.origin(), "http://[::1]:8080");
    }

    #[test]
    fn whatever_is_more_than_a_host_is_refused() {
        use LoginHostError::*;
        for (text, error) in [
            ("https://acme.my.salesforce.com@evil.example", Userinfo),
            ("user:secret@acme.my.salesforce.com", Userinfo),
            ("acme.my.salesforce.com?x=1", QueryOrFragment),
            ("acme.my.salesforce.com#x", QueryOrFragment),
            ("ftp://acme.my.salesforce.com", Scheme),
            ("https:acme.my.salesforce.com", Host),
            ("", Host),
            ("https://", Host),
            (" acme.my.salesforce.com", Host),
            ("acme.my.salesforce.com\n", Host),
            ("acme\\.my.salesforce.com", Host),
            ("acme%2e.my.salesforce.com", Host),
            ("acmé.my.salesforce.com", Host),
            ("acme..my.salesforce.com", Host),
            ("acme.my.salesforce.com:", Host),
            ("acme.my.salesforce.com:0", Host),
            ("acme.my.salesforce.com:+443", Host),
            ("acme.my.salesforce.com:99999", Host),
            ("[::2]", Host),
            ("acme.my.salesforce.com/services", Path),
            ("acme.lightning.force.com", Lightning),
        ] {
            assert_eq!(my_domain(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_sites_path_holds_plain_segments_only() {
        for path in ["//x", "/a//b", "/..", "/a/../b", "/./a", "/a;b", "/a b"] {
            let host = LoginHost::experience_cloud(format!("acme.my.site.com{path}"));
            assert!(host.resolve(false).is_err(), "{path}");
        }
    }

    #[test]
    fn the_error_does_not_repeat_what_may_hold_a_password() {
        let error = my_domain("https://user:canary@acme.my.salesforce.com").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
