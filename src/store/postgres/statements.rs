//! What is said in SQL.

use crate::store::StoreError;

/// Postgres cuts off longer names.
const NAME_BYTES: usize = 63;

/// The statements over one table.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) table: String,
    /// By key: revision and record.
    pub(super) load: String,
    /// Key, revision and record: writes unless there is a record.
    pub(super) create: String,
    /// Key, revision, record and the expected revision.
    pub(super) replace: String,
    /// Whether the table is there.
    pub(super) find_table: String,
    pub(super) create_table: String,
}

/// Both writes end so, in the transaction of their one statement: whoever listens is told with the commit, and the
/// commit waits for the disk although the server's default may be not to (F074). `local` and stricter ones stay.
const AND_TELL: &str = "RETURNING pg_notify('tower_salesforce_auth', key), set_config('synchronous_commit', \
                        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
                        ELSE current_setting('synchronous_commit') END, true)";

/// The channel named above; the same for all tables, as a hint names its key.
pub(super) const LISTEN: &str = "LISTEN tower_salesforce_auth";

impl Statements {
    pub(super) fn new(table: &str) -> Result<Self, StoreError> {
        let mut names = table.split('.');
        let (is_short, are_names) = (names.clone().count() <= 2, names.all(is_name));
        if !(is_short && are_names) {
            return Err(StoreError::unavailable(
                "the name of the table must be `name` or `schema.name`, each of 1 to 63 letters, digits and `_` and \
                 not beginning with a digit",
            ));
        }
        let quoted = format!("\"{}\"", table.replace('.', "\".\""));
        Ok(Self {
            load: format!("SELECT revision, record FROM {quoted} WHERE key = $1"),
            create: format!(
                "INSERT INTO {quoted} (key, revision, record) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING {AND_TELL}"
            ),
            replace: format!(
                "UPDATE {quoted} SET revision = $2, record = $3 WHERE key = $1 AND revision = $4 {AND_TELL}"
            ),
            find_table: format!("SELECT to_regclass('{quoted}') IS NOT NULL"),
            create_table: format!(
                "CREATE TABLE IF NOT EXISTS {quoted} (key text PRIMARY KEY, revision bigint NOT NULL, record bytea NOT NULL)"
            ),
            table: table.to_owned(),
        })
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.len() <= NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_by_identifiers_only() {
        for name in ["tokens", "_t1", "app.Tokens", &"t".repeat(63)] {
            assert!(Statements::new(name).is_ok(), "{name}");
        }
        for name in ["", ".", "a.", "a.b.c", "1a", "a-b", "a b", "a\"b", "a;b", "tücher", &"t".repeat(64)] {
            assert!(Statements::new(name).is_err(), "{name}");
        }
        assert!(Statements::new("app.Tokens").unwrap().load.contains(r#"FROM "app"."Tokens" WHERE"#));
    }
}
