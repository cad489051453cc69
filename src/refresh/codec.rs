//! Records as bytes: one JSON object with a schema number.
//!
//! A record of a newer schema is refused rather than half understood (F054): the process that wrote it may rely on
//! fields that would be lost.

use std::fmt;

use serde_json::{Map, Value, json};
use zeroize::{Zeroize, Zeroizing};

use super::record::{Binding, Claim, Health, Reauthorise, Record, Seeds};
use crate::{
    instance_url::{HostPolicy, InstanceUrl},
    org_id::OrgId,
    secret::Secret,
    store::{MAX_RECORD_BYTES, WRAPPER_BYTES},
    token::{Identity, Lineage, TokenSet},
};

const SCHEMA: u64 = 1;

/// A store that wraps another has to fit in as well.
const LARGEST: usize = MAX_RECORD_BYTES - WRAPPER_BYTES;

/// Why a record's bytes mean nothing. Never repeats a byte of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecError {
    /// Not a record, or a damaged one.
    Malformed(&'static str),
    /// Written by a newer version of this crate.
    NewerSchema(u64),
    /// Larger than a store has to take.
    TooLarge,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(field) => write!(f, "the record is malformed at {field}"),
            Self::NewerSchema(schema) => {
                write!(f, "the record has schema {schema}; upgrade this crate to use it")
            }
            Self::TooLarge => write!(f, "the record is larger than {LARGEST} bytes"),
        }
    }
}

impl std::error::Error for CodecError {}

pub(crate) fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    let mut json = Wiped(json!({
        "schema": SCHEMA,
        "lineage": lineage_value(record.lineage),
        "binding": {
            "client_id": record.binding.client_id,
            "login_origin": record.binding.login_origin,
            "org": record.binding.org.as_ref().map(ToString::to_string),
            "user": record.binding.user,
        },
        "refresh_token": record.refresh_token.as_ref().map(Secret::expose),
        "claim": record.claim.map(|claim| json!({
            "nonce": hex(&claim.nonce.to_be_bytes()),
            "lineage": lineage_value(claim.lineage),
            "attempt": claim.attempt,
        })),
        "not_before": record.not_before,
        "health": health_value(&record.health),
        "seeds": {
            "salt": hex(&record.seeds.salt),
            "fingerprints": record.seeds.fingerprints.iter().map(|print| hex(print)).collect::<Vec<_>>(),
        },
    }));
    // Moved in: what the macro is given is copied.
    json.0["tokens"] = record.tokens.as_ref().map_or(Value::Null, tokens_value);
    // At full size at once: a buffer that grows leaves unwiped copies of tokens behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_RECORD_BYTES));
    let written = serde_json::to_writer(&mut *bytes, &json.0);
    if written.is_err() || bytes.len() > LARGEST { Err(CodecError::TooLarge) } else { Ok(bytes) }
}

/// Reads a record. `policy` says which instance URLs are acceptable: a store is not a way around that.
pub(crate) fn decode(bytes: &[u8], policy: HostPolicy) -> Result<Record, CodecError> {
    let json =
        Wiped(serde_json::from_slice(bytes).map_err(|_| CodecError::Malformed("the outermost level"))?);
    let object = Fields::of(&json.0, "the outermost level")?;
    let schema = object.number("schema")?;
    if schema > SCHEMA {
        return Err(CodecError::NewerSchema(schema));
    }
    let binding = object.object("binding")?;
    let seeds = object.object("seeds")?;
    Ok(Record {
        lineage: lineage(&object.object("lineage")?)?,
        binding: Binding {
            client_id: binding.text("client_id")?.to_owned(),
            login_origin: binding.text("login_origin")?.to_owned(),
            org: binding.optional_text("org")?.map(org).transpose()?,
            user: binding.optional_text("user")?.map(str::to_owned),
        },
        refresh_token: object.optional_text("refresh_token")?.map(Secret::from),
        tokens: object.optional_object("tokens")?.map(|tokens| token_set(&tokens, policy)).transpose()?,
        claim: object.optional_object("claim")?.map(|fields| claim(&fields)).transpose()?,
        not_before: object.optional_number("not_before")?,
        health: health(&object.object("health")?)?,
        seeds: Seeds {
            salt: unhex(seeds.text("salt")?).ok_or(CodecError::Malformed("salt"))?,
            fingerprints: seeds
                .list("fingerprints")?
                .iter()
                .map(|print| print.as_str().and_then(unhex).ok_or(CodecError::Malformed("fingerprints")))
                .collect::<Result<_, _>>()?,
        },
    })
}

