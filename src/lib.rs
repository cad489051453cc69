//! A Tower layer that makes any HTTP client stack a correct Salesforce client.
#![forbid(unsafe_code)]
