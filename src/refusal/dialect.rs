//! Which of Salesforce's APIs a request is for: it decides where the token goes and how a refusal is worded.

/// An API, by the way it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// REST, and every API that speaks like it.
    Rest,
    /// Bulk API 1.0, which takes the session from a header of its own.
    Bulk,
    /// SOAP, in all its APIs.
    Soap,
    /// The identity URL, `userinfo` and their neighbours.
    Identity,
    /// What is asked with a client's credentials or a refresh token: what it refuses is not the session.
    OwnCredentials,
    /// Data Cloud: the exchange of a session for its own token, and the APIs that take that token.
    DataCloud,
    /// The Agent API and its neighbours on `api.salesforce.com`, which take tokens in JWT format only.
    Agent,
    /// Pages, Apex REST, and whatever else is below none of the APIs' paths. Sessions are refused as REST refuses them;
    /// pages and redirects are an application's own answers.
    Elsewhere,
}

/// Below this are nearly all of Salesforce's APIs, on a site behind the site's own prefix.
const SERVICES: &[u8] = b"/services/";

impl Dialect {
    /// The API that `path` is of, whatever the case of its letters.
    #[inline]
    pub(crate) fn of(path: &str) -> Self {
        // Asked of every request, so that nearly all are answered by one comparison.
        if path.as_bytes().starts_with(b"/services/data/") {
            Self::Rest
        } else {
            Self::of_other(path.as_bytes())
        }
    }

    fn of_other(path: &[u8]) -> Self {
        // Only the first one counts: what is behind `/services/apexrest/` is an application's own.
        let services = path.windows(SERVICES.len()).position(|window| window.eq_ignore_ascii_case(SERVICES));
        match services {
            Some(site) => Self::of_service(path.get(site + SERVICES.len()..).unwrap_or_default()),
            None if begins_with(path, b"/id/") => Self::Identity,
            None if begins_with(path, b"/einstein/") => Self::Agent,
            None if begins_with(path, b"/api/v1/") || begins_with(path, b"/api/v2/") => Self::DataCloud,
            None => Self::Elsewhere,
        }
    }

    /// The API that is below `/services/`.
    fn of_service(path: &[u8]) -> Self {
        if begins_with(path, b"async/") {
            Self::Bulk
        } else if begins_with(path, b"soap/") {
            Self::Soap
        } else if begins_with(path, b"apexrest/") {
            Self::Elsewhere
        } else if begins_with(path, b"a360/") {
            Self::DataCloud
        } else if let Some(resource) = path.strip_prefix(b"oauth2/") {
            // Compared exactly, as Salesforce's own clients compare.
            match resource {
                b"token" | b"revoke" | b"introspect" | b"authorize" => Self::OwnCredentials,
                _ => Self::Identity,
            }
        } else if path == b"oauth2" {
            Self::Identity
        } else {
            Self::Rest
        }
    }

    /// Whether programs ask here and people do not: then neither a page nor the way to one is an answer.
    pub(super) fn is_api(self) -> bool {
        matches!(self, Self::Rest | Self::Bulk | Self::Soap | Self::DataCloud | Self::Agent)
    }
}

fn begins_with(path: &[u8], prefix: &[u8]) -> bool {
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f138_each_api_is_told_by_its_path_also_below_a_site() {
        let far = format!("/{}/services/async/65.0/job", "deep/".repeat(1_000));
        for (dialect, paths) in [
            (
                Dialect::Rest,
                &[
                    "/services/data/v65.0/limits",
                    "/Services/Data/v65.0/jobs/ingest",
                    "/services/asyncapex/",
                    "/services/async",
                    "/services/",
                    "/partners/services/data/v65.0/",
                ][..],
            ),
            (
                Dialect::Bulk,
                &[
                    "/services/async/65.0/job",
                    "/SERVICES/Async/",
                    "/partners/services/async/65.0/job/750",
                    &far,
                ],
            ),
            (
                Dialect::Soap,
                &["/services/Soap/u/65.0", "/SERVICES/soap/T/65.0", "/partners/services/Soap/class/X"],
            ),
            (
                Dialect::Identity,
                &[
                    "/services/oauth2/userinfo",
                    "/services/oauth2/singleaccess",
                    "/services/oauth2",
                    "/id/00D/005",
                ],
            ),
            (
                Dialect::OwnCredentials,
                &["/services/oauth2/token", "/services/oauth2/revoke", "/services/oauth2/introspect"],
            ),
            (Dialect::DataCloud, &["/services/a360/token", "/api/v1/query", "/api/v2/query/x/rows"]),
            (
                Dialect::Agent,
                &["/einstein/ai-agent/v1/agents/0Xx/sessions", "/einstein/ai-agent/v6.0.0/sessions/1"],
            ),
            (
                Dialect::Elsewhere,
                &[
                    "",
                    "/",
                    "/services",
                    "/x/id/1/2",
                    "/idea",
                    "/apex/page",
                    "/services/apexrest/services/async/x",
                    "/services/apexrest/id/1",
                    "/cometd/65.0",
                    "/async/65.0/job",
                    "/servicesä/async/",
                ],
            ),
        ] {
            for path in paths {
                assert_eq!(Dialect::of(path), dialect, "{path}");
            }
        }
    }
}
