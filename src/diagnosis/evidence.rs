//! What speaks for a cause.

use std::{fmt, time::Duration};

use http::uri::Authority;

use super::{Diagnosis, outcome::Outcome};
use crate::{refusal::Verdict, token::Generation, token_endpoint::TokenError};

/// One thing that is known about a refusal. `Display` is a clause of a sentence; nothing here is a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Evidence {
    /// What the refusal means by its words and status.
    Verdict(Verdict),
    /// The error code as received; escaped, at most 256 bytes.
    Code(String),
    /// The message as received; without session ids, escaped, at most 256 bytes.
    Message(String),
    /// How old the refused token was in this process.
    TokenAge(Duration),
    /// The refused token had been accepted before.
    Accepted,
    /// So many sessions in a row were refused before any was accepted.
    NeverAccepted {
        /// How many, at least 1.
        sessions: u32,
    },
    /// An earlier session of this connection was accepted, at the same host.
    WorkedHere,
    /// An earlier session of this connection was accepted, at another host.
    WorkedElsewhere,
    /// So many sessions in a row were accepted, and refused within five minutes.
    DiedYoung {
        /// How many.
        sessions: u32,
    },
    /// Whether the token's scopes let it use the APIs.
    ApiScope(bool),
    /// The token is in JWT format.
    JwtFormat,
    /// Where the request went, held against the record.
    Host {
        /// Where the org is by the newest token answer.
        record: String,
        /// Whether the request went there. Otherwise it went to an origin that the session's builder allowed.
        is_home: bool,
    },
    /// What was done about the refusal.
    Refresh(Outcome),
    /// What the token endpoint said: its code and description, or what is known instead.
    TokenEndpoint(String),
    /// The org said that it is in maintenance, or was not available, so long ago.
    MaintenanceSeen {
        /// How long ago.
        ago: Duration,
    },
    /// Whether Salesforce's introspection calls the token active. Reports say that it calls some tokens inactive that
    /// work: a hint, no proof.
    Introspection {
        /// What it says.
        active: bool,
    },
    /// Whether the identity service takes the token.
    Identity {
        /// Whether it does.
        accepted: bool,
    },
    /// Whether a cheap read, sent the way token requests are sent, is let in; if not, how it was refused.
    Read {
        /// `None` if it was let in.
        refused: Option<Verdict>,
    },
}

impl Evidence {
    /// A stable name: `verdict`, `code`, `message`, `token_age`, `accepted`, `never_accepted`, `worked_here`,
    /// `worked_elsewhere`, `died_young`, `api_scope`, `jwt_format`, `host`, `refresh`, `token_endpoint`,
    /// `maintenance_seen`, `introspection`, `identity`, `read`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verdict(_) => "verdict",
            Self::Code(_) => "code",
            Self::Message(_) => "message",
            Self::TokenAge(_) => "token_age",
            Self::Accepted => "accepted",
            Self::NeverAccepted { .. } => "never_accepted",
            Self::WorkedHere => "worked_here",
            Self::WorkedElsewhere => "worked_elsewhere",
            Self::DiedYoung { .. } => "died_young",
            Self::ApiScope(_) => "api_scope",
            Self::JwtFormat => "jwt_format",
            Self::Host { .. } => "host",
            Self::Refresh(_) => "refresh",
            Self::TokenEndpoint(_) => "token_endpoint",
            Self::MaintenanceSeen { .. } => "maintenance_seen",
            Self::Introspection { .. } => "introspection",
            Self::Identity { .. } => "identity",
            Self::Read { .. } => "read",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => f.write_str(super::meaning(*verdict)),
            Self::Code(code) => write!(f, "the code is {code}"),
            Self::Message(message) => write!(f, "the message is \"{message}\""),
            Self::TokenAge(age) => write!(f, "the token was {} old", Span(*age)),
            Self::Accepted => f.write_str("this very session was accepted before"),
            Self::NeverAccepted { sessions: 1 } => f.write_str("this session was never accepted"),
            Self::NeverAccepted { sessions } => {
                write!(f, "none of the last {sessions} sessions was ever accepted")
            }
            Self::WorkedHere => f.write_str("an earlier session was accepted at this host"),
            Self::WorkedElsewhere => f.write_str("an earlier session was accepted at another host"),
            Self::DiedYoung { sessions } => {
                write!(f, "{sessions} sessions in a row were accepted and refused within five minutes")
            }
            Self::JwtFormat => f.write_str("the token is in JWT format"),
            Self::ApiScope(true) => f.write_str("the token has the scope api"),
            Self::ApiScope(false) => f.write_str("the token's scopes lack api"),
            Self::Host { record, is_home: true } => write!(f, "{record} was asked, as the record says"),
            Self::Host { record, is_home: false } => {
                write!(f, "an origin was asked that the session's builder allowed, and not {record}")
            }
            Self::Refresh(outcome) => f.write_str(outcome.clause()),
            Self::TokenEndpoint(said) => write!(f, "the token endpoint said: {said}"),
            Self::MaintenanceSeen { ago } => {
                write!(f, "the org reported maintenance {} ago", Span(*ago))
            }
            Self::Introspection { active: true } => f.write_str("introspection calls the token active"),
            Self::Introspection { active: false } => f.write_str("introspection calls the token inactive"),
            Self::Identity { accepted: true } => f.write_str("the identity service accepts the token"),
            Self::Identity { accepted: false } => f.write_str("the identity service refuses the token"),
            Self::Read { refused: None } => {
                f.write_str("a read is let in when it is sent the way token requests are")
            }
            Self::Read { refused: Some(verdict) } => {
                write!(
                    f,
                    "a read sent the way token requests are is refused too: {}",
                    super::meaning(*verdict)
                )
            }
        }
    }
}

