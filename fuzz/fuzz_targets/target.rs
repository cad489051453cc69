//! A request that is let through goes to the org, with its path and query byte for byte; nothing else is let through.
#![no_main]

use std::sync::OnceLock;

use http::{
    Method, Uri,
    uri::{Parts, PathAndQuery},
};
use libfuzzer_sys::fuzz_target;
use tower_salesforce_auth::fuzzing::Home;
use url::Url;

const HOME: &str = "acme.my.salesforce.com";
const FORMER: &str = "na1.salesforce.com";

fn home() -> &'static Home {
    static HOME_OF_ALL: OnceLock<Home> = OnceLock::new();
    HOME_OF_ALL.get_or_init(|| Home::new(HOME, &[FORMER]))
}

fuzz_target!(|data: &[u8]| {
    let Some((&shape, text)) = data.split_first() else { return };
    let method = if shape & 1 == 0 { Method::GET } else { Method::CONNECT };
    let uri = if shape & 2 == 0 {
        Uri::try_from(text).ok()
    } else {
        // A path of its own may lack the slash that a parsed one has.
        let mut parts = Parts::default();
        parts.path_and_query = PathAndQuery::try_from(text).ok();
        Uri::from_parts(parts).ok()
    };
    let Some(given) = uri else { return };
    let mut sent = given.clone();
    if let Err(error) = home().rewrite(&method, &mut sent) {
        let shown = error.to_string();
        assert!(shown.len() < 1024 && !shown.contains(char::is_control), "{shown:?}");
        return;
    }

    assert_ne!(method, Method::CONNECT);
    assert_eq!(sent.path_and_query(), given.path_and_query());
    assert_eq!((sent.scheme_str(), sent.authority().map(|authority| authority.as_str())), (Some("https"), Some(HOME)));
    // Whoever parses what is printed goes to the same place.
    let printed = sent.to_string();
    let theirs = Url::parse(&printed).expect("a URL");
    assert_eq!((theirs.scheme(), theirs.host_str(), theirs.port()), ("https", Some(HOME), None), "{printed}");
    assert_eq!((theirs.username(), theirs.password()), ("", None), "{printed}");
    let target = given.path_and_query().map_or("", PathAndQuery::as_str);
    let slash = if target.starts_with('/') { "" } else { "/" };
    assert_eq!(printed, format!("https://{HOME}{slash}{target}"));
    // An absolute target was the org's own, to other parsers too.
    if given.scheme().is_some() {
        let given = Url::parse(&given.to_string()).expect("a URL");
        let host = given.host_str().map(|host| host.strip_suffix('.').unwrap_or(host));
        assert!(matches!(host, Some(HOME | FORMER)), "{given}");
        assert_eq!((given.scheme(), given.port(), given.username()), ("https", None, ""), "{given}");
    }
});