fn lineage_value(lineage: Lineage) -> Value {
    json!({ "version": lineage.version, "id": hex(&lineage.id.to_be_bytes()) })
}

fn lineage(fields: &Fields<'_>) -> Result<Lineage, CodecError> {
    let id = unhex(fields.text("id")?).ok_or(CodecError::Malformed("id"))?;
    Ok(Lineage { version: fields.number("version")?, id: u128::from_be_bytes(id) })
}

fn claim(fields: &Fields<'_>) -> Result<Claim, CodecError> {
    let nonce = unhex(fields.text("nonce")?).ok_or(CodecError::Malformed("nonce"))?;
    Ok(Claim {
        nonce: u128::from_be_bytes(nonce),
        lineage: lineage(&fields.object("lineage")?)?,
        attempt: u32::try_from(fields.number("attempt")?).map_err(|_| CodecError::Malformed("attempt"))?,
    })
}

fn tokens_value(tokens: &TokenSet) -> Value {
    json!({
        "access_token": tokens.access_token.expose(),
        "instance_url": tokens.instance_url.to_string(),
        "previous_origins": tokens.previous_origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "org": tokens.identity.as_ref().map(|identity| identity.org.to_string()),
        "user": tokens.identity.as_ref().map(|identity| identity.user.as_str()),
        "issued_at": tokens.issued_at,
        "scope": tokens.scope,
    })
}

fn token_set(fields: &Fields<'_>, policy: HostPolicy) -> Result<TokenSet, CodecError> {
    let origin = |text: &str| {
        InstanceUrl::parse_with(text, policy).map_err(|_| CodecError::Malformed("an instance URL"))
    };
    let identity = match (fields.optional_text("org")?, fields.optional_text("user")?) {
        (Some(id), Some(user)) => Some(Identity { org: org(id)?, user: user.to_owned() }),
        _ => None,
    };
    let access_token = fields.text("access_token")?;
    if access_token.is_empty() || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CodecError::Malformed("access_token")); // F109: it becomes a header value
    }
    Ok(TokenSet {
        access_token: Secret::from(access_token),
        instance_url: origin(fields.text("instance_url")?)?,
        previous_origins: fields
            .list("previous_origins")?
            .iter()
            .map(|text| origin(text.as_str().ok_or(CodecError::Malformed("previous_origins"))?))
            .collect::<Result<_, _>>()?,
        identity,
        issued_at: fields.optional_number("issued_at")?,
        scope: fields.optional_text("scope")?.map(str::to_owned),
    })
}

fn health_value(health: &Health) -> Value {
    match health {
        Health::Sound => json!({ "state": "sound" }),
        Health::Reauthorise(reason) => {
            json!({ "state": "reauthorise", "rotation_lost": reason.rotation_lost, "said": reason.said })
        }
        Health::Revoked => json!({ "state": "revoked" }),
    }
}

fn health(fields: &Fields<'_>) -> Result<Health, CodecError> {
    match fields.text("state")? {
        "sound" => Ok(Health::Sound),
        "reauthorise" => Ok(Health::Reauthorise(Reauthorise {
            rotation_lost: fields.value("rotation_lost").and_then(Value::as_bool).unwrap_or_default(),
            said: fields.text("said")?.to_owned(),
        })),
        "revoked" => Ok(Health::Revoked),
        _ => Err(CodecError::Malformed("health")),
    }
}

