//! The REST data API: versions, limits, queries, records, and an echo for what was sent.

use std::collections::HashMap;

use http::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::{
    answers::{self, Answer},
    api::Call,
    form::Form,
    mint::{fifteen, with_checksum},
};

/// Records on a page of a query's result, unless `Sforce-Query-Options: batchSize=…` asks for fewer, and the fewest it
/// can ask for (Salesforce REST API guide).
const PAGE: usize = 2_000;
const SMALLEST_PAGE: usize = 200;

/// The records of an org: accounts that were always there, and what was created.
pub(super) struct Records {
    accounts: usize,
    created: HashMap<String, Vec<Value>>,
    /// By query locator.
    queries: HashMap<String, Query>,
}

#[derive(Clone)]
struct Query {
    sobject: String,
    total: usize,
    page: usize,
}

/// The versions that an org offers: needs no session.
pub(super) fn versions() -> Answer {
    let versions: Vec<Value> = (60..=65)
        .map(|n| json!({ "label": format!("API {n}"), "url": format!("/services/data/v{n}.0"), "version": format!("{n}.0") }))
        .collect();
    answers::json(StatusCode::OK, &versions.into())
}

/// Whether a request is for the echo, which needs no more of its body than a digest.
pub(super) fn is_echo(path: &str) -> bool {
    let mut path = path.trim_end_matches('/').split('/').skip(1);
    ["services", "apexrest", "echo"].iter().all(|segment| path.next() == Some(*segment))
}

pub(super) fn answer(call: &Call<'_>) -> Answer {
    let path: Vec<&str> = call.head.uri.path().trim_end_matches('/').split('/').skip(1).collect();
    match path.as_slice() {
        ["services", "data", version, resource @ ..] if is_version(version) => {
            versioned(call, version, resource)
        }
        _ if is_echo(call.head.uri.path()) => echo(call),
        ["services", "apexrest", ..] => {
            answers::rest_error(StatusCode::NOT_FOUND, "NOT_FOUND", "Could not find a match for URL")
        }
        _ => answers::not_found(),
    }
}