impl Diagnosis {
    /// Everything that is known, whatever it speaks for.
    #[must_use]
    pub fn evidence(&self) -> Vec<Evidence> {
        let Facts { token, host, past, probes } = &self.facts;
        let mut all = Vec::new();
        if let Some(refusal) = &self.refusal {
            all.push(Evidence::Verdict(refusal.verdict));
            all.extend(refusal.code.clone().map(Evidence::Code));
            all.extend(refusal.message.clone().map(Evidence::Message));
        }
        if let Some(token) = token {
            all.push(Evidence::TokenAge(token.age));
            all.extend(token.accepted.then_some(Evidence::Accepted));
            all.extend(token.api_scope.map(Evidence::ApiScope));
            all.extend(token.is_jwt.then_some(Evidence::JwtFormat));
        }
        if let Some(HostFacts { record, is_home }) = host {
            all.push(Evidence::Host { record: record.to_string(), is_home: *is_home });
        }
        match (past.worked_here, past.worked) {
            (true, _) => all.push(Evidence::WorkedHere),
            (false, true) => all.push(Evidence::WorkedElsewhere),
            (false, false) => {}
        }
        // Counted when the session was refused; other requests may have been let in since.
        let accepted = token.as_ref().is_some_and(|token| token.accepted);
        if past.barren > 0 && !accepted {
            all.push(Evidence::NeverAccepted { sessions: past.barren });
        }
        if past.died_young > 0 {
            all.push(Evidence::DiedYoung { sessions: past.died_young });
        }
        all.extend(past.maintenance.map(|ago| Evidence::MaintenanceSeen { ago }));
        if past.refused_again && !matches!(self.outcome, Outcome::RefusedAgain) {
            all.push(Evidence::Refresh(Outcome::RefusedAgain));
        }
        all.push(Evidence::Refresh(self.outcome.clone()));
        let refused = self.error().and_then(|error| TokenError::find(error));
        all.extend(refused.map(|error| Evidence::TokenEndpoint(error.said())));
        all.extend(probes.introspection.map(|active| Evidence::Introspection { active }));
        all.extend(probes.identity.map(|accepted| Evidence::Identity { accepted }));
        all.extend(probes.read.map(|read| Evidence::Read { refused: read.err() }));
        all
    }
}

/// A time as a person would say it.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7_199 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3_600),
        }
    }
}

/// What a diagnosis is drawn from, besides the refusal and its outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) token: Option<TokenFacts>,
    pub(crate) host: Option<HostFacts>,
    pub(crate) past: Past,
    pub(crate) probes: Probes,
}

/// The refused token.
#[derive(Clone, Debug)]
pub(crate) struct TokenFacts {
    pub(crate) generation: Generation,
    pub(crate) age: Duration,
    /// Whether it was accepted before.
    pub(crate) accepted: bool,
    /// Whether its scopes let it use the APIs, if they are known.
    pub(crate) api_scope: Option<bool>,
    pub(crate) is_jwt: bool,
}

/// Where the request went.
#[derive(Clone, Debug)]
pub(crate) struct HostFacts {
    pub(crate) record: Authority,
    pub(crate) is_home: bool,
}

/// What the session has lived through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// Whether a session before this one was accepted at the host where the org is now.
    pub(crate) worked_here: bool,
    /// Whether a session before this one was accepted at any host.
    pub(crate) worked: bool,
    /// How many sessions in a row, up to now, were refused and never accepted.
    pub(crate) barren: u32,
    /// Whether the refused session was begun because the one before it was refused.
    pub(crate) refused_again: bool,
    /// How many sessions in a row, up to now, were accepted and refused within minutes.
    pub(crate) died_young: u32,
    /// How long ago the org reported maintenance, if that is recent.
    pub(crate) maintenance: Option<Duration>,
}

/// What Salesforce answered when it was asked about the session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    /// Whether the token is active.
    pub(crate) introspection: Option<bool>,
    /// Whether the identity service takes it.
    pub(crate) identity: Option<bool>,
    /// Whether a read is let in, or how it was refused.
    pub(crate) read: Option<Result<(), Verdict>>,
}
