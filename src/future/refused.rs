//! An answer that may be a refusal: the look at its body, the recovery of the session, the way to the resend.

use std::{
    mem,
    ops::ControlFlow,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Uri, response::Parts};
use http_body::Body;
use tower_service::Service;

use super::{
    outbound::{Attempt, Copy, Errand, Outbound, again},
    reserving::{Reserving, Sent},
};
use crate::{
    BoxError, NotResendable,
    refusal::{self, Refusal, Verdict},
    request::replay::Kept,
    response::{Peek, PeekBody},
    session::{Live, Recover, Recovery, Refused as Evidence},
};

/// Reads the answer; if it is the first and a refusal, recovers the session and sends the request once more.
pub(crate) struct Refused<S, B, K, Rs: Body> {
    errand: Errand<S, K>,
    stage: Stage<S, B, K, Rs>,
}

enum Stage<S, B, K, Rs: Body> {
    Looking(Peek<Rs>, Option<Parts>),
    Recovering(Recover, Held<K, Rs>),
    Readying(Reserving<S, B, K>),
    Done,
}

/// What is held while the session recovers.
struct Held<K, Rs: Body> {
    /// The refusal, to be handed back if nothing helps.
    answer: Response<PeekBody<Rs>>,
    refusal: Arc<Refusal>,
    copy: Result<Copy<K>, NotResendable>,
}

/// How it goes on for the request.
pub(crate) enum Next<S, F, K, Rs: Body> {
    /// It was sent once more.
    Sent(Sent<F, S, K>),
    /// The caller gets this.
    Answer(Response<PeekBody<Rs>>),
}

type Outcome<S, B, K, Rs> = Result<Next<S, <S as Service<Request<B>>>::Future, K, Rs>, BoxError>;

/// The next stage, or what the caller gets.
type Turn<S, B, K, Rs> = ControlFlow<Response<PeekBody<Rs>>, Stage<S, B, K, Rs>>;

impl<S, B, K, Rs: Body> Refused<S, B, K, Rs> {
    pub(crate) fn new(errand: Errand<S, K>, response: Response<Rs>) -> Self {
        let (head, body) = response.into_parts();
        Self { errand, stage: Stage::Looking(Peek::new(body), Some(head)) }
    }
}

impl<S, B, K, Rs> Refused<S, B, K, Rs>
where
    S: Clone,
    K: Kept<Body = B>,
    Rs: Body,
{
    /// Resolves with the answer or the second send. Pending for ever afterwards.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<S, B, K, Rs>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        loop {
            let turn = match &mut self.stage {
                Stage::Looking(peek, head) => {
                    let (seen, body) = ready!(peek.poll(cx, self.errand.shared.session.runtime()));
                    let Some(head) = head.take() else { return Poll::Pending };
                    self.read(Response::from_parts(head, body), &seen)
                }
                Stage::Recovering(recover, _) => {
                    let advice = ready!(recover.as_mut().poll(cx));
                    let Stage::Recovering(_, held) = mem::replace(&mut self.stage, Stage::Done) else {
                        return Poll::Pending;
                    };
                    self.heed(advice, held)
                }
                Stage::Readying(reserving) => {
                    ready!(reserving.poll_ready(cx))?;
                    let Stage::Readying(reserving) = mem::replace(&mut self.stage, Stage::Done) else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(Next::Sent(reserving.send())));
                }
                Stage::Done => return Poll::Pending,
            };
            match turn {
                ControlFlow::Continue(stage) => self.stage = stage,
                ControlFlow::Break(answer) => return Poll::Ready(Ok(Next::Answer(answer))),
            }
        }
    }

    /// Decides what `answer` is, from the beginning of its body.
    fn read(&mut self, mut answer: Response<PeekBody<Rs>>, seen: &[u8]) -> Turn<S, B, K, Rs> {
        let refusal = refusal::read_answer(self.errand.answer(&answer), seen);
        if refusal.verdict == Verdict::NotAuth {
            self.errand.accept(&answer);
            return ControlFlow::Break(answer);
        }
        let refusal = Arc::new(refusal);
        let is_home = self.errand.is_home();
        let Errand { shared, live, attempt, .. } = &mut self.errand;
        match mem::replace(attempt, Attempt::Last) {
            Attempt::First(copy) => {
                // Held before anything is decided: a body that still streams does not outgrow its cap while the session
                // recovers. The head stays packed until then: a crowd waits in a small room.
                let copy = copy.and_then(|mut copy| copy.body.hold().map(|()| copy));
                let live = Arc::clone(live);
                let resendable = copy.as_ref().map_or_else(|reason| Err(*reason), |_| Ok(()));
                let evidence = Evidence { live, refusal: Arc::clone(&refusal), is_home, resendable };
                let recover = shared.session.recover(evidence);
                ControlFlow::Continue(Stage::Recovering(recover, Held { answer, refusal, copy }))
            }
            // F149: the second answer is final.
            Attempt::Last => {
                let diagnosis = shared.session.resend_refused(live, refusal, is_home);
                answer.extensions_mut().insert(diagnosis);
                ControlFlow::Break(answer)
            }
        }
    }

    /// Does what the session advises.
    fn heed(&self, advice: Recovery, held: Held<K, Rs>) -> Turn<S, B, K, Rs> {
        let Held { mut answer, refusal, copy } = held;
        let Errand { shared, live: refused, .. } = &self.errand;
        let diagnosis = match advice {
            Recovery::HandBack(diagnosis) => *diagnosis,
            Recovery::Resend(live) => match copy.and_then(|copy| self.again(copy, &answer, &live)) {
                Ok((request, given)) => {
                    // Not before: until now it might have had to go to the caller. Not later: what it holds of a limit
                    // or a connection may be what the second send needs.
                    drop(answer);
                    let outbound = Outbound { request, errand: Some(self.errand.last(live)) };
                    let reserving = Reserving::new(shared.fresh(), outbound, given);
                    return ControlFlow::Continue(Stage::Readying(reserving));
                }
                Err(reason) => shared.session.not_resent(refused, refusal, self.errand.is_home(), reason),
            },
        };
        answer.extensions_mut().insert(diagnosis);
        ControlFlow::Break(answer)
    }

    /// The request of the second send and the URI that it was given, if it may be sent again, its body is still whole
    /// and its target still ours.
    fn again<T>(
        &self,
        copy: Copy<K>,
        answer: &Response<T>,
        now: &Live,
    ) -> Result<(Request<B>, Uri), NotResendable> {
        let head = copy.head.unpack().ok_or(NotResendable::Head)?;
        if !head.method().is_safe() && self.may_be_done(answer, now) {
            return Err(NotResendable::Redirected);
        }
        let given = head.uri().clone();
        let head = again(head, &self.errand.shared.session, now).map_err(|_| NotResendable::Head)?;
        let body = copy.body.into_body()?;
        Ok((head.map(|()| body), given))
    }

    /// Whether the request may have been carried out (F160). An error is answered before that, but a redirect may show
    /// the way to what was made: then only a host that the org has left means that nothing was.
    fn may_be_done<T>(&self, answer: &Response<T>, now: &Live) -> bool {
        let has_moved = self.errand.live.authority != now.authority;
        answer.status().is_redirection() && !has_moved
    }
}