fn is_version(version: &str) -> bool {
    version
        .strip_prefix('v')
        .and_then(|version| version.strip_suffix(".0"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

fn versioned(call: &Call<'_>, version: &str, resource: &[&str]) -> Answer {
    let base = format!("/services/data/{version}");
    let records = &mut call.org.state().records;
    let read = matches!(call.head.method, Method::GET | Method::HEAD);
    match resource {
        [] if read => answers::json(
            StatusCode::OK,
            &json!({
                "limits": format!("{base}/limits"),
                "query": format!("{base}/query"),
                "sobjects": format!("{base}/sobjects"),
            }),
        ),
        ["limits"] if read => answers::json(
            StatusCode::OK,
            &json!({
                "DailyApiRequests": { "Max": 15_000, "Remaining": 14_998 },
                "DailyBulkApiBatches": { "Max": 15_000, "Remaining": 15_000 },
                "DataStorageMB": { "Max": 5, "Remaining": 5 },
            }),
        ),
        ["query"] if read => records.query(call, &base),
        ["query", locator] if read => records.more(&base, locator),
        ["sobjects", sobject] if call.head.method == Method::POST => records.create(call, sobject),
        ["sobjects", sobject, id] if read => records.read(&base, sobject, id),
        ["limits"] | ["query"] | ["query", _] | ["sobjects", _] | ["sobjects", _, _] => {
            answers::method_not_allowed(&call.head.method)
        }
        _ => answers::not_found(),
    }
}

/// Tells what arrived, so that a client can see that no byte was lost, doubled or changed.
fn echo(call: &Call<'_>) -> Answer {
    let content_type = call.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    answers::json(
        StatusCode::OK,
        &json!({
            "method": call.head.method.as_str(),
            "target": call.head.uri.path_and_query().map_or("", |target| target.as_str()),
            "content_type": content_type,
            "length": call.body.length,
            "sha256": call.body.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        }),
    )
}

// === impl Records ===

impl Records {
    pub(super) fn new(accounts: usize) -> Self {
        Self { accounts, created: HashMap::new(), queries: HashMap::new() }
    }

    fn query(&mut self, call: &Call<'_>, base: &str) -> Answer {
        let form = Form::parse(call.head.uri.query().unwrap_or_default());
        let Some(soql) = form.get("q") else {
            return answers::rest_error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "SOQL statements cannot be empty or null",
            );
        };
        let words: Vec<&str> = soql.split_whitespace().collect();
        let after = |keyword: &str| {
            let at = words.iter().position(|word| word.eq_ignore_ascii_case(keyword))?;
            words.get(at + 1).copied()
        };
        let Some(sobject) = after("FROM") else {
            return answers::rest_error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "unexpected token: '<EOF>'",
            );
        };
        let limit = after("LIMIT").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let total = self.count(sobject).min(limit);
        if after("SELECT").is_some_and(|what| what.eq_ignore_ascii_case("COUNT()")) {
            return answers::json(
                StatusCode::OK,
                &json!({ "totalSize": total, "done": true, "records": [] }),
            );
        }
        let page = call.head.headers.get("sforce-query-options").and_then(batch_size).unwrap_or(PAGE);
        self.page(base, Query { sobject: sobject.to_owned(), total, page }, 0, None)
    }

    /// The page that a `nextRecordsUrl` names.
    fn more(&mut self, base: &str, locator: &str) -> Answer {
        let found = locator
            .rsplit_once('-')
            .and_then(|(id, from)| Some((self.queries.get(id)?.clone(), id.to_owned(), from.parse().ok()?)));
        match found {
            Some((query, id, from)) if from < query.total => self.page(base, query, from, Some(id)),
            _ => {
                answers::rest_error(StatusCode::BAD_REQUEST, "INVALID_QUERY_LOCATOR", "invalid query locator")
            }
        }
    }

    fn page(&mut self, base: &str, query: Query, from: usize, id: Option<String>) -> Answer {
        let to = query.total.min(from + query.page);
        let records: Vec<Value> = (from..to).filter_map(|at| self.nth(base, &query.sobject, at)).collect();
        let mut answer = json!({ "totalSize": query.total, "done": to == query.total, "records": records });
        if to < query.total {
            let id = id.unwrap_or_else(|| self.keep(query));
            answer["nextRecordsUrl"] = format!("{base}/query/{id}-{to}").into();
        }
        answers::json(StatusCode::OK, &answer)
    }

    fn keep(&mut self, query: Query) -> String {
        let id = with_checksum(&format!("01gxx{:010}", self.queries.len()));
        self.queries.insert(id.clone(), query);
        id
    }

    fn create(&mut self, call: &Call<'_>, sobject: &str) -> Answer {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(&call.body.bytes) else {
            return answers::rest_error(
                StatusCode::BAD_REQUEST,
                "JSON_PARSER_ERROR",
                "The HTTP entity body is required to be a JSON object",
            );
        };
        let all = self.created.values().map(Vec::len).sum::<usize>();
        let id = with_checksum(&format!("{}yy{all:010}", key_prefix(sobject)));
        fields.insert("Id".into(), id.as_str().into());
        self.created.entry(sobject.to_ascii_lowercase()).or_default().push(fields.into());
        answers::json(StatusCode::CREATED, &json!({ "id": id, "success": true, "errors": [] }))
    }

    fn read(&self, base: &str, sobject: &str, id: &str) -> Answer {
        let found = (0..self.count(sobject))
            .filter_map(|at| self.nth(base, sobject, at))
            .find(|record| record["Id"].as_str().is_some_and(|full| id == full || id == fifteen(full)));
        found.map_or_else(answers::not_found, |record| answers::json(StatusCode::OK, &record))
    }

    fn count(&self, sobject: &str) -> usize {
        self.always(sobject) + self.created.get(&sobject.to_ascii_lowercase()).map_or(0, Vec::len)
    }

    /// How many records of this type were there from the first.
    fn always(&self, sobject: &str) -> usize {
        if sobject.eq_ignore_ascii_case("account") { self.accounts } else { 0 }
    }

    fn nth(&self, base: &str, sobject: &str, at: usize) -> Option<Value> {
        let always = self.always(sobject);
        let mut record = if at < always {
            let id = with_checksum(&format!("001xx{at:010}"));
            Map::from_iter([
                ("Id".to_owned(), id.into()),
                ("Name".to_owned(), format!("Account {at}").into()),
            ])
        } else {
            self.created.get(&sobject.to_ascii_lowercase())?.get(at - always)?.as_object()?.clone()
        };
        let url = format!("{base}/sobjects/{sobject}/{}", record.get("Id")?.as_str()?);
        record.insert("attributes".to_owned(), json!({ "type": sobject, "url": url }));
        Some(record.into())
    }
}

/// The three characters that begin the ids of a type.
fn key_prefix(sobject: &str) -> &'static str {
    match sobject.to_ascii_lowercase().as_str() {
        "account" => "001",
        "contact" => "003",
        "opportunity" => "006",
        "lead" => "00Q",
        "case" => "500",
        _ => "a00",
    }
}

fn batch_size(options: &http::HeaderValue) -> Option<usize> {
    let (_, size) = options.to_str().ok()?.split_once("batchSize=")?;
    Some(size.trim().parse::<usize>().ok()?.clamp(SMALLEST_PAGE, PAGE))
}
