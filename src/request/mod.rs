//! A request on its way to Salesforce: where it may go, and what is kept of it for the one resend.

mod head;
pub mod replay;
mod target;

pub(crate) use self::{
    head::PackedHead,
    target::{Aim, Form},
};
