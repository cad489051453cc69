//! A request made ready for one send, and what is remembered of it.

use std::sync::Arc;

use http::{
    HeaderMap, Request, Response, Uri,
    header::{AUTHORIZATION, HOST},
    request::Parts,
};

use crate::{
    BoxError, NotResendable,
    refusal::{self, Head},
    request::{Aim, Form, PackedHead, replay::Replay},
    service::Shared,
    session::{Live, Session, X_SFDC_SESSION},
};

/// A request that the inner service can have.
pub(crate) struct Outbound<S, B, K> {
    pub(crate) request: Request<B>,
    /// `None` if the caller brought its own credentials: the answer says nothing about the session then.
    pub(crate) errand: Option<Errand<S, K>>,
}

/// What is remembered of a request while the inner service has it.
pub(crate) struct Errand<S, K> {
    pub(crate) shared: Arc<Shared<S>>,
    /// The token it was sent with.
    pub(crate) live: Arc<Live>,
    path: PathStart,
    /// Whether it was sent to the org's own host, and not to one that the builder allowed.
    pub(crate) is_home: bool,
    pub(crate) attempt: Attempt<K>,
}

/// Which send it is.
pub(crate) enum Attempt<K> {
    /// The first, with what it takes to send it once more, or why it will not be.
    First(Result<Copy<K>, NotResendable>),
    /// The second, whose answer is final.
    Last,
}

/// A copy of a request.
pub(crate) struct Copy<K> {
    pub(crate) head: PackedHead,
    pub(crate) body: K,
}

impl<S, B, K> Outbound<S, B, K> {
    /// Aims `request` at the org and adds the token of `live`.
    ///
    /// # Errors
    ///
    /// An [`AuthError`](crate::AuthError) if the request is for somebody else.
    #[inline]
    pub(crate) fn new<B0, R>(
        shared: &Arc<Shared<S>>,
        live: Arc<Live>,
        replay: &R,
        form: Form,
        request: Request<B0>,
    ) -> Result<Self, BoxError>
    where
        R: Replay<B0, Body = B, Kept = K>,
    {
        let (mut head, body) = request.into_parts();
        let (body, kept) = replay.keep(body, &mut head.extensions);
        let errand = match address(&mut head, form, &live, &shared.session, kept.is_some())? {
            Addressed::Ours { path, is_home, packed } => {
                let copy = match (packed, kept) {
                    (Some(head), Some(body)) => Ok(Copy { head, body }),
                    (_, None) => Err(NotResendable::BodyNotKept),
                    (None, Some(_)) => Err(NotResendable::Head),
                };
                Some(Errand {
                    shared: Arc::clone(shared),
                    live,
                    path,
                    is_home,
                    attempt: Attempt::First(copy),
                })
            }
            Addressed::CallersOwn => None,
        };
        Ok(Self { request: Request::from_parts(head, body), errand })
    }

    /// Takes the org's newest token, if another was published since this one was taken. `given` is the URI as the
    /// caller gave it; where it cannot be aimed anew, and where the session is another org's by now, the request keeps
    /// what it has.
    pub(crate) fn renew(&mut self, given: &Uri) {
        let Some(errand) = &mut self.errand else { return };
        let session = &errand.shared.session;
        if let Some(live) = session.successor(&errand.live)
            && address_anew(&mut self.request, given, session, &live).is_ok()
        {
            errand.live = live;
        }
    }
}

enum Addressed {
    /// With our token; packed as it was without it, if it is to be kept.
    Ours { path: PathStart, is_home: bool, packed: Option<PackedHead> },
    /// With the credentials that it had.
    CallersOwn,
}

fn address(
    head: &mut Parts,
    form: Form,
    live: &Live,
    session: &Session,
    keeps: bool,
) -> Result<Addressed, BoxError> {
    let aim = form.aim(&head.uri, live, |uri| session.allows_origin(uri))?;
    head.headers.remove(HOST); // F132: it would overrule the URI's authority
    let addressed = if brings_credentials(&head.headers) {
        Addressed::CallersOwn
    } else {
        let packed = if keeps { PackedHead::pack(head) } else { None };
        authorize(&mut head.headers, head.uri.path(), live)?;
        Addressed::Ours { path: PathStart::of(head.uri.path()), is_home: aim == Aim::Home, packed }
    };
    aim.direct(&mut head.uri, live)?;
    Ok(addressed)
}

