//! A proxy or a firewall that answers by itself.

use http::StatusCode;
use serde_json::json;

use super::{
    super::{
        answers::{self, Answer},
        control::status,
    },
    Cause, Conditions, Form, Part, Problem, flag,
};

/// A proxy or a firewall between the client and Salesforce answers in its place: a look-alike of a refusal, and nothing
/// that a token changes.
///
/// Texts and fields are made up, because every product has its own.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct Intermediary {
    status: u16,
    body: Body,
    also_at_token_endpoint: bool,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Empty,
    Html,
    Json,
}

impl Intermediary {
    /// Answers with this status and no body.
    pub fn empty(status: u16) -> Self {
        Self::with(status, Body::Empty)
    }

    /// Answers with this status and a page of HTML.
    pub fn html(status: u16) -> Self {
        Self::with(status, Body::Html)
    }

    /// Answers with this status and a JSON object that is none of Salesforce's.
    pub fn json(status: u16) -> Self {
        Self::with(status, Body::Json)
    }

    /// It stands before the login host as well: tokens, identity, introspection and revocation.
    pub fn also_at_token_endpoint(mut self) -> Self {
        self.also_at_token_endpoint = true;
        self
    }

    fn with(status: u16, body: Body) -> Self {
        Self { status, body, also_at_token_endpoint: false }
    }
}

impl Cause for Intermediary {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.intermediary
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        let body = match query.get("body") {
            None | Some("html") => Body::Html,
            Some("empty") => Body::Empty,
            Some("json") => Body::Json,
            Some(_) => return Err(Problem::Malformed("body")),
        };
        Ok(Self {
            status: status(query, 403)?,
            body,
            also_at_token_endpoint: flag(query, "also_at_token_endpoint")?,
        })
    }

    fn page(&self, part: Part) -> Option<Answer> {
        if part == Part::OAuth && !self.also_at_token_endpoint {
            return None;
        }
        let status: StatusCode = answers::status(self.status);
        Some(match self.body {
            Body::Empty => answers::empty(status),
            Body::Html => answers::page(
                status,
                "<html><head><title>Access denied</title></head><body>This request was blocked by the network's \
                 security policy.</body></html>",
            ),
            Body::Json => {
                answers::json(status, &json!({ "error": "access_denied", "reason": "blocked by policy" }))
            }
        })
    }
}
