//! Whether a request is for this session's org, and the URI it is then sent to.

use std::mem;

use http::{Method, Uri, uri::Parts};

use crate::{
    diagnosis::Facts,
    error::{AuthError, AuthErrorKind, printable},
    session::Live,
};

/// The form of a request target that can be sent to an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A path, perhaps with a query.
    Relative,
    /// Scheme, authority and path.
    Absolute,
}

/// Where a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To the org's current origin.
    Home,
    /// To where the caller said: an origin that the session's builder allows.
    AsGiven,
}

impl Form {
    /// The form of the target of a request, known before there is a token.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::UnsupportedTarget`] for `CONNECT`, `*`, the authority form (F130) and a path that is not
    /// rooted.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Result<Self, AuthError> {
        let Some(path) = uri.path_and_query().filter(|_| method != Method::CONNECT) else {
            return Err(unsupported("a tunnel, or a host without a path"));
        };
        // `Uri::from_parts` takes a path that is not rooted, and `*@evil.example` printed behind an authority makes
        // that authority a user part: a client that parses what was printed would send the token there.
        if !matches!(path.as_str().as_bytes().first(), Some(b'/' | b'?')) {
            return Err(unsupported("a target that does not begin with a slash"));
        }
        Ok(if uri.scheme().is_some() { Self::Absolute } else { Self::Relative })
    }

    /// Decides whether `uri`, of this form, may get the token, and where it is sent.
    ///
    /// Ours are relative URIs, the current and the former origins of the org, and what `allows` accepts.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::ForeignOrigin`] for any other absolute URI (F129).
    pub(crate) fn aim(
        self,
        uri: &Uri,
        live: &Live,
        allows: impl FnOnce(&Uri) -> bool,
    ) -> Result<Aim, AuthError> {
        if self == Self::Relative {
            return Ok(Aim::Home);
        }
        // A host behind a user part is how one is smuggled in: such a URI is never ours, whatever the host (F119).
        let has_userinfo = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if has_userinfo {
            Err(foreign(uri))
        } else if live.tokens.is_home_of(uri) {
            Ok(Aim::Home)
        } else if allows(uri) {
            Ok(Aim::AsGiven)
        } else {
            Err(foreign(uri))
        }
    }
}