/// Makes a request that was copied before its first send fit for the second: from the URI that the caller gave, with
/// the token and the origin of now.
pub(crate) fn again(
    mut request: Request<()>,
    session: &Session,
    live: &Live,
) -> Result<Request<()>, BoxError> {
    let given = request.uri().clone();
    address_anew(&mut request, &given, session, live)?;
    Ok(request)
}

/// Aims `request` from the `given` URI at where the org is now, with the token of `live`. Changes nothing on an error.
fn address_anew<B>(
    request: &mut Request<B>,
    given: &Uri,
    session: &Session,
    live: &Live,
) -> Result<(), BoxError> {
    let mut uri = given.clone();
    let aim = Form::of(request.method(), &uri)?.aim(&uri, live, |uri| session.allows_origin(uri))?;
    aim.direct(&mut uri, live)?;
    authorize(request.headers_mut(), uri.path(), live)?;
    *request.uri_mut() = uri;
    Ok(())
}

/// Whether the caller says by itself who it is, in either of the headers that Salesforce takes a session from: a second
/// credential beside it might be another's (F132).
fn brings_credentials(headers: &HeaderMap) -> bool {
    // Compared name by name: the usual few headers cost less than two look-ups, each of which hashes.
    headers.keys().any(|name| *name == AUTHORIZATION || *name == X_SFDC_SESSION)
}

/// Adds the token in the header that `path` takes it from, or puts it in the place of an older one.
fn authorize(headers: &mut HeaderMap, path: &str, live: &Live) -> Result<(), BoxError> {
    let (name, value) = live.credential(path);
    debug_assert!(value.is_sensitive(), "S07");
    headers.try_insert(name, value.clone())?;
    Ok(())
}

impl<S, K> Errand<S, K> {
    /// The head of an answer, as far as refusals are read from it.
    pub(crate) fn head<'a, T>(&'a self, response: &'a Response<T>) -> Head<'a> {
        Head::new(response.status(), response.headers(), self.path.as_str())
    }

    /// Whether the answer may be a refusal.
    pub(crate) fn suspects<T>(&self, response: &Response<T>) -> bool {
        // Never a 2xx: nearly all answers need no further look.
        !response.status().is_success() && refusal::is_candidate(self.head(response))
    }

    /// The same errand for the second send, with the token of now.
    pub(crate) fn last(&self, live: Arc<Live>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            live,
            path: self.path,
            is_home: self.is_home,
            attempt: Attempt::Last,
        }
    }

    /// Notes that the answer is no refusal.
    pub(crate) fn accept(&self) {
        match self.attempt {
            Attempt::First(_) => self.live.accept(),
            Attempt::Last => self.shared.session.resend_accepted(&self.live),
        }
    }
}

/// The beginning of a path: enough to tell Salesforce's APIs apart, without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct PathStart {
    bytes: [u8; Self::MOST],
    length: u8,
}

impl PathStart {
    /// Room for `/services/data/v65.0/sobjects/`, `/services/Soap/u/65.0/` with an org's id behind it or
    /// `/id/` with both ids, each behind the path of an Experience Cloud site.
    const MOST: usize = 63;

    fn of(path: &str) -> Self {
        let length = path.len().min(Self::MOST);
        let mut bytes = [0; Self::MOST];
        if let (Some(to), Some(from)) = (bytes.get_mut(..length), path.as_bytes().get(..length)) {
            to.copy_from_slice(from);
        }
        Self { bytes, length: length as u8 }
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(path) => path,
            // The cut went through a character.
            Err(error) => {
                std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or("/")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_remembered_up_to_a_whole_character() {
        let long = format!("/{}äx", "y".repeat(61));
        for (path, start) in [("/", "/"), ("/services/data", "/services/data"), (long.as_str(), &long[..62])]
        {
            assert_eq!(PathStart::of(path).as_str(), start);
        }
        assert_eq!(PathStart::of(&format!("/{}äx", "y".repeat(60))).as_str().len(), 63);
    }
}
