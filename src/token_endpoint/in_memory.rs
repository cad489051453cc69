//! A token endpoint in memory, for tests: it answers as told and remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};

use super::{TokenEndpoint, Transport};
use crate::grant::LoginHost;

#[derive(Clone)]
pub(crate) struct Reply(Response<Full<Bytes>>);

impl Reply {
    pub(crate) fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        Self(response)
    }

    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub(crate) fn refused(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.0.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        self
    }
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) type Requests = Arc<Mutex<Vec<Asked>>>;

/// An endpoint at `login.salesforce.com` that always answers `reply`.
pub(crate) fn endpoint(reply: Reply) -> (TokenEndpoint, Requests) {
    endpoint_at(LoginHost::Production, move |_| reply.clone())
}

/// An endpoint at `host` that answers the `n`th request with `reply(n)`, from 0.
pub(crate) fn endpoint_at(
    host: LoginHost,
    reply: impl Fn(usize) -> Reply + Clone + Send + 'static,
) -> (TokenEndpoint, Requests) {
    let requests = Requests::default();
    let kept = Arc::clone(&requests);
    let transport = Transport::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let (reply, kept) = (reply.clone(), Arc::clone(&kept));
        async move {
            let (head, body) = request.into_parts();
            let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            let mut kept = kept.lock().unwrap();
            kept.push(Asked { method: head.method, uri: head.uri, headers: head.headers, body });
            Ok::<_, Infallible>(reply(kept.len() - 1).0)
        }
    }));
    (at(host, transport), requests)
}

pub(crate) fn at(host: LoginHost, transport: Transport) -> TokenEndpoint {
    TokenEndpoint::new(transport, host.resolve(true).unwrap())
}

/// The value of form field `name` in `body`, decoded.
pub(crate) fn field(body: &str, name: &str) -> Option<String> {
    let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = value.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    Some(String::from_utf8(out).unwrap())
}

/// `time` since the Unix epoch as a header's date. Counts day by day: tests have the time.
pub(crate) fn http_date(time: Duration) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut year, mut month, mut days) = (1970, 0, time.as_secs() / 86_400);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
        if days < length {
            break;
        }
        days -= length;
        (year, month) = if month == 11 { (year + 1, 0) } else { (year, month + 1) };
    }
    let second = time.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("Mon, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", days + 1, MONTHS[month])
}
