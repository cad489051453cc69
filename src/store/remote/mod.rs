//! What stores behind a network have in common.

mod hints;
mod link;
mod tls;

pub(super) use self::{
    hints::Hints,
    link::{ADDRESS_PATIENCE, Connection, Dial, Failed, Link},
    tls::{Roots, TlsStream},
};
