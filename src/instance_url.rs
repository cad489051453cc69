//! The origin that a token answer names: where an org takes its API calls.

mod error;
#[cfg(test)]
mod tests;

use std::{fmt, net::Ipv4Addr, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

pub use self::error::{InstanceUrlError, InstanceUrlErrorKind};

/// The most bytes of a host name (RFC 1035, section 2.3.4, without the final dot).
const HOST_BYTES: usize = 253;

/// The most bytes of one label of a host name (RFC 1035, section 2.3.4).
const LABEL_BYTES: usize = 63;

/// Where orgs take API calls. Each suffix begins with a dot: without it `evilsalesforce.com` would pass (F127).
///
/// My Domain hosts (`.my.salesforce.com`) and Salesforce's own test stands (`.stm.salesforce.com`) are under the first;
/// the others are the Government Cloud, Cloudforce and Salesforce on Alibaba Cloud.
const API_SUFFIXES: [&str; 4] =
    [".salesforce.com", ".salesforce.mil", ".cloudforce.com", ".sfcrmproducts.cn"];

/// Sites and Visualforce pages, which customers script: only for those who ask for it.
const SITE_SUFFIX: &str = ".force.com";

/// The setup pages, which take no API calls.
const SETUP_SUFFIX: &str = ".salesforce-setup.com";

/// The origin of an org: `https` and a host that Salesforce serves API calls on.
///
/// It comes from the `instance_url` of a token answer and decides where access tokens are sent, so it is checked byte by
/// byte before any URL parser sees it: parsers disagree about what `https://a@b`, `0x7f.1` or `acme%2ecom` mean, and a
/// check that trusts one parser can be led past by another. What passes is plain: `https`, no credentials, no path, no
/// port but 443, an ASCII host name under a Salesforce suffix. Upper case, one final dot and `:443` are normalised away.
///
/// ```
/// # use tower_salesforce_auth::InstanceUrl;
/// let url: InstanceUrl = "https://ACME.my.salesforce.com./".parse()?;
/// assert_eq!(url.to_string(), "https://acme.my.salesforce.com");
/// assert!(InstanceUrl::parse("https://acme.my.salesforce.com@evil.example").is_err());
/// # Ok::<(), tower_salesforce_auth::InstanceUrlError>(())
/// ```
///
/// The suffix alone does not make a host the right one: anybody can have a My Domain. A session also pins its
/// [`OrgId`](crate::OrgId).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceUrl {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Which hosts pass besides those that every org may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostPolicy {
    /// `http` and `https` on `127.0.0.0/8`, `[::1]` and `localhost`, any port: for tests against a local server.
    pub(crate) loopback: bool,
    /// Hosts under `.force.com`.
    pub(crate) force_com: bool,
}

impl InstanceUrl {
    /// Reads an origin, refusing whatever is not plainly the API host of an org.
    ///
    /// # Errors
    ///
    /// [`InstanceUrlError`] says which rule was broken and what to do. It never repeats credentials, paths or queries.
    pub fn parse(text: &str) -> Result<Self, InstanceUrlError> {
        Self::parse_with(text, HostPolicy::default())
    }

    pub(crate) fn parse_with(text: &str, policy: HostPolicy) -> Result<Self, InstanceUrlError> {
        use InstanceUrlErrorKind as Kind;

        check_bytes(text)?;
        let (scheme, rest) = split_scheme(text)?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // F119: before anything that an error could repeat.
        if authority.contains('@') {
            return Err(Kind::Userinfo.into());
        }
        let (host, port) = split_port(authority).ok_or(Kind::IpLiteral)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let loopback = policy.loopback && is_loopback(&host);

        if scheme == Scheme::HTTP && !loopback {
            return Err(Kind::NotHttps.into());
        }
        if !loopback {
            check_name(&host)?;
            check_salesforce(&host, policy)?;
        }
        // F121: refused, not dropped: a path here means that somebody misunderstands what this value is.
        if !matches!(tail, "" | "/") {
            return Err(Kind::NotAnOrigin.about(&host));
        }
        let port = match port {
            None => None,
            Some(digits) => match parse_port(digits) {
                Some(port) if port == default_port(&scheme) => None,
                Some(port) if loopback => Some(port),
                _ => return Err(Kind::Port.about(&host)),
            },
        };
        let authority = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        match Authority::try_from(authority) {
            Ok(authority) => Ok(Self { scheme, authority }),
            Err(_) => Err(Kind::MalformedHost.about(&host)),
        }
    }

