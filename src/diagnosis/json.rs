//! A diagnosis as JSON, for structured logs.

use serde_json::{Map, Value, json};

use super::Diagnosis;

impl Diagnosis {
    /// The diagnosis as one JSON object on one line (feature `json`). It holds no secret.
    ///
    /// | member | is |
    /// |---|---|
    /// | `verdict` | the verdict's name, `null` if nothing was sent |
    /// | `code`, `message` | as received, or `null` |
    /// | `outcome` | [`Outcome::code`](super::Outcome::code) |
    /// | `causes` | the likeliest first: `cause`, `confidence` (`low`, `medium`, `high`), `because` (texts), `remedy`, `owner`, `admin`, `setup` |
    /// | `evidence` | everything that is known: `name` ([`Evidence::name`](super::Evidence::name)), `text` |
    /// | `error` | the text of the refresh's error, or `null` |
    /// | `retry_after_ms` | milliseconds, or `null` |
    /// | `generation`, `token_age_ms` | of the refused token, or `null` |
    ///
    /// Members may be added in any version.
    #[must_use]
    pub fn to_json(&self) -> String {
        let causes: Vec<Value> = self
            .causes()
            .into_iter()
            .map(|ranked| {
                let advice = ranked.cause.advice();
                json!({
                    "cause": ranked.cause.code(),
                    "confidence": ranked.confidence.to_string(),
                    "because": ranked.because.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "remedy": advice.remedy.code(),
                    "owner": advice.owner,
                    "admin": advice.admin,
                    "setup": advice.setup,
                })
            })
            .collect();
        let evidence: Vec<Value> = self
            .evidence()
            .iter()
            .map(|item| json!({ "name": item.name(), "text": item.to_string() }))
            .collect();
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let members = [
            ("verdict", json!(self.verdict().map(|verdict| format!("{verdict:?}")))),
            ("code", json!(self.code())),
            ("message", json!(self.message())),
            ("outcome", json!(self.outcome().code())),
            ("causes", Value::Array(causes)),
            ("evidence", Value::Array(evidence)),
            ("error", json!(self.error().map(ToString::to_string))),
            ("retry_after_ms", json!(self.retry_after().map(millis))),
            ("generation", json!(self.generation().map(|generation| generation.0))),
            ("token_age_ms", json!(self.token_age().map(millis))),
        ];
        let object: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::Object(object).to_string()
    }
}

#[cfg(test)]
mod tests {
    use http::uri::Authority;

    use super::*;
    use crate::{
        diagnosis::{Facts, HostFacts, Outcome, Past},
        refusal::{Refusal, Verdict},
    };

    #[test]
    fn it_is_one_object_with_everything_that_is_known() {
        let refusal = Refusal {
            verdict: Verdict::SessionNotPermitted,
            code: Some("INVALID_SESSION_ID".into()),
            message: Some("This session is not valid for use with the REST API".into()),
            retry_after: None,
        };
        let host =
            Some(HostFacts { record: Authority::from_static("acme.my.salesforce.com"), is_home: true });
        let past = Past { worked: true, worked_here: true, ..Past::default() };
        let facts = Facts { host, past, ..Facts::default() };
        let text = Diagnosis::new(Some(refusal.into()), Outcome::RefusedAgain, facts).to_json();
        assert!(!text.contains('\n'));
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["verdict"], "SessionNotPermitted");
        assert_eq!(json["outcome"], "refused_again");
        assert_eq!(json["causes"][0]["cause"], "ip_locked");
        assert_eq!(json["causes"][0]["confidence"], "medium");
        let names: Vec<_> =
            json["evidence"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["verdict", "code", "message", "host", "worked_here", "refresh"]);
        assert_eq!(json["evidence"][3]["text"], "acme.my.salesforce.com was asked, as the record says");
    }
}
