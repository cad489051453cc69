//! Why an instance URL was refused.

use std::fmt;

use crate::error::printable;

/// Why an instance URL was refused: which rule it broke, and what to do.
///
/// It may name the host, escaped and capped, never credentials, a path or a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceUrlError {
    kind: InstanceUrlErrorKind,
    host: Option<String>,
}

/// Which rule an instance URL broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstanceUrlErrorKind {
    /// There is nothing.
    Empty,
    /// A space, a control character, a backslash or a percent sign.
    ForbiddenCharacter,
    /// A character outside ASCII.
    NotAscii,
    /// Another scheme than `https`, or none.
    NotHttps,
    /// Credentials before the host.
    Userinfo,
    /// A path, a query or a fragment.
    NotAnOrigin,
    /// A port other than 443.
    Port,
    /// An IP address in any spelling.
    IpLiteral,
    /// A label that begins with `xn--`.
    Internationalised,
    /// The host has more than 253 bytes.
    HostTooLong,
    /// The host is no DNS name: an empty or overlong label, a character that names do not have.
    MalformedHost,
    /// A host of the Lightning user interface.
    LightningHost,
    /// A host of the setup pages.
    SetupHost,
    /// A host under `.force.com`, which must be allowed explicitly.
    SiteHost,
    /// Not a host that Salesforce takes API calls on.
    NotSalesforce,
}

impl InstanceUrlErrorKind {
    /// The error of this kind that names `host`.
    pub(super) fn about(self, host: &str) -> InstanceUrlError {
        InstanceUrlError { kind: self, host: Some(printable(host)) }
    }
}

impl From<InstanceUrlErrorKind> for InstanceUrlError {
    fn from(kind: InstanceUrlErrorKind) -> Self {
        Self { kind, host: None }
    }
}

impl InstanceUrlError {
    /// Which rule was broken.
    #[must_use]
    pub fn kind(&self) -> InstanceUrlErrorKind {
        self.kind
    }

    /// The host, where it is safe to repeat: in lower case, escaped and capped.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl fmt::Display for InstanceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use InstanceUrlErrorKind as Kind;

        f.write_str("instance url refused")?;
        if let Some(host) = &self.host {
            write!(f, " (host {host})")?;
        }
        f.write_str(": ")?;
        f.write_str(match self.kind {
            Kind::Empty => "it is empty; take the instance_url of a token answer",
            Kind::ForbiddenCharacter => {
                "it holds a space, a control character, a backslash or a percent sign; remove it"
            }
            Kind::NotAscii => "it holds a character outside ascii; salesforce hosts are plain ascii",
            Kind::NotHttps => "its scheme is not https; write it as https://<my domain>.my.salesforce.com",
            Kind::Userinfo => "it holds credentials before the host; remove everything up to the @",
            Kind::NotAnOrigin => "it has a path, a query or a fragment; keep scheme and host only",
            Kind::Port => "its port is not 443; remove it",
            Kind::IpLiteral => "its host is an ip address; use the org's host name",
            Kind::Internationalised => {
                "a label of its host begins with xn--; salesforce hosts are plain ascii"
            }
            Kind::HostTooLong => "its host has more than 253 bytes; take the instance_url of a token answer",
            Kind::MalformedHost => "its host is not a dns name; take the instance_url of a token answer",
            Kind::LightningHost => {
                "lightning hosts take no api calls; use the my domain host, <my domain>.my.salesforce.com"
            }
            Kind::SetupHost => {
                "setup hosts take no api calls; use the my domain host, <my domain>.my.salesforce.com"
            }
            Kind::SiteHost => {
                "hosts under .force.com also serve customers' own pages; they must be allowed explicitly"
            }
            Kind::NotSalesforce => {
                "salesforce takes no api calls there; its hosts end in .salesforce.com, .salesforce.mil, \
                 .cloudforce.com or .sfcrmproducts.cn"
            }
        })
    }
}

impl std::error::Error for InstanceUrlError {}
