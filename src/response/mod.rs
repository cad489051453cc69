//! The body of an answer: handed on untouched, or looked at first and handed on whole.

mod body;
mod peek;

pub use self::body::PeekBody;
pub(crate) use self::peek::Peek;
