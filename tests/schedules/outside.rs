//! The truth outside of all processes: what is stored, which refresh token is alive, who knows it.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Notify;
use tower_salesforce_auth::store::{Revision, StoreKey, Stored, Swap};

use crate::{
    gate::{Answer, Asked, Site},
    support::EXPIRED,
};

/// What must never be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    /// I1: a spent refresh token was presented while somebody had its child.
    Reuse,
    /// I2: at rest the newest child is not in the store.
    NotStored,
    /// I3: the API was asked three times for one request.
    ThirdSend,
    /// I4: a token went to another connection's org, or another connection's record was touched.
    Astray,
    /// I5: a caller waited for longer than it was told to.
    OverBudget,
    /// I6: a session went back to an older token.
    Backwards,
    /// A person is asked to connect again although the grant is alive.
    AskedForPerson,
    /// Left alone, a session gets no token.
    Stuck,
    /// A caller did not get its answer although nothing went wrong.
    Unserved,
    /// More token requests than there were reasons for.
    Storm,
}

/// One connection's grant. Its tokens are numbered; 0 is the seed.
#[derive(Default)]
pub(crate) struct Grant {
    pub(crate) newest: usize,
    pub(crate) is_revoked: bool,
    /// Whether the newest access token is accepted.
    pub(crate) is_open: bool,
    /// Who was told the newest refresh token, and lives.
    holders: Vec<Site>,
}

pub(crate) struct Outside {
    pub(crate) grants: Vec<Grant>,
    records: HashMap<StoreKey, Stored>,
    revisions: u64,
    pub(crate) token_requests: usize,
    pub(crate) hints: Option<Arc<Notify>>,
    /// How often the API was asked for each caller.
    sends: HashMap<usize, usize>,
    pub(crate) violation: Option<Violation>,
}

pub(crate) fn name(connection: usize) -> String {
    format!("connection-{connection}")
}

pub(crate) fn refresh_token(connection: usize, number: usize) -> String {
    format!("refresh.{connection}.{number}")
}

fn org(connection: usize) -> String {
    format!("00DR0000000KvI{connection}")
}

fn host(connection: usize) -> String {
    format!("org-{connection}.my.salesforce.com")
}

/// The number of an access token.
pub(crate) fn serial(access_token: &str) -> Option<usize> {
    access_token.rsplit('.').next()?.parse().ok()
}

fn key(connection: usize) -> StoreKey {
    StoreKey::new(&name(connection), "refresh_token")
}

impl Outside {
    pub(crate) fn new(connections: usize, hints: bool) -> Self {
        Self {
            grants: (0..connections).map(|_| Grant::default()).collect(),
            records: HashMap::new(),
            revisions: 0,
            token_requests: 0,
            hints: hints.then(Arc::default),
            sends: HashMap::new(),
            violation: None,
        }
    }

    /// The first is what counts: what follows may come of it.
    pub(crate) fn violated(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(crate) fn record(&self, connection: usize) -> Option<serde_json::Value> {
        Some(serde_json::from_slice(&self.records.get(&key(connection))?.bytes).expect("a record"))
    }

    pub(crate) fn is_stored(&self, connection: usize) -> bool {
        let newest = refresh_token(connection, self.grants[connection].newest);
        self.record(connection).is_some_and(|record| record["refresh_token"] == newest)
    }

    /// Whether the newest refresh token is known to anybody. The seed is configured.
    pub(crate) fn is_held(&self, connection: usize) -> bool {
        let grant = &self.grants[connection];
        grant.newest == 0 || !grant.holders.is_empty() || self.is_stored(connection)
    }

    pub(crate) fn died(&mut self, process: usize) {
        self.grants.iter_mut().for_each(|grant| grant.holders.retain(|site| site.process != process));
    }

    /// Whoever asked has the answer now.
    pub(crate) fn was_told(&mut self, site: Site) {
        self.grants[site.connection].holders.push(site);
    }

    /// Does what is asked, as it should be done.
    pub(crate) fn perform(&mut self, site: Site, asked: &Asked) -> Answer {
        match asked {
            Asked::Load(of) => {
                self.must(*of == key(site.connection), Violation::Astray);
                Answer::Loaded(self.records.get(of).cloned())
            }
            Asked::Swap { key: of, expected, record } => {
                self.must(*of == key(site.connection), Violation::Astray);
                Answer::Swapped(self.swap(of, *expected, record))
            }
            Asked::Token { refresh_token } => self.present(site, refresh_token),
            Asked::Api { bearer, host, .. } => self.request(site, bearer, host),
        }
    }

    /// Counts a request of `caller`'s to the API.
    pub(crate) fn sent(&mut self, caller: usize) {
        let sends = self.sends.entry(caller).or_default();
        *sends += 1;
        let is_third = *sends > 2;
        self.must(!is_third, Violation::ThirdSend);
    }

    fn must(&mut self, is_so: bool, or: Violation) {
        if !is_so {
            self.violated(or);
        }
    }

    fn swap(&mut self, key: &StoreKey, expected: Option<Revision>, record: &[u8]) -> Swap {
        let current = self.records.get(key);
        if current.map(|stored| stored.revision) != expected {
            return Swap::Conflict(current.cloned());
        }
        self.revisions += 1;
        let revision = Revision::new(self.revisions);
        self.records.insert(key.clone(), Stored { revision, bytes: record.to_vec() });
        if let Some(hints) = &self.hints {
            hints.notify_waiters();
        }
        Swap::Applied(revision)
    }

    /// A refresh token works once. Shown again it ends the grant, as Salesforce has it.
    fn present(&mut self, site: Site, token: &str) -> Answer {
        let refused = r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#;
        let connection = site.connection;
        let number = (0..=self.grants[connection].newest).find(|n| refresh_token(connection, *n) == token);
        self.must(number.is_some(), Violation::Astray);
        let is_held = self.is_held(connection);
        let grant = &mut self.grants[connection];
        if grant.is_revoked {
            return Answer::Json(400, refused.into());
        }
        if number != Some(grant.newest) {
            grant.is_revoked = true;
            grant.is_open = false;
            self.must(!is_held, Violation::Reuse);
            return Answer::Json(400, refused.into());
        }
        grant.newest += 1;
        grant.is_open = true;
        grant.holders.clear();
        let number = grant.newest;
        let org = org(connection);
        let answer = serde_json::json!({
            "access_token": format!("{org}!token.{number}"),
            "refresh_token": refresh_token(connection, number),
            "instance_url": format!("https://{}", host(connection)),
            "id": format!("https://login.salesforce.com/id/{org}MAK/005R0000000pgIjIAI"),
            "token_type": "Bearer",
            "issued_at": format!("{}", 1_779_461_039_000 + number),
        });
        Answer::Json(200, answer.to_string())
    }

    fn request(&mut self, site: Site, bearer: &str, at: &str) -> Answer {
        let connection = site.connection;
        let is_own = bearer.starts_with(&format!("{}!", org(connection))) && at == host(connection);
        self.must(is_own, Violation::Astray);
        let grant = &self.grants[connection];
        if grant.is_open && serial(bearer) == Some(grant.newest) {
            Answer::Json(200, "{}".into())
        } else {
            Answer::Json(401, EXPIRED.into())
        }
    }
}
