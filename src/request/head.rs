//! A copy of a request's head, packed for the case that it is sent again.
//!
//! Almost no copy is ever used, so making one must cost next to nothing: cloning a `HeaderMap` is an allocation for
//! each of its two tables and one for every value whose bytes are cloned for the first time. Packed, a usual head is
//! one allocation and a run of copies; the map is rebuilt only for a resend.

use std::fmt;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};

/// Room for a header and for all else but the path, as they are usual with Salesforce's APIs: one allocation does, and
/// nothing grows.
const HEADER_BYTES: usize = 80;
const OTHER_BYTES: usize = 96;

/// Marks a sensitive value in its packed length.
const SENSITIVE: u32 = 1 << 31;

/// Method, URI, version, headers and extensions of a request, as the caller made it: packed before the token is added,
/// which changes from one send to the next.
pub(crate) struct PackedHead {
    /// Texts in pairs, each pair behind its two lengths: method and path with query, scheme and authority if there are
    /// any, then the name and the value of each header.
    bytes: Vec<u8>,
    is_absolute: bool,
    headers: usize,
    version: Version,
    extensions: Extensions,
}

impl PackedHead {
    /// Packs the head of a request; `None` if a part of it is too long to be counted (2 GiB).
    pub(crate) fn pack(head: &request::Parts) -> Option<Self> {
        let request::Parts { method, uri, version, headers: map, extensions, .. } = head;
        let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let mut bytes = Vec::with_capacity(OTHER_BYTES + path.len() + HEADER_BYTES * map.len());
        put(&mut bytes, method.as_str(), path.as_bytes(), 0);
        let is_absolute = uri.scheme().is_some();
        if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
            put(&mut bytes, scheme, authority.as_str().as_bytes(), 0);
        }
        for (name, value) in map {
            let mark = if value.is_sensitive() { SENSITIVE } else { 0 };
            put(&mut bytes, name.as_str(), value.as_bytes(), mark);
        }
        // A map that was emptied still costs an allocation to clone.
        let extensions = if extensions.is_empty() { Extensions::new() } else { extensions.clone() };
        // If all of it is so short, no part was too long for its count.
        (bytes.len() < SENSITIVE as usize).then_some(Self {
            bytes,
            is_absolute,
            headers: map.len(),
            version: *version,
            extensions,
        })
    }

    /// Takes bytes that nobody packed.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_raw(bytes: Vec<u8>, headers: usize) -> Self {
        let is_absolute = headers % 2 == 1; // both forms
        Self { bytes, is_absolute, headers, version: Version::default(), extensions: Extensions::new() }
    }

    /// Rebuilds the head. `None` if it does not parse, which takes a part that was made without the checks of `http`.
    pub(crate) fn unpack(self) -> Option<Request<()>> {
        let mut packed = Packed(Bytes::from(self.bytes));
        let mut request = Request::new(());
        let (method, path, _) = packed.pair()?;
        let (scheme, authority) = if self.is_absolute {
            packed.pair().map(|(scheme, authority, _)| (scheme, authority))?
        } else {
            Default::default()
        };
        *request.method_mut() = Method::from_bytes(&method).ok()?;
        *request.uri_mut() = uri(&scheme, authority, path)?;
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions;
        // With room for the token, which is what it is unpacked for.
        let mut headers = HeaderMap::try_with_capacity(self.headers.checked_add(1)?).ok()?;
        for _ in 0..self.headers {
            let (name, value, is_sensitive) = packed.pair()?;
            let mut value = HeaderValue::from_maybe_shared(value).ok()?;
            value.set_sensitive(is_sensitive);
            headers.try_append(HeaderName::from_bytes(&name).ok()?, value).ok()?;
        }
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// Shows how large it is. The values may be secrets of the caller.
impl fmt::Debug for PackedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedHead")
            .field("bytes", &self.bytes.len())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Appends a pair of texts; `mark` is kept with the length of the second.
#[inline]
fn put(bytes: &mut Vec<u8>, first: &str, second: &[u8], mark: u32) {
    let lengths = (first.len() as u64) << 32 | u64::from(second.len() as u32 | mark);
    bytes.extend_from_slice(&lengths.to_ne_bytes());
    bytes.extend_from_slice(first.as_bytes());
    bytes.extend_from_slice(second);
}

/// The packed bytes that are still to be read. What is taken shares their memory.
struct Packed(Bytes);

impl Packed {
    /// The next pair, and whether the second of it is marked.
    fn pair(&mut self) -> Option<(Bytes, Bytes, bool)> {
        let lengths = u64::from_ne_bytes(self.take(8)?.as_ref().try_into().ok()?);
        let (first, second) = ((lengths >> 32) as u32, lengths as u32);
        let texts = (self.take(first)?, self.take(second & !SENSITIVE)?);
        Some((texts.0, texts.1, second & SENSITIVE != 0))
    }

    fn take(&mut self, length: u32) -> Option<Bytes> {
        let length = usize::try_from(length).ok()?;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }
}

fn uri(scheme: &[u8], authority: Bytes, path: Bytes) -> Option<Uri> {
    let mut parts = Parts::default();
    if !scheme.is_empty() {
        parts.scheme = Some(Scheme::try_from(scheme).ok()?);
        parts.authority = Some(Authority::from_maybe_shared(authority).ok()?);
    }
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    /// A header as a layer can see it: name, value, whether it is sensitive.
    type SeenHeader = (String, Vec<u8>, bool);

    /// Everything of a head that a layer can see.
    #[derive(Debug, PartialEq)]
    struct Seen(Method, String, Version, Vec<SeenHeader>, Option<Mark>);

    fn seen<B>(request: &Request<B>) -> Seen {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.as_bytes().to_vec(), value.is_sensitive())
        };
        Seen(
            request.method().clone(),
            request.uri().to_string(),
            request.version(),
            request.headers().iter().map(header).collect(),
            request.extensions().get().cloned(),
        )
    }

    fn pack<B: Clone>(request: &Request<B>) -> Option<PackedHead> {
        PackedHead::pack(&request.clone().into_parts().0)
    }

    #[test]
    fn f159_a_head_comes_back_as_it_was() {
        let mut secret = HeaderValue::from_static("canary");
        secret.set_sensitive(true);
        let request = Request::builder()
            .method(Method::from_bytes(b"X-LONGER-THAN-INLINE-METHODS").unwrap())
            .uri("/services/data/v65.0/query?q=%2e%2e&x=")
            .version(Version::HTTP_2)
            .header("x-repeated", "one")
            .header("accept", "application/json")
            .header("x-repeated", "two")
            .header("cookie", secret)
            .header("x-repeated", "")
            .header("x-bytes", HeaderValue::from_bytes(b"\xff\xfe \t\x80").unwrap())
            .extension(Mark(7))
            .body("body")
            .unwrap();
        let again = pack(&request).unwrap().unpack().unwrap();
        assert_eq!(seen(&again), seen(&request));
        assert_eq!(again.headers().get_all("x-repeated").iter().count(), 3);
    }

    #[test]
    fn all_usual_methods_and_uri_forms_come_back() {
        let long = format!("/{}?", "x".repeat(65_532));
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY"] {
            for uri in [
                "/",
                "//x",
                "/?",
                "https://acme.my.salesforce.com",
                "https://A.example:443/x?y",
                "http://[::1]:1/",
                &long,
            ] {
                let request = Request::builder().method(method).uri(uri).body(()).unwrap();
                let again = pack(&request).unwrap().unpack().unwrap();
                assert_eq!(seen(&again), seen(&request));
                assert_eq!(again.uri(), request.uri());
            }
        }
    }

    #[test]
    fn a_usual_head_does_not_outgrow_its_one_allocation() {
        let query = format!("/services/data/v65.0/query?q=SELECT+{}", "Name,".repeat(1_000));
        for path in ["/services/data/v65.0/sobjects/Account/0015g00000XyZabAAF?fields=Id,Name", &query] {
            for headers in [0, 4, 20] {
                let mut request = Request::get(path);
                for n in 0..headers {
                    request = request.header(format!("x-header-{n}"), "x".repeat(55));
                }
                let head = pack(&request.body(()).unwrap()).unwrap();
                assert_eq!(head.bytes.capacity(), OTHER_BYTES + path.len() + HEADER_BYTES * headers);
            }
        }
    }

    #[test]
    fn f185_debug_shows_no_value() {
        let request = Request::builder().uri("/canary").header("x", "canary").body(()).unwrap();
        assert!(!format!("{:?}", pack(&request).unwrap()).contains("canary"));
    }

    /// A seed of another layout is turned away at its first length, and leaves the rest to luck.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_raw_seeds_of_the_fuzz_target_unpack_to_the_end() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/head");
        let Ok(seeds) = std::fs::read_dir(seeds) else { return }; // the published crate has none
        let mut forms = Vec::new();
        for seed in seeds {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            // As the target takes its input apart.
            let (shape, bytes) = (seed[0], seed[1..].to_vec());
            if shape & 1 != 0 {
                let headers = usize::from(shape >> 1);
                let request = PackedHead::from_raw(bytes, headers).unpack().unwrap();
                assert!(request.headers().values().any(HeaderValue::is_sensitive));
                forms.push((request.headers().len() == headers, request.uri().scheme().is_some()));
            }
        }
        forms.sort_unstable();
        assert_eq!(forms, [(true, false), (true, true)]);
    }

    #[test]
    fn damaged_bytes_yield_nothing() {
        let request = Request::builder().uri("/a").header("x", "y").body(()).unwrap();
        let length = pack(&request).unwrap().bytes.len();
        for cut in 0..length {
            let mut head = pack(&request).unwrap();
            head.bytes.truncate(cut);
            assert!(head.unpack().is_none(), "cut at {cut}");
        }
    }
}
