//! What goes beyond the page of one type. Documentation only: there is nothing here to call.
//!
//! | page | answers |
//! |---|---|
//! | [`readme`] | what the crate does, how to set it up, what happens on a refusal, the order of layers, what it does not do |
//! | [`refusals`] | why a request was refused: how causes are told apart, and what a person must do |
//! | [`stacks`] | how it goes together with tower's, tower-http's and other clients' parts |
//! | [`errors`] | what to do about each error and each diagnosis, and about errors of the compiler |
//! | [`sharing`] | how processes share one session, what survives what, which store to choose |
//! | [`writing_a_store`] | how to write a token store: two methods, one contract, and a kit that checks it |
//! | [`Grant`](crate::grant::Grant) | how to write a grant of your own |
//! | `testing::fake_org` (feature `testing`) | how to test against Salesforce without Salesforce |

pub mod errors;
pub mod readme;
pub mod refusals;
pub mod sharing;
pub mod stacks;
pub mod writing_a_store;