impl Aim {
    /// Makes `uri` the one to send to. The path and the query stay as they are, byte for byte (F131).
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::UnsupportedTarget`] if `uri` has no path, which [`Form::of`] has ruled out.
    #[inline(always)]
    pub(crate) fn direct(self, uri: &mut Uri, live: &Live) -> Result<(), AuthError> {
        if self == Self::Home {
            let path_and_query = mem::take(uri).into_parts().path_and_query;
            let mut parts = Parts::default();
            parts.path_and_query = path_and_query;
            parts.scheme = Some(live.scheme.clone());
            parts.authority = Some(live.authority.clone());
            match Uri::from_parts(parts) {
                // What was there meanwhile is made of constants: to see that there is nothing to drop costs as much as a header.
                Ok(home) => mem::forget(mem::replace(uri, home)),
                Err(error) => return Err(unsupported("a target without a path").with_source(error)),
            }
        }
        Ok(())
    }
}

#[cold]
fn unsupported(what: &str) -> AuthError {
    AuthError::new(
        AuthErrorKind::UnsupportedTarget,
        format!("{what} cannot be sent to an org: use a path such as /services/data or an absolute URI"),
    )
    .diagnosed(Facts::default())
}

#[cold]
fn foreign(uri: &Uri) -> AuthError {
    // F137: the host alone, since a query or a user part may hold a secret.
    let host = printable(uri.host().unwrap_or_default());
    AuthError::new(
        AuthErrorKind::ForeignOrigin,
        format!(
            "the request was not sent: {host} is not an origin of this session's org; use a relative URI, or allow the origin when building the session"
        ),
    )
    .diagnosed(Facts::default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::uri::{Parts, PathAndQuery};

    use super::*;

    const HOME: &str = "acme.my.salesforce.com";

    fn live() -> Arc<Live> {
        Live::sample(1, "00D!t", HOME, &["na1.salesforce.com", "acme--old.my.salesforce.com"])
    }

    fn resolve_with(method: &Method, mut uri: Uri, live: &Live) -> Result<String, AuthErrorKind> {
        Form::of(method, &uri)
            .and_then(|form| form.aim(&uri, live, |uri| uri.host() == Some("content.example")))
            .and_then(|aim| aim.direct(&mut uri, live))
            .map(|()| uri.to_string())
            .map_err(|error| error.kind())
    }

    fn resolve(uri: &str) -> Result<String, AuthErrorKind> {
        resolve_with(&Method::GET, uri.parse().unwrap(), &live())
    }

    #[test]
    fn f131_a_relative_target_goes_home_byte_for_byte() {
        let long = format!("/{}", "x".repeat(65_533));
        for target in [
            "/",
            "//x",
            "//evil.example/x",
            "/a/../b",
            "/%2e%2e/%2E%2e/x",
            "/a;b=c",
            "/a?",
            "/?",
            "/a?b=%zz&c=d?e",
            "/a//b/",
            "/a@evil.example/",
            "/services/data/v65.0/query?q=SELECT+Id+FROM+Account%20WHERE%20Name='ä'",
            long.as_str(),
        ] {
            assert_eq!(resolve(target), Ok(format!("https://{HOME}{target}")));
        }
    }

    #[test]
    fn f114_the_current_and_the_former_origins_lead_to_the_current_one() {
        for origin in [
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com:443",
            "https://ACME.My.Salesforce.COM",
            "HTTPS://acme.my.salesforce.com",
            "https://na1.salesforce.com",
            "https://acme--old.my.salesforce.com:443",
        ] {
            assert_eq!(resolve(&format!("{origin}/a?b=c")), Ok(format!("https://{HOME}/a?b=c")), "{origin}");
        }
        assert_eq!(resolve("https://acme.my.salesforce.com"), Ok(format!("https://{HOME}/")));
        assert_eq!(resolve("https://acme.my.salesforce.com?a=b"), Ok(format!("https://{HOME}/?a=b")));
    }

    #[test]
    fn an_allowed_origin_is_left_as_it_is() {
        let given = "https://content.example:8443/x?";
        assert_eq!(resolve(given), Ok(given.into()));
    }

    #[test]
    fn f129_another_origin_is_an_error() {
        for uri in [
            "https://evil.example/",
            "http://acme.my.salesforce.com/",
            "https://acme.my.salesforce.com:8443/",
            "https://acme.my.salesforce.com.evil.example/",
            "https://evilacme.my.salesforce.com/",
            "https://na2.salesforce.com/",
            "https://acme.my.salesforce.com@evil.example/",
            "https://user@acme.my.salesforce.com/",
            "https://user:pw@content.example/",
            "https://127.0.0.1/",
            "ftp://acme.my.salesforce.com/",
        ] {
            assert_eq!(resolve(uri), Err(AuthErrorKind::ForeignOrigin), "{uri}");
        }
    }

    #[test]
    fn f130_targets_without_a_path_are_errors() {
        for uri in ["*", "acme.my.salesforce.com", "acme.my.salesforce.com:443"] {
            assert_eq!(resolve(uri), Err(AuthErrorKind::UnsupportedTarget), "{uri}");
        }
        for uri in ["/", "https://acme.my.salesforce.com/"] {
            let result = resolve_with(&Method::CONNECT, uri.parse().unwrap(), &live());
            assert_eq!(result, Err(AuthErrorKind::UnsupportedTarget), "CONNECT {uri}");
        }
    }

    #[test]
    fn a_path_that_is_not_rooted_cannot_extend_the_host() {
        for path in [".evil.example/x", "@evil.example/x", "*@evil.example/", ":8443/", "x"] {
            let Ok(path) = PathAndQuery::try_from(path) else { continue };
            let mut parts = Parts::default();
            parts.path_and_query = Some(path);
            let relative = Uri::from_parts(parts).unwrap();
            assert_eq!(resolve_with(&Method::GET, relative, &live()), Err(AuthErrorKind::UnsupportedTarget));
        }
    }

    #[test]
    fn f137_the_error_names_the_host_and_nothing_else_of_the_uri() {
        let uri: Uri = "https://user:canary@evil.example/canary?token=canary".parse().unwrap();
        let error = Form::Absolute.aim(&uri, &live(), |_| false).unwrap_err();
        assert!(error.to_string().contains("evil.example"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
