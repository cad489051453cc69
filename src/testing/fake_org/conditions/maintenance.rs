//! Pages that stand where an org was.

use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

use super::{
    super::{
        answers::{self, Answer},
        control::number,
    },
    Cause, Conditions, Form, Part, Problem, flag,
};

/// The org is down, and a page answers for it: REST, Bulk and SOAP, and [everything](Self::also_at_token_endpoint) if
/// that is wanted.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct Maintenance {
    page: Page,
    also_at_token_endpoint: bool,
    retry_after: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Page {
    Html,
    Edge,
    ServerUnavailable,
}

impl Maintenance {
    /// 503 and the HTML page "We are down for maintenance." (reported, Force.com-Toolkit-for-NET #160; that the status is
    /// 503 is recorded).
    pub fn page() -> Self {
        Self::with(Page::Html)
    }

    /// 420 and the HTML page of Salesforce Edge, with `x-sfdc-edge-err: true`: the org is moving, or gone (recorded).
    pub fn edge() -> Self {
        Self::with(Page::Edge)
    }

    /// 503 `SERVER_UNAVAILABLE`, `Server too busy`, as JSON whatever API is called (reported, restforce #156). At the
    /// token endpoint, 503 without a body (reported, restforcephp #22).
    pub fn server_unavailable() -> Self {
        Self::with(Page::ServerUnavailable)
    }

    /// The login host is down as well: tokens, identity, introspection and revocation.
    pub fn also_at_token_endpoint(mut self) -> Self {
        self.also_at_token_endpoint = true;
        self
    }

    /// Answers carry `Retry-After` with this number of seconds. Whether Salesforce sends it is not known.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn with(page: Page) -> Self {
        Self { page, also_at_token_endpoint: false, retry_after: None }
    }
}

impl Cause for Maintenance {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.maintenance
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        let page = match query.get("page") {
            None | Some("html") => Page::Html,
            Some("edge") => Page::Edge,
            Some("server-unavailable") => Page::ServerUnavailable,
            Some(_) => return Err(Problem::Malformed("page")),
        };
        Ok(Self {
            page,
            also_at_token_endpoint: flag(query, "also_at_token_endpoint")?,
            retry_after: number(query, "retry_after")?,
        })
    }

    fn page(&self, part: Part) -> Option<Answer> {
        if part == Part::OAuth && !self.also_at_token_endpoint {
            return None;
        }
        let mut answer = match (self.page, part) {
            (Page::Html, _) => answers::html(StatusCode::SERVICE_UNAVAILABLE),
            (Page::Edge, _) => answers::html(answers::status(420)),
            (Page::ServerUnavailable, Part::OAuth) => answers::empty(StatusCode::SERVICE_UNAVAILABLE),
            (Page::ServerUnavailable, Part::Api) => {
                answers::rest_error(StatusCode::SERVICE_UNAVAILABLE, "SERVER_UNAVAILABLE", "Server too busy")
            }
        };
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Some(answer)
    }
}
