//! A request made ready for one send, and what is remembered of it.
//!
//! [`Errand::first`] is the way of nearly all requests. Much of its cost would be moves: a head is 224 bytes, and what
//! is remembered of it about a hundred. So the head is changed where it lies, and the steps are compiled into the one
//! function: called, they cost 85 instructions more.

use std::sync::Arc;

use http::{
    HeaderMap, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, HOST, LOCATION},
    request::Parts,
};

use crate::{
    BoxError, NotResendable,
    refusal::{self, Answer, Dialect},
    request::{Aim, Form, PackedHead},
    session::{Live, Session, X_SFDC_SESSION},
    stripes::Shared,
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
    asked: Asked,
    pub(crate) attempt: Attempt<K>,
}

/// What was asked, and where: all that the answer is read with.
#[derive(Clone, Copy)]
struct Asked {
    /// Decided once, from the whole path, for the token's place and for the answer alike.
    dialect: Dialect,
    aim: Aim,
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
    authorize(request.headers_mut(), Dialect::of(uri.path()), live)?;
    *request.uri_mut() = uri;
    Ok(())
}

/// Whether the caller says by itself who it is, in either of the headers that Salesforce takes a session from: a second
/// credential beside it might be another's (F132). Takes `Host` out: it would overrule the URI's authority.
#[inline(always)]
fn brings_credentials(headers: &mut HeaderMap) -> bool {
    // Compared name by name: the usual few headers cost less than look-ups, each of which hashes.
    let (mut host, mut credentials) = (false, false);
    for name in headers.keys() {
        host |= *name == HOST;
        credentials |= *name == AUTHORIZATION || *name == X_SFDC_SESSION;
    }
    if host {
        headers.remove(HOST);
    }
    credentials
}

/// Marks the credentials that a caller brought as sensitive, as ours are (S07): logs then leave them out, and HTTP/2
/// keeps them out of its compression tables.
#[cold]
fn conceal_credentials(headers: &mut HeaderMap) {
    for (name, value) in headers {
        if *name == AUTHORIZATION || *name == X_SFDC_SESSION {
            value.set_sensitive(true);
        }
    }
}

/// Adds the token in the header that the API takes it from, or puts it in the place of an older one.
#[inline(always)]
fn authorize(headers: &mut HeaderMap, dialect: Dialect, live: &Live) -> Result<(), BoxError> {
    let (name, value) = live.credential(dialect);
    debug_assert!(value.is_sensitive(), "S07");
    headers.try_insert(name, value.clone())?;
    Ok(())
}

impl<S, K> Errand<S, K> {
    /// Makes a request fit for its first send: aims it at the org and adds the token of `live`. `kept` is what is kept
    /// of its body. `None` if the caller brought its own credentials, which stay as they are.
    ///
    /// # Errors
    ///
    /// An [`AuthError`](crate::AuthError) if the request is for somebody else.
    #[inline(always)]
    pub(crate) fn first(
        shared: &Arc<Shared<S>>,
        live: Arc<Live>,
        form: Form,
        head: &mut Parts,
        kept: Option<K>,
    ) -> Result<Option<Self>, BoxError> {
        let aim = form.aim(&head.uri, &live, |uri| shared.session.allows_origin(uri))?;
        if brings_credentials(&mut head.headers) {
            conceal_credentials(&mut head.headers);
            aim.direct(&mut head.uri, &live)?;
            return Ok(None);
        }
        let dialect = Dialect::of(head.uri.path());
        let copy = match kept {
            Some(body) => match PackedHead::pack(head) {
                Some(head) => Ok(Copy { head, body }),
                None => Err(NotResendable::Head),
            },
            None => Err(NotResendable::BodyNotKept),
        };
        authorize(&mut head.headers, dialect, &live)?;
        aim.direct(&mut head.uri, &live)?;
        Ok(Some(Self {
            shared: Arc::clone(shared),
            live,
            asked: Asked { dialect, aim },
            attempt: Attempt::First(copy),
        }))
    }

    /// The head of an answer, as far as refusals are read from it.
    pub(crate) fn answer<'a, T>(&'a self, response: &'a Response<T>) -> Answer<'a> {
        let dialect = self.asked.dialect;
        Answer {
            status: response.status(),
            headers: response.headers(),
            dialect,
            host: self.is_home().then(|| self.live.authority.as_str()),
        }
    }

    /// Whether it was sent to the org's own host, and not to one that the builder allowed.
    pub(crate) fn is_home(&self) -> bool {
        self.asked.aim == Aim::Home
    }

    /// Whether the answer may be a refusal.
    pub(crate) fn suspects<T>(&self, response: &Response<T>) -> bool {
        let status = response.status();
        // Never a 2xx: nearly all answers need no further look. Nor a redirect of an allowed origin: no token answer says
        // where that one is.
        !status.is_success()
            && (self.is_home() || !status.is_redirection())
            && refusal::suspects(self.answer(response))
    }

    /// The same errand for the second send, with the token of now.
    pub(crate) fn last(&self, live: Arc<Live>) -> Self {
        Self { shared: Arc::clone(&self.shared), live, asked: self.asked, attempt: Attempt::Last }
    }

    /// Notes that the answer is no refusal: whoever gave it has looked at the token.
    pub(crate) fn accept<T>(&self, response: &Response<T>) {
        let status = response.status();
        // From 502 on, and 407: of gateways and proxies, which do not know a session.
        let is_gateways =
            status >= StatusCode::BAD_GATEWAY || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        if is_gateways || (status.is_redirection() && response.headers().contains_key(LOCATION)) {
            return; // or perhaps nobody has
        }
        match self.attempt {
            Attempt::First(_) => self.live.accept(),
            Attempt::Last => self.shared.session.resend_accepted(&self.live),
        }
    }
}
