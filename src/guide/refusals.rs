//! Why was my request refused?
//!
//! Salesforce answers `INVALID_SESSION_ID` for six different reasons, and other refusals look like it to a client that
//! reads the status alone. This page says how they are told apart, what the crate does by itself about each, and what a
//! person must do. Every refused answer carries the result as its [`Diagnosis`]; [`Session::diagnose`] asks Salesforce
//! for more evidence.
//!
//! # How causes are told apart
//!
#![doc = include_str!("refusals.svg")]
//!
//! The two wordings of one code are the first and surest fork:
//!
//! | message | says |
//! |---|---|
//! | `Session expired or invalid` | no such session lives at this host: it ended, was revoked, or belongs to another host |
//! | `This session is not valid for use with the REST API` | the session lives, but may not: a rule of the org forbids it. A new session is refused as well, so "refresh and retry" loops |
//!
//! Within one wording the answer tells nothing more. What tells is the past: did a session work before, at this host?
//! Does one that has just begun? How long did the last ones live? What does the token endpoint say? Has the org reported
//! maintenance lately? Each is [`Evidence`], and each [`RankedCause`] names what speaks for it.
//!
//! The tree is read from the top; maintenance that the org reported lately comes before everything but what the token
//! endpoint says.
//!
//! [`Confidence::High`] is kept for what Salesforce says in so many words. Some answers are the same for several causes,
//! and no document tells which cause answers what: there the diagnosis names several, none of them `High`.
//!
//! # The six causes
//!
//! | cause | tells | the crate, by itself | a person |
//! |---|---|---|---|
//! | [`Expired`] | worked before, "expired or invalid", a refresh heals | refreshes once for everybody, sends once more; seen by nobody unless the refresh fails | nothing; a longer time-out if sessions end too early |
//! | [`WrongInstanceUrl`] | `URL_NOT_RESET`, a redirect to a login page, a session that never worked at this host | learns the new `instance_url` from the refresh, sends there, rewrites URIs of the last four hosts | configure no host by hand; check the login host |
//! | [`IpLocked`] | worked before or by another way, every new session is refused; the token endpoint says `ip restricted` | one refresh per cool-down: it heals a lock to an address that has changed | let API calls and token requests leave by one address; relax the IP rules |
//! | [`ApiAccessControl`] | "not valid for use" from the first request on, OAuth works; `user is not admin approved` | one refresh per cool-down, at most 8 in the first hour and 110 a day | approve the app under API Access Control, or its users under Permitted Users |
//! | [`Revoked`] | `invalid_grant` after the store was read again; sessions that die young, three in a row | makes no more token requests, announces [`Event::ReauthorisationRequired`] once, looks for a new consent in the store | connect again, [`Session::reconnect`]; share one store, since the sixth approval of a user and app revokes the first |
//! | [`Maintenance`] | the maintenance code, a 503 page or a 420, lately on this org | no refresh; hands the answer back with a diagnosis | wait; Salesforce Trust says how long |
//!
//! # Causes that look like them
//!
//! | cause | tells |
//! |---|---|
//! | [`MissingScope`] | the wording of a live session, and a token answer whose scopes lack `api` |
//! | [`ClientRejected`] | the token endpoint refuses the app's key, secret, assertion or flow |
//! | [`PasswordExpired`], [`PermissionMissing`], [`LimitReached`] | codes of their own, mostly with a 403; a refresh would only burn token requests |
//! | [`MalformedCredentials`] | `INVALID_AUTH_HEADER` and the like |
//! | [`TokenFormat`] | an empty 404 of the Agent API; SOAP's words for a dead session, said of a token in JWT format |
//! | [`ResourceRefuses`] | the same session is let in elsewhere, and one that has just begun is refused here too: an Apex class that passes on another system's 401, a resource that is not for guests |
//! | [`Intermediary`] | a 401 or 403 in nobody's dialect: a proxy's page, a firewall's JSON |
//! | [`Local`] | no session could be had because of the store, the network or the configuration |
//! | [`Unknown`] | none of the above |
//!
//! # Asking for more
//!
//! ```
//! use tower_salesforce_auth::Session;
//!
//! async fn report(session: &Session) {
//!     // Introspection, identity and one cheap read, within ten seconds; no token request, nothing is changed.
//!     let diagnosis = session.diagnose().await;
//!     println!("{diagnosis}");
//!     for ranked in diagnosis.causes() {
//!         println!("{} ({}): {}", ranked.cause, ranked.confidence, ranked.cause.advice().owner);
//!     }
//! }
//! ```
//!
//! In a structured log the same is one JSON object: `Diagnosis::to_json`, feature `json`.
//!
//! # What keeps refusals from becoming storms
//!
//! - A refusal of a token that is no longer the newest refreshes nothing: the request is sent again with the newest one.
//! - A refresh that did not help begins a cool-down of 60 s, doubling to 15 min. Requests keep going out meanwhile and
//!   get their answers back, each with a diagnosis. An accepted resend ends it; where the words speak against a refresh,
//!   three times at most before it has been quiet for half an hour.
//! - In a cool-down, and in the pause after a refresh that failed, one request a second reads the store: what another
//!   process has stored meanwhile is used at once.
//! - Three sessions in a row that were accepted and died within five minutes are no accident:
//!   [`Event::SessionsDieYoung`] is announced, and diagnoses name eviction, although each refresh seems to help.
//! - A grant that has ended is asked for nothing until a person has connected again.
//!
//! # Where this comes from
//!
//! The wordings, with their sources and how sure each is, are listed by [`refusal::known`](crate::refusal::known) and
//! [`token_endpoint::known`](crate::token_endpoint::known). What Salesforce does not document stays a guess: which of
//! the two wordings a session gets that is locked to another address, under which status read-only mode is reported,
//! and why introspection calls some tokens inactive that work.
//!
//! [`Diagnosis`]: crate::Diagnosis
//! [`Evidence`]: crate::Evidence
//! [`RankedCause`]: crate::RankedCause
//! [`Confidence::High`]: crate::Confidence::High
//! [`Session::diagnose`]: crate::Session::diagnose
//! [`Session::reconnect`]: crate::Session::reconnect
//! [`Event::ReauthorisationRequired`]: crate::Event::ReauthorisationRequired
//! [`Event::SessionsDieYoung`]: crate::Event::SessionsDieYoung
//! [`Expired`]: crate::Cause::Expired
//! [`WrongInstanceUrl`]: crate::Cause::WrongInstanceUrl
//! [`IpLocked`]: crate::Cause::IpLocked
//! [`ApiAccessControl`]: crate::Cause::ApiAccessControl
//! [`Revoked`]: crate::Cause::Revoked
//! [`Maintenance`]: crate::Cause::Maintenance
//! [`MissingScope`]: crate::Cause::MissingScope
//! [`ClientRejected`]: crate::Cause::ClientRejected
//! [`PasswordExpired`]: crate::Cause::PasswordExpired
//! [`PermissionMissing`]: crate::Cause::PermissionMissing
//! [`LimitReached`]: crate::Cause::LimitReached
//! [`MalformedCredentials`]: crate::Cause::MalformedCredentials
//! [`TokenFormat`]: crate::Cause::TokenFormat
//! [`ResourceRefuses`]: crate::Cause::ResourceRefuses
//! [`Intermediary`]: crate::Cause::Intermediary
//! [`Local`]: crate::Cause::Local
//! [`Unknown`]: crate::Cause::Unknown
