//! An instance URL is refused, or it is read as the `url` crate and `http` read it.
#![no_main]

use http::Uri;
use libfuzzer_sys::fuzz_target;
use tower_salesforce_auth::fuzzing;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Some((&policy, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (loopback, force_com) = (policy & 1 != 0, policy & 2 != 0);
    let url = match fuzzing::instance_url(text, loopback, force_com) {
        Ok(url) => url,
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.len() < 1024 && !shown.contains(char::is_control), "{shown:?}");
            return;
        }
    };

    let theirs = Url::parse(text).expect("what passes is a URL to others too");
    let host = theirs.host_str().expect("with a host");
    let host = host.strip_suffix('.').unwrap_or(host);
    assert_eq!(url.authority().host(), host);
    assert_eq!(url.scheme().as_str(), theirs.scheme());
    assert_eq!(url.authority().port_u16(), theirs.port());
    assert_eq!((theirs.username(), theirs.password()), ("", None));
    assert_eq!((theirs.path(), theirs.query(), theirs.fragment()), ("/", None, None));
    assert!(loopback || (theirs.scheme() == "https" && theirs.port().is_none()));

    // What is printed is what was meant, for this parser and for the client's.
    let printed = url.to_string();
    assert_eq!(fuzzing::instance_url(&printed, loopback, force_com).as_ref(), Ok(&url));
    let uri: Uri = format!("{printed}/services/data").parse().expect("a URI");
    assert_eq!(uri.authority(), Some(url.authority()));
    assert!(fuzzing::is_origin_of(&url, &uri));
});
