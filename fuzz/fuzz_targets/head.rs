//! A packed head comes back as it was; damaged bytes come back as nothing.
#![no_main]

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use libfuzzer_sys::fuzz_target;
use tower_salesforce_auth::fuzzing;

fuzz_target!(|data: &[u8]| {
    let Some((&shape, data)) = data.split_first() else { return };
    if shape & 1 != 0 {
        // Total, whatever the bytes are.
        let _ = fuzzing::unpack(data.to_vec(), usize::from(shape >> 1));
        return;
    }
    let Some(request) = request(shape, data) else { return };
    let (head, ()) = request.into_parts();
    let again = fuzzing::pack_and_unpack(&head).expect("a whole head");
    let (again, ()) = again.into_parts();
    assert_eq!((&again.method, &again.uri, again.version), (&head.method, &head.uri, head.version));
    assert_eq!(again.uri.to_string(), head.uri.to_string());
    let seen = |headers: &http::HeaderMap| -> Vec<(HeaderName, Vec<u8>, bool)> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.clone(), value.as_bytes().to_vec(), value.is_sensitive())
        };
        headers.iter().map(header).collect()
    };
    assert_eq!(seen(&again.headers), seen(&head.headers));
});

/// A request whose parts are separated by line feeds: method, URI, then names and values in turn.
fn request(shape: u8, data: &[u8]) -> Option<Request<()>> {
    let mut parts = data.split(|byte| *byte == b'\n');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parts.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(parts.next()?).ok()?;
    // Other forms are refused before anything is packed, and so is the empty scheme that `http` reads in `://a`, which
    // is nobody's origin.
    if !fuzzing::has_a_form(request.method(), request.uri()) || request.uri().scheme_str() == Some("") {
        return None;
    }
    if shape & 2 != 0 {
        *request.version_mut() = Version::HTTP_2;
    }
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let mut value = HeaderValue::from_bytes(value).ok()?;
        value.set_sensitive(shape & 4 != 0 && value.len() % 2 == 0);
        request.headers_mut().append(HeaderName::from_bytes(name).ok()?, value);
    }
    Some(request)
}
