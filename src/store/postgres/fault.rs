//! What the server's errors mean.
//!
//! Its words stay behind: they may repeat the row that was to be written (F189). The code says enough.

use std::error::Error as _;

use tokio_postgres::{
    Error,
    error::{DbError, Severity, SqlState},
};

use crate::{
    BoxError,
    store::{StoreError, remote::Failed},
};

/// Of a read that failed.
pub(super) fn of_read(error: &Error) -> Failed {
    of(error, StoreError::unavailable)
}

/// Of a write that failed. An `ERROR` undoes the statement, unless it says that it does not know. A session that ends with anything else may have ended after
/// the commit: while it waited for a standby, say.
pub(super) fn of_write(error: &Error) -> Failed {
    of(error, StoreError::ambiguous)
}

/// Whether another transaction came first, which under the stricter isolation levels is an error (F075).
pub(super) fn is_overtaken(error: &Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_SERIALIZATION_FAILURE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}

/// Whether a table is there that another process has created at the same time.
pub(super) fn exists_already(error: &Error) -> bool {
    let code = error.code();
    // A table is a relation, a type and a row in each one's catalogue: which of them is in the way depends on how far the
    // other process is.
    [SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION]
        .iter()
        .any(|known| code == Some(known))
}

fn of(error: &Error, unfinished: fn(BoxError) -> StoreError) -> Failed {
    match error.as_db_error() {
        Some(answer) if answer.parsed_severity() == Some(Severity::Error) && is_definite(answer.code()) => {
            Failed {
                error: StoreError::unavailable(explained(answer)),
                // The name may lead to another server by now.
                hang_up: *answer.code() == SqlState::READ_ONLY_SQL_TRANSACTION,
            }
        }
        Some(answer) => Failed { error: unfinished(explained(answer).into()), hang_up: true },
        None => {
            Failed { error: unfinished("the connection to the Postgres server broke".into()), hang_up: true }
        }
    }
}

/// Poolers, and databases that only speak as Postgres does, say `ERROR` too when they have lost the server that was to
/// do it.
fn is_definite(code: &SqlState) -> bool {
    *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN && !is_of(code, "08")
}

/// Of a connection that could not be made.
pub(super) fn of_greeting(error: &Error) -> StoreError {
    if let Some(answer) = error.as_db_error() {
        return StoreError::unavailable(explained(answer));
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    StoreError::unavailable(text)
}

fn explained(answer: &DbError) -> String {
    let code = answer.code();
    let meaning = if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME {
        "the table is not there: `PostgresStore::create_schema` makes it"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        "the user lacks a permission: it needs SELECT, INSERT and UPDATE on the table, and USAGE on its schema (CREATE to \
         make it)"
    } else if *code == SqlState::UNDEFINED_COLUMN || *code == SqlState::DATATYPE_MISMATCH {
        "the table has other columns than this store needs"
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        "it is a standby, or its transactions are read-only by default"
    } else if is_of(code, "28") {
        "it does not let this user in: see its `pg_hba.conf` and the password"
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        "there is no such database"
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        "it is starting up, shutting down or recovering"
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        "it has too many clients"
    } else if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
        "the statement took too long: somebody may hold a lock on the row"
    } else if *code == SqlState::DISK_FULL {
        "its disk is full"
    } else if is_of(code, "40") {
        "other transactions came first"
    } else {
        "its log may say more"
    };
    format!("the Postgres server refused with SQLSTATE {}: {meaning}", shown(code))
}

fn is_of(code: &SqlState, class: &str) -> bool {
    code.code().starts_with(class)
}

/// The code, if it looks like one.
fn shown(code: &SqlState) -> &str {
    let code = code.code();
    let is_code = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { code } else { "unknown" }
}
