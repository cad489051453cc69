//! The truth outside of all processes: what is stored, which refresh token is alive, who knows it.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Notify;
use tower_salesforce_auth::{
    AuthErrorKind, Event,
    store::{Revision, StoreKey, Stored, Swap},
};

use crate::{
    coverage::Coverage,
    gate::{Answer, Asked, Site},
    steps::{Setup, Store},
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
    /// A grant ended although no grant was lost with its answer or its process.
    Unaccounted,
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
    /// Whether the store has lost the newest and did not get it back yet.
    pub(crate) is_behind: bool,
}

pub(crate) struct Outside {
    pub(crate) grants: Vec<Grant>,
    store: Store,
    records: HashMap<StoreKey, Stored>,
    /// What was stored before the last write.
    earlier: HashMap<StoreKey, Vec<u8>>,
    revisions: u64,
    pub(crate) token_requests: usize,
    pub(crate) hints: Option<Arc<Notify>>,
    /// How often the API was asked for each caller.
    sends: HashMap<usize, usize>,
    pub(crate) violation: Option<Violation>,
    /// How many tokens nobody was told of, and how many processes were killed: no more grants may end.
    pub(crate) losses: usize,
    pub(crate) coverage: Coverage,
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
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            store: setup.store,
            grants: (0..setup.connections).map(|_| Grant::default()).collect(),
            records: HashMap::new(),
            earlier: HashMap::new(),
            revisions: 0,
            token_requests: 0,
            hints: setup.hints.then(Arc::default),
            sends: HashMap::new(),
            violation: None,
            losses: 0,
            coverage: Coverage::default(),
        }
    }

    /// The first is what counts: what follows may come of it.
    pub(crate) fn violated(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(crate) fn record(&self, connection: usize) -> Option<serde_json::Value> {
        Some(read(&self.records.get(&key(connection))?.bytes))
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

    pub(crate) fn revoked(&self) -> usize {
        self.grants.iter().filter(|grant| grant.is_revoked).count()
    }

    pub(crate) fn died(&mut self, process: usize) {
        self.losses += self.grants.len();
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
                Answer::Swapped(self.swap(site.connection, of, *expected, record))
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

    fn swap(&mut self, connection: usize, key: &StoreKey, expected: Option<Revision>, record: &[u8]) -> Swap {
        let current = self.records.get(key);
        if current.map(|stored| stored.revision) != expected && self.store != Store::Overwrites {
            return Swap::Conflict(current.cloned());
        }
        let before = current.map(|stored| stored.bytes.clone());
        self.note(connection, before.as_deref(), record);
        let revision = self.write(key, record.to_vec());
        self.earlier.extend(before.map(|before| (key.clone(), before)));
        if let Some(hints) = &self.hints {
            hints.notify_waiters();
        }
        Swap::Applied(revision)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.store != Store::FailsOver
    }

    /// Counts what a session tells.
    pub(crate) fn heard(&mut self, event: &Event) {
        self.coverage.note(match event {
            Event::Refreshed { .. } => "refreshed",
            Event::Adopted { .. } => "adopted",
            Event::CommitDelayed => "commit delayed",
            Event::ReauthorisationRequired(_) => "person asked for",
            Event::RefreshFailed(error) if error.kind() == AuthErrorKind::OutcomeUnknown => "outcome unknown",
            _ => return,
        });
    }

    fn write(&mut self, key: &StoreKey, bytes: Vec<u8>) -> Revision {
        self.revisions += 1;
        let revision = Revision::new(self.revisions);
        self.records.insert(key.clone(), Stored { revision, bytes });
        revision
    }

    /// Counts what a write means.
    fn note(&mut self, connection: usize, before: Option<&[u8]>, after: &[u8]) {
        let (before, after) = (before.map(read).unwrap_or_default(), read(after));
        let grant = &mut self.grants[connection];
        if grant.is_behind && after["refresh_token"] == refresh_token(connection, grant.newest) {
            grant.is_behind = false;
            self.coverage.note("stored again");
            return;
        }
        let claim = |record: &serde_json::Value| record["claim"]["nonce"].as_str().map(str::to_owned);
        let what = match (claim(&before), claim(&after)) {
            (None, Some(_)) => "claimed",
            (Some(theirs), Some(ours)) if theirs != ours => "claim superseded",
            (_, None) if before["lineage"] != after["lineage"] => "committed",
            (Some(_), None) => "claim given up",
            _ => return,
        };
        self.coverage.note(what);
    }

    pub(crate) fn has_written(&self, connection: usize) -> bool {
        self.earlier.contains_key(&key(connection))
    }

    pub(crate) fn last_write_was_a_commit(&self, connection: usize) -> bool {
        let earlier = self.earlier.get(&key(connection)).map(|bytes| read(bytes));
        let newest = refresh_token(connection, self.grants[connection].newest);
        self.is_stored(connection) && earlier.is_some_and(|earlier| earlier["refresh_token"] != newest)
    }

    /// The last write is lost. `sites`: all that live.
    pub(crate) fn fail_over(&mut self, connection: usize, sites: Vec<Site>) {
        if let Some(earlier) = self.earlier.remove(&key(connection)) {
            self.write(&key(connection), earlier);
        }
        if self.store == Store::FailsOver {
            let grant = &mut self.grants[connection];
            (grant.holders, grant.is_behind) = (sites, true);
            self.coverage.note("failover lost a commit");
        }
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

fn read(record: &[u8]) -> serde_json::Value {
    serde_json::from_slice(record).expect("a record")
}
