//! How a session gets its next token set.
//!
//! [`decide`] is the protocol without any I/O: it is told what happened and says what to do next. It is the same for
//! one process and for many. [`flight`] performs what it decides, in a task that no caller can cancel.

pub(crate) mod admit;
pub(crate) mod backoff;
pub(crate) mod codec;
pub(crate) mod decide;
pub(crate) mod flight;
pub(crate) mod record;
