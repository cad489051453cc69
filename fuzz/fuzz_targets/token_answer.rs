//! A token answer yields well-formed tokens or a typed error, shows none of them, and loses no refresh token that came
//! through. Read as the answer to an introspection, the same bytes yield printable texts or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_salesforce_auth::{
    Secret, fuzzing,
    token_endpoint::{TokenError, TokenResponse},
};

/// Longer than any word of an error, so that a token is not found there by chance.
const TELLING: usize = 40;

/// The refresh token of answers that begin with one.
const KEPT: &str = "5Aep861canary.canary_canary.canary_canary.canary";

fuzz_target!(|data: &[u8]| {
    let Some((&shape, rest)) = data.split_first() else { return };
    let began = shape & 1 != 0;
    let body = if began { [br#"{"refresh_token":""#, KEPT.as_bytes(), b"\",", rest].concat() } else { rest.to_vec() };

    let read = TokenResponse::from_json(&body);
    match &read {
        Ok(answer) => {
            for token in [Some(answer.access_token()), answer.refresh_token()].into_iter().flatten() {
                assert!(is_token(token), "a malformed token passed");
                assert_unseen(token, &format!("{answer:?}"));
            }
        }
        Err(error) => check(error),
    }
    match fuzzing::introspection(&body) {
        Ok(told) => assert_printable(&format!("{told:?}")),
        Err(error) => check(&error),
    }
    let broken_off = fuzzing::salvage(&body);
    check(&broken_off);

    // A second value under the same key, however it is spelt, leaves none of the two.
    let again = rest.windows(7).any(|window| window == b"refresh") || rest.contains(&b'\\');
    if began && !again {
        let kept = read.as_ref().map_or_else(TokenError::kept, TokenResponse::refresh_token);
        assert_eq!(kept.map(Secret::expose), Some(KEPT));
        assert_eq!(broken_off.kept().map(Secret::expose), Some(KEPT));
    }
});

fn check(error: &TokenError) {
    let shown = format!("{error} {error:?}");
    assert_printable(&shown);
    if let Some(token) = error.kept() {
        assert!(is_token(token), "a malformed token was kept");
        assert_unseen(token, &shown);
    }
}

/// Of a length and in characters fit for a log line.
fn assert_printable(shown: &str) {
    assert!(shown.len() < 4096 && !shown.contains(char::is_control), "{shown:?}");
}

/// Visible ASCII, 1 to 8,192 characters.
fn is_token(token: &Secret) -> bool {
    let token = token.expose();
    (1..=8192).contains(&token.len()) && token.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

fn assert_unseen(token: &Secret, shown: &str) {
    assert!(token.expose().len() < TELLING || !shown.contains(token.expose()), "{shown}");
}
