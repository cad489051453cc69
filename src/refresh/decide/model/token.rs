//! Tokens that say where they stand: `r3` and `a3` are what the third exchange brought.

use super::super::{Answer, TokenFault};
use crate::{instance_url::InstanceUrl, secret::Secret, token::TokenSet, token_endpoint::TokenErrorKind};

pub(super) fn number(token: &Secret) -> u8 {
    token.expose()[1..].parse().unwrap()
}

pub(super) fn refresh(number: u8) -> Secret {
    Secret::new(format!("r{number}"))
}

pub(super) fn set(number: u8) -> TokenSet {
    TokenSet {
        access_token: Secret::new(format!("a{number}")),
        instance_url: InstanceUrl::parse("https://acme.my.salesforce.com").unwrap(),
        previous_origins: Vec::new(),
        identity: None,
        issued_at: Some(number.into()),
        scope: None,
    }
}

pub(super) fn granted(number: u8) -> Answer {
    Answer::Granted { tokens: set(number), refresh_token: Some(refresh(number)) }
}

pub(super) fn quarantined(number: u8) -> Answer {
    Answer::Quarantined { refresh_token: Some(refresh(number)), reason: "unfit".into() }
}

pub(super) fn failed(kind: TokenErrorKind) -> Answer {
    Answer::Failed(TokenFault { kind, said: "said".into(), story: "said".into(), retry_after: None })
}