fn org(text: &str) -> Result<OrgId, CodecError> {
    OrgId::parse(text).map_err(|_| CodecError::Malformed("org"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> =
        text.chars().map_while(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let mut bytes = [0; N];
    if digits.len() != 2 * N || text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(bytes)
}

/// A record's JSON, tokens and all: wiped when dropped (F188).
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An object's fields, each asked for by name and type. `null` counts as absent.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &'static str) -> Result<Self, CodecError> {
        value.as_object().map(Self).ok_or(CodecError::Malformed(name))
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn object(&self, name: &'static str) -> Result<Self, CodecError> {
        self.optional_object(name)?.ok_or(CodecError::Malformed(name))
    }

    fn optional_object(&self, name: &'static str) -> Result<Option<Self>, CodecError> {
        self.value(name).map(|value| Self::of(value, name)).transpose()
    }

    fn text(&self, name: &'static str) -> Result<&'a str, CodecError> {
        self.optional_text(name)?.ok_or(CodecError::Malformed(name))
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<&'a str>, CodecError> {
        self.value(name).map(|value| value.as_str().ok_or(CodecError::Malformed(name))).transpose()
    }

    fn number(&self, name: &'static str) -> Result<u64, CodecError> {
        self.optional_number(name)?.ok_or(CodecError::Malformed(name))
    }

    fn optional_number(&self, name: &'static str) -> Result<Option<u64>, CodecError> {
        self.value(name).map(|value| value.as_u64().ok_or(CodecError::Malformed(name))).transpose()
    }

    fn list(&self, name: &'static str) -> Result<&'a [Value], CodecError> {
        self.value(name).and_then(Value::as_array).map(Vec::as_slice).ok_or(CodecError::Malformed(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        let binding = Binding {
            client_id: "client".into(),
            login_origin: "https://login.salesforce.com".into(),
            org: None,
            user: None,
        };
        let first = Record::first(binding, Some(&Secret::new("seed")), 7, 9);
        let org = OrgId::parse("00DR0000000KvItMAK").unwrap();
        let tokens = TokenSet {
            access_token: Secret::new("00DR0000000KvIt!token"),
            instance_url: InstanceUrl::parse("https://acme.my.salesforce.com").unwrap(),
            previous_origins: vec![InstanceUrl::parse("https://na1.salesforce.com").unwrap()],
            identity: Some(Identity { org, user: "005R0000000pgIjIAI".into() }),
            issued_at: Some(1_779_461_039_475),
            scope: Some("api refresh_token".into()),
        };
        first.child(Some(Secret::new("next")), Some(tokens)).claimed(u128::MAX, 3)
    }

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let full = full();
        let latched = Record {
            health: Health::Reauthorise(Reauthorise { rotation_lost: true, said: "expired".into() }),
            ..full.unclaimed(Some(12))
        };
        let revoked = Record { health: Health::Revoked, tokens: None, refresh_token: None, ..full.clone() };
        for record in [full, latched, revoked] {
            let bytes = encode(&record).unwrap();
            assert_eq!(decode(&bytes, HostPolicy::default()), Ok(record));
        }
    }

    #[test]
    fn f188_the_buffer_never_grows_and_what_is_between_it_and_the_record_is_wiped() {
        let bytes = encode(&full()).unwrap();
        assert_eq!(bytes.capacity(), MAX_RECORD_BYTES);
        let mut json: Value = serde_json::from_slice(&bytes).unwrap();
        wipe(&mut json);
        for (pointer, secret) in [("/refresh_token", "next"), ("/tokens/access_token", "!token")] {
            assert_eq!(json.pointer(pointer), Some(&Value::String(String::new())));
            assert!(!json.to_string().contains(secret));
        }
        assert_eq!(json.pointer("/tokens/previous_origins/0"), Some(&Value::String(String::new())));
    }

    #[test]
    fn a_record_leaves_room_for_a_store_that_wraps_another() {
        let mut record = full();
        record.binding.client_id.clear();
        let rest = encode(&record).unwrap().len();
        record.binding.client_id = "c".repeat(63 * 1024 - rest);
        assert_eq!(encode(&record).unwrap().len(), 63 * 1024);
        record.binding.client_id.push('c');
        assert_eq!(encode(&record).unwrap_err(), CodecError::TooLarge);
    }

    #[test]
    fn f054_a_newer_schema_is_refused_by_name() {
        let text = String::from_utf8(encode(&full()).unwrap().to_vec()).unwrap();
        let newer = text.replace("\"schema\":1", "\"schema\":2");
        assert_eq!(decode(newer.as_bytes(), HostPolicy::default()), Err(CodecError::NewerSchema(2)));
    }

    #[test]
    fn f070_damage_is_an_error_and_shows_no_byte_of_the_record() {
        let bytes = encode(&full()).unwrap();
        for cut in 0..bytes.len() {
            let error = decode(&bytes[..cut], HostPolicy::default()).unwrap_err();
            assert!(!error.to_string().contains("token!"), "{error}");
        }
    }

    #[test]
    fn a_stored_hostile_instance_url_is_refused() {
        let text = String::from_utf8(encode(&full()).unwrap().to_vec()).unwrap();
        let hostile = text.replace("acme.my.salesforce.com", "acme.my.salesforce.com.evil.example");
        assert!(decode(hostile.as_bytes(), HostPolicy::default()).is_err());
    }
}
