//! Who the user is: the identity URL and its OpenID twin.

use http::StatusCode;
use serde_json::json;

use super::{
    answers::{self, Answer},
    api::Call,
    token::identity_url,
};

/// Answers `/services/oauth2/userinfo` and `/id/{org}/{user}`. Errors are single words in plain text.
pub(super) fn answer(call: &Call<'_>) -> Answer {
    let facts = &call.org.facts;
    let (login, instance) = {
        let state = call.org.state();
        (state.hosts.first().cloned().unwrap_or_default(), state.instance_url().to_owned())
    };
    let id = identity_url(&login, call.org);
    match call.head.uri.path().split('/').collect::<Vec<_>>().as_slice() {
        ["", "services", "oauth2", "userinfo"] => answers::json(
            StatusCode::OK,
            &json!({
                "sub": id,
                "user_id": facts.user_id,
                "organization_id": facts.org_id,
                "preferred_username": facts.username,
                "email": facts.username,
                "active": true,
                "urls": { "rest": format!("{instance}/services/data/v{{version}}/") },
            }),
        ),
        ["", "id", org, _] if *org != facts.org_id => answers::text(StatusCode::FORBIDDEN, "Wrong_Org"),
        ["", "id", _, user] if *user == facts.user_id => answers::json(
            StatusCode::OK,
            &json!({
                "id": id,
                "asserted_user": true,
                "user_id": facts.user_id,
                "organization_id": facts.org_id,
                "username": facts.username,
                "email": facts.username,
                "active": true,
                "urls": {
                    "rest": format!("{instance}/services/data/v{{version}}/"),
                    "query": format!("{instance}/services/data/v{{version}}/query/"),
                    "sobjects": format!("{instance}/services/data/v{{version}}/sobjects/"),
                },
            }),
        ),
        _ => answers::text(StatusCode::NOT_FOUND, "Bad_Id"),
    }
}