    /// The scheme: `https`.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The host in lower case, without a final dot, without `:443`.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether `uri` is absolute and points at this origin, however it spells case, a final dot or the default port.
    ///
    /// A URI with credentials never does. Allocates nothing.
    pub(crate) fn is_origin_of(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
        if *scheme != self.scheme {
            return false;
        }
        let (ours, theirs) = (self.authority.as_str(), authority.as_str());
        ours == theirs || (!theirs.contains('@') && self.comparable(ours) == self.comparable(theirs))
    }

    /// What two spellings of one authority have in common; never equal to ours for one that cannot be read.
    fn comparable<'a>(&self, authority: &'a str) -> Option<(CaseInsensitive<'a>, u16)> {
        let (host, port) = split_port(authority)?;
        let host = CaseInsensitive(host.strip_suffix('.').unwrap_or(host));
        match port {
            // RFC 3986, section 6.2.3: an empty port is the default port.
            None | Some("") => Some((host, default_port(&self.scheme))),
            // http's own reading is of no use here: it takes 99999 for "no port".
            Some(digits) => parse_port(digits).map(|port| (host, port)),
        }
    }
}

impl fmt::Display for InstanceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl FromStr for InstanceUrl {
    type Err = InstanceUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

struct CaseInsensitive<'a>(&'a str);

impl PartialEq for CaseInsensitive<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

/// F124, F126: bytes that parsers strip, decode or map, so that two of them read two hosts.
fn check_bytes(text: &str) -> Result<(), InstanceUrlError> {
    if text.is_empty() {
        return Err(InstanceUrlErrorKind::Empty.into());
    }
    for byte in text.bytes() {
        match byte {
            0..=b' ' | 0x7f | b'\\' | b'%' => return Err(InstanceUrlErrorKind::ForbiddenCharacter.into()),
            0x80.. => return Err(InstanceUrlErrorKind::NotAscii.into()),
            _ => {}
        }
    }
    Ok(())
}

/// F120. The two slashes are part of it: http reads `https:acme.my.salesforce.com` as a host named `https`.
fn split_scheme(text: &str) -> Result<(Scheme, &str), InstanceUrlError> {
    for (prefix, scheme) in [("https://", Scheme::HTTPS), ("http://", Scheme::HTTP)] {
        if let Some((start, rest)) = text.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return Ok((scheme, rest));
        }
    }
    Err(InstanceUrlErrorKind::NotHttps.into())
}

/// Host and port of an authority without credentials; `None` for an IPv6 address out of its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at(authority.find(']')? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// A port in its one canonical spelling: `0443` and `+443` are read differently by different parsers.
fn parse_port(digits: &str) -> Option<u16> {
    let canonical = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}

fn default_port(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTP { 80 } else { 443 }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// F123, F124 and the rules of DNS: the host is a plain ASCII name and nothing else.
fn check_name(host: &str) -> Result<(), InstanceUrlError> {
    use InstanceUrlErrorKind as Kind;

    if host.len() > HOST_BYTES {
        return Err(Kind::HostTooLong.into());
    }
    if host.starts_with('[') || host.rsplit('.').next().is_some_and(is_number) {
        return Err(Kind::IpLiteral.about(host));
    }
    for label in host.split('.') {
        // Refused even where it decodes to plain ASCII (`xn--acme-`): no host of Salesforce's is written so.
        if label.starts_with("xn--") {
            return Err(Kind::Internationalised.about(host));
        }
        let well_formed = (1..=LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !well_formed {
            return Err(Kind::MalformedHost.about(host));
        }
    }
    Ok(())
}

/// Whether a host that ends in this label is read as an IPv4 address by URL parsers (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// F127. The first label is the customer's own: a My Domain may well be called `lightning`.
fn check_salesforce(host: &str, policy: HostPolicy) -> Result<(), InstanceUrlError> {
    use InstanceUrlErrorKind as Kind;

    let salesforce = API_SUFFIXES.iter().any(|suffix| host.ends_with(suffix));
    let site = host.ends_with(SITE_SUFFIX);
    if host.ends_with(SETUP_SUFFIX) {
        return Err(Kind::SetupHost.about(host));
    }
    if (salesforce || site) && host.split('.').skip(1).any(|label| label == "lightning") {
        return Err(Kind::LightningHost.about(host));
    }
    match (salesforce, site) {
        (true, _) => Ok(()),
        (_, true) if policy.force_com => Ok(()),
        (_, true) => Err(Kind::SiteHost.about(host)),
        _ => Err(Kind::NotSalesforce.about(host)),
    }
}
