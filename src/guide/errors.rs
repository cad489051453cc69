//! What to do about each error and each diagnosis.
//!
//! # Reading what went wrong
//!
//! ```
//! use http::Response;
//! use tower_salesforce_auth::{AuthError, AuthErrorKind, BoxError, Diagnosis};
//!
//! fn report<B>(connection: &str, result: &Result<Response<B>, BoxError>) {
//!     // An answer that refuses, or an error of the session: the same words for both.
//!     if let Some(diagnosis) = Diagnosis::of_result(result) {
//!         eprintln!("{connection}: {diagnosis}");
//!     }
//!     match result {
//!         Ok(_) => {}
//!         Err(error) => match AuthError::find(&**error) {
//!             Some(error) if error.kind() == AuthErrorKind::ReauthorisationRequired => {
//!                 eprintln!("{connection}: ask the customer to connect again");
//!             }
//!             Some(error) if error.is_transient() => {
//!                 eprintln!("{connection}: again in {:?}", error.retry_after());
//!             }
//!             Some(error) => eprintln!("{connection}: {error}"),
//!             None => eprintln!("{connection}: the client below failed: {error}"),
//!         },
//!     }
//! }
//! # report("acme", &Ok(Response::new(())));
//! ```
//!
//! Layers above may wrap errors and drop responses: read the diagnosis before a client turns a status into an error of
//! its own.
//!
//! # `AuthErrorKind`
//!
//! Met as the error of a call that could not be sent, or inside a diagnosis when the refresh after a refusal failed.
//!
//! | kind | what to do |
//! |---|---|
//! | [`ForeignOrigin`] | Send a path, or an absolute URI of the org. If the token is meant for this host: [`SessionBuilder::allow_origin`]. If the call is not for Salesforce: another client |
//! | [`UnsupportedTarget`] | Send a path that begins with `/` |
//! | [`NotConnected`] | Let the customer connect, then [`Session::reconnect`] |
//! | [`ReauthorisationRequired`] | The same: the refresh token is revoked or expired, or the user inactive. No request is made until then |
//! | [`OperatorMustAct`] | An admin of the org or the owner of the app: the message names what (IP ranges, app not installed or approved, wrong client) and where in Setup. [`TokenError::find`] has it as a [`reason`] |
//! | [`TokenEndpointUnavailable`] | Nothing; the next request after [`retry_after`] tries again. If it stays: network, proxy, DNS |
//! | [`OutcomeUnknown`] | Nothing; the refresh token may be spent, so it is not shown again before a wait-out of a minute or more, which the message names. After [`retry_after`] another process's answer may be there |
//! | [`TokenAnswerRejected`] | Look at the source: an instance URL that is not Salesforce's, a malformed token. Behind a proxy: does it rewrite answers? |
//! | [`Grant`] | Fix the key, the signer or the grant that the source names |
//! | [`StoreUnavailable`] | Bring the store back, or give the key ring the key that the source names. A rotating refresh token is not spent without it; the token at hand is served on |
//! | [`StoreCorrupt`] | Restore the record, or remove it and connect again. A newer version of the crate may have written it |
//! | [`ConnectionMismatch`] | Two connections share a name, or the client, login host or org of one was changed: give it another name, or connect again |
//! | [`WaitBudgetExceeded`] | Nothing; the refresh goes on and the next request finds its token. If it stays: a slow store or token endpoint |
//! | [`RefreshPanicked`] | Fix the grant, store or transport of your own; the panic's message was printed by the runtime |
//! | [`ShuttingDown`] | Send before [`Session::close`], from within a tokio runtime; with several runtimes: [`SessionBuilder::runtime`] |
//! | [`Revoked`] | Expected after [`Session::revoke`]; [`Session::reconnect`] begins anew |
//! | [`Recursion`] | Give the session a transport of its own: token requests must not pass through the layer |
//!
//! [`TokenError::find`]: crate::token_endpoint::TokenError::find
//! [`reason`]: crate::token_endpoint::TokenErrorReason
//! [`ForeignOrigin`]: crate::AuthErrorKind::ForeignOrigin
//! [`UnsupportedTarget`]: crate::AuthErrorKind::UnsupportedTarget
//! [`NotConnected`]: crate::AuthErrorKind::NotConnected
//! [`ReauthorisationRequired`]: crate::AuthErrorKind::ReauthorisationRequired
//! [`OperatorMustAct`]: crate::AuthErrorKind::OperatorMustAct
//! [`TokenEndpointUnavailable`]: crate::AuthErrorKind::TokenEndpointUnavailable
//! [`OutcomeUnknown`]: crate::AuthErrorKind::OutcomeUnknown
//! [`TokenAnswerRejected`]: crate::AuthErrorKind::TokenAnswerRejected
//! [`Grant`]: crate::AuthErrorKind::Grant
//! [`StoreUnavailable`]: crate::AuthErrorKind::StoreUnavailable
//! [`StoreCorrupt`]: crate::AuthErrorKind::StoreCorrupt
//! [`ConnectionMismatch`]: crate::AuthErrorKind::ConnectionMismatch
//! [`WaitBudgetExceeded`]: crate::AuthErrorKind::WaitBudgetExceeded
//! [`RefreshPanicked`]: crate::AuthErrorKind::RefreshPanicked
//! [`ShuttingDown`]: crate::AuthErrorKind::ShuttingDown
//! [`Revoked`]: crate::AuthErrorKind::Revoked
//! [`Recursion`]: crate::AuthErrorKind::Recursion
//! [`retry_after`]: crate::AuthError::retry_after
//! [`Session::reconnect`]: crate::Session::reconnect
//! [`Session::revoke`]: crate::Session::revoke
//! [`Session::close`]: crate::Session::close
//! [`SessionBuilder::allow_origin`]: crate::SessionBuilder::allow_origin
//! [`SessionBuilder::runtime`]: crate::SessionBuilder::runtime
//!
//! # `Outcome`
//!
//! What the layer did about a refusal, with the answer that the caller got.
//!
//! | outcome | what to do |
//! |---|---|
//! | [`NotRefreshable`] | What the code of the refusal says: a permission, a limit, maintenance. The session is good |
//! | [`RefreshFailed`] | See its error in the table above |
//! | [`RefusedAgain`] | New sessions are refused as well. [`Diagnosis::causes`](crate::Diagnosis::causes) says why, and who must act |
//! | [`RefusedOtherwise`] | As for `NotRefreshable`; the session had ended too and was refreshed on the way |
//! | [`NotResendable`] | Send the request again yourself if that is safe; the session is good now |
//! | [`TokenUnchanged`] | As for `RefusedAgain`: the token endpoint gives out the same session, alive in its eyes |
//! | [`CoolingDown`] | Wait, or act as for `RefusedAgain`; [`Session::refresh`](crate::Session::refresh) does not wait |
//! | [`Examined`] | As its causes say: somebody asked ([`Session::diagnose`](crate::Session::diagnose)) |
//!
//! Why a session is refused, and what to do about each cause, is on the page [`refusals`](super::refusals).
//!
//! [`Examined`]: crate::Outcome::Examined
//! [`NotRefreshable`]: crate::Outcome::NotRefreshable
//! [`RefreshFailed`]: crate::Outcome::RefreshFailed
//! [`RefusedAgain`]: crate::Outcome::RefusedAgain
//! [`RefusedOtherwise`]: crate::Outcome::RefusedOtherwise
//! [`NotResendable`]: crate::Outcome::NotResendable
//! [`TokenUnchanged`]: crate::Outcome::TokenUnchanged
//! [`CoolingDown`]: crate::Outcome::CoolingDown
//!
//! # Errors of the compiler
//!
//! The README has the usual ones under *Troubleshooting*. Whatever does not fit is one of the bounds of
//! [`SalesforceAuth`](crate::SalesforceAuth)'s `Service` implementation: the inner service is `Clone`, takes the
//! request body that the replay strategy makes, answers with any `http_body::Body`, and has an error that turns into a
//! [`BoxError`](crate::BoxError). Calling `ServiceExt::oneshot(service, request)` as a function names the one.
