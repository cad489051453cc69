use std::time::Duration;

use http::uri::Authority;

use super::*;
use crate::{
    diagnosis::{HostFacts, NotResendable, Past, Probes},
    error::{AuthError, AuthErrorKind},
    token::Generation,
    token_endpoint::{TokenError, TokenErrorKind, TokenErrorReason},
};

const DEAD: (Verdict, &str, &str) =
    (Verdict::SessionExpired, "INVALID_SESSION_ID", "Session expired or invalid");
const ALIVE: (Verdict, &str, &str) = (
    Verdict::SessionNotPermitted,
    "INVALID_SESSION_ID",
    "This session is not valid for use with the REST API",
);

fn refused((verdict, code, message): (Verdict, &str, &str), outcome: Outcome) -> Diagnosis {
    let refusal = Refusal { code: Some(code.into()), message: Some(message.into()), ..bare(verdict) };
    Diagnosis::new(Some(refusal.into()), outcome, facts(false))
}

fn bare(verdict: Verdict) -> Refusal {
    Refusal { verdict, code: None, message: None, retry_after: None }
}

fn facts(accepted: bool) -> Facts {
    let token = TokenFacts {
        generation: Generation(3),
        age: Duration::from_secs(7_200),
        accepted,
        api_scope: Some(true),
        is_jwt: false,
    };
    Facts { token: Some(token), ..Facts::default() }
}

fn past(diagnosis: Diagnosis, past: Past) -> Diagnosis {
    Diagnosis { facts: Facts { past, ..diagnosis.facts }, ..diagnosis }
}

fn accepted(diagnosis: Diagnosis) -> Diagnosis {
    Diagnosis { facts: Facts { token: facts(true).token, ..diagnosis.facts }, ..diagnosis }
}

fn failed(kind: AuthErrorKind, reason: Option<TokenErrorReason>) -> Outcome {
    let refused = TokenError::new(TokenErrorKind::Reauthorise).with_reason(reason);
    Outcome::RefreshFailed(AuthError::new(kind, "refused").with_source(refused))
}

fn ranked(diagnosis: &Diagnosis) -> Vec<(Cause, Confidence)> {
    causes(diagnosis).into_iter().map(|ranked| (ranked.cause, ranked.confidence)).collect()
}

fn first(diagnosis: &Diagnosis) -> (Cause, Confidence) {
    ranked(diagnosis)[0]
}

#[test]
fn a_session_that_worked_and_whose_refresh_cannot_be_made_has_expired() {
    let outcome = Outcome::RefreshFailed(AuthError::new(AuthErrorKind::StoreUnavailable, "down"));
    let diagnosis = accepted(refused(DEAD, outcome));
    assert_eq!(first(&diagnosis), (Cause::Expired, Medium));
    let diagnosis = accepted(refused(DEAD, Outcome::NotResendable(NotResendable::BodyNotKept)));
    assert_eq!(first(&diagnosis), (Cause::Expired, Medium));
}

#[test]
fn what_the_token_endpoint_says_in_words_is_certain() {
    use TokenErrorReason as Reason;
    for (reason, cause) in [
        (Reason::ExpiredOrRevoked, Cause::Revoked),
        (Reason::AuthenticationFailure, Cause::Revoked),
        (Reason::UserInactive, Cause::Revoked),
        (Reason::IpRestricted, Cause::IpLocked),
        (Reason::UserNotApproved, Cause::ApiAccessControl),
        (Reason::ClientCredentialsWrong, Cause::ClientRejected),
        (Reason::PasswordExpired, Cause::PasswordExpired),
        (Reason::Maintenance, Cause::Maintenance),
        (Reason::LoginRateExceeded, Cause::LimitReached),
    ] {
        let outcome = failed(AuthErrorKind::OperatorMustAct, Some(reason));
        for diagnosis in
            [accepted(refused(DEAD, outcome.clone())), Diagnosis::new(None, outcome, Facts::default())]
        {
            assert_eq!(first(&diagnosis), (cause, High), "{reason:?}");
        }
    }
}

#[test]
fn a_grant_that_ended_in_unknown_words_is_not_certain() {
    let diagnosis =
        Diagnosis::new(None, failed(AuthErrorKind::ReauthorisationRequired, None), Facts::default());
    assert_eq!(ranked(&diagnosis), [(Cause::Revoked, Medium)]);
}

#[test]
fn a_dead_session_that_never_worked_here_is_at_the_wrong_host() {
    let diagnosis = past(refused(DEAD, Outcome::RefusedAgain), Past { barren: 2, ..Past::default() });
    assert_eq!(first(&diagnosis), (Cause::WrongInstanceUrl, Medium));
}

#[test]
fn a_dead_session_after_one_that_worked_here_is_locked_out() {
    let worked = Past { worked: true, worked_here: true, barren: 1, ..Past::default() };
    assert_eq!(first(&past(refused(DEAD, Outcome::RefusedAgain), worked)), (Cause::IpLocked, Medium));
}

#[test]
fn a_live_session_is_told_apart_by_whether_one_ever_worked() {
    let never = past(refused(ALIVE, Outcome::RefusedAgain), Past { barren: 2, ..Past::default() });
    assert_eq!(first(&never), (Cause::ApiAccessControl, Medium));
    let worked = Past { worked: true, worked_here: true, barren: 1, ..Past::default() };
    let once = past(refused(ALIVE, Outcome::RefusedAgain), worked);
    assert_eq!(first(&once), (Cause::IpLocked, Medium));
    assert!(ranked(&once).contains(&(Cause::ApiAccessControl, Low)));
}

#[test]
fn scopes_without_api_explain_a_live_session_that_may_not() {
    let mut diagnosis = refused(ALIVE, Outcome::RefusedAgain);
    diagnosis.facts.token.as_mut().unwrap().api_scope = Some(false);
    assert_eq!(first(&diagnosis), (Cause::MissingScope, High));
    diagnosis.facts.token.as_mut().unwrap().api_scope = None;
    assert!(ranked(&diagnosis).contains(&(Cause::MissingScope, Low)), "unknown scopes exclude nothing");
}

#[test]
fn maintenance_seen_lately_explains_what_follows_it() {
    let lately = Past {
        worked: true,
        worked_here: true,
        maintenance: Some(Duration::from_secs(30)),
        ..Past::default()
    };
    for words in [DEAD, ALIVE] {
        let diagnosis = past(refused(words, Outcome::RefusedAgain), lately.clone());
        assert_eq!(first(&diagnosis), (Cause::Maintenance, Medium), "{words:?}");
    }
}

#[test]
fn f057_sessions_that_die_young_were_revoked() {
    let evicted = Past { worked: true, worked_here: true, died_young: 3, ..Past::default() };
    let outcome = Outcome::CoolingDown { retry_after: Duration::from_secs(60) };
    assert_eq!(first(&past(accepted(refused(DEAD, outcome)), evicted)), (Cause::Revoked, Medium));
}

#[test]
fn probes_tell_a_lock_from_access_control() {
    let probes =
        |identity, read| Probes { introspection: Some(true), identity: Some(identity), read: Some(read) };
    let mut diagnosis = refused(ALIVE, Outcome::Examined);
    diagnosis.facts.probes = probes(true, Err(Verdict::SessionNotPermitted));
    assert_eq!(first(&diagnosis), (Cause::ApiAccessControl, Medium));
    diagnosis.facts.probes = probes(false, Err(Verdict::SessionNotPermitted));
    assert_eq!(first(&diagnosis), (Cause::IpLocked, Medium));
    diagnosis.facts.probes = probes(true, Ok(()));
    assert_eq!(first(&diagnosis), (Cause::IpLocked, Medium), "refused to the client, let in another way");
}

#[test]
fn a_session_that_is_let_in_has_no_cause() {
    let probes = Probes { introspection: Some(true), identity: Some(true), read: Some(Ok(())) };
    let facts = Facts { probes, ..facts(true) };
    assert!(causes(&Diagnosis::new(None, Outcome::Examined, facts)).is_empty());
}

#[test]
fn every_verdict_has_a_cause_and_only_words_make_it_certain() {
    use Verdict as V;
    for (verdict, cause) in [
        (V::WrongHost, Cause::WrongInstanceUrl),
        (V::ReadOnlyMaintenance, Cause::Maintenance),
        (V::RateLimited, Cause::LimitReached),
        (V::MalformedRequest, Cause::MalformedCredentials),
        (V::PasswordExpired, Cause::PasswordExpired),
    ] {
        let diagnosis = refused((verdict, "SOME_CODE", "some text"), Outcome::NotRefreshable);
        assert_eq!(first(&diagnosis), (cause, High), "{verdict:?}");
    }
    for (verdict, cause) in [
        (V::UnrecognisedRefusal, Cause::Intermediary),
        (V::TokenFormat, Cause::TokenFormat),
        (V::OrgUnavailable, Cause::Maintenance),
        (V::Forbidden, Cause::Intermediary),
        (V::WrongHost, Cause::WrongInstanceUrl),
    ] {
        let diagnosis = Diagnosis::new(Some(bare(verdict).into()), Outcome::NotRefreshable, Facts::default());
        assert_eq!(first(&diagnosis), (cause, Medium), "{verdict:?}");
    }
    let nothing = Diagnosis::new(Some(bare(V::NotAuth).into()), Outcome::NotRefreshable, Facts::default());
    assert!(causes(&nothing).is_empty());
}

#[test]
fn only_a_code_of_salesforces_own_makes_a_missing_permission_certain() {
    for (code, expected) in [
        ("API_DISABLED_FOR_ORG", (Cause::PermissionMissing, High)),
        ("insufficient_access", (Cause::PermissionMissing, High)),
        ("LOGIN_DURING_RESTRICTED_DOMAIN", (Cause::IpLocked, High)),
        // Whatever they are, nobody has said that a permission is missing.
        ("Forbidden", (Cause::PermissionMissing, Medium)),
        ("STORAGE_LIMIT_EXCEEDED", (Cause::LimitReached, Medium)),
        ("TRIAL_EXPIRED", (Cause::PermissionMissing, Medium)),
        ("INVALID_SESSION_ID", (Cause::PermissionMissing, Medium)),
        ("UNSUPPORTED_CLIENT", (Cause::ApiAccessControl, Medium)),
        ("INVALID_LOGIN", (Cause::ClientRejected, Medium)),
        ("Wrong_Org", (Cause::WrongInstanceUrl, Medium)),
    ] {
        let diagnosis = refused((Verdict::Forbidden, code, "some text"), Outcome::NotRefreshable);
        assert_eq!(first(&diagnosis), expected, "{code}");
    }
    let gateway = refused((Verdict::Forbidden, "Forbidden", "no"), Outcome::NotRefreshable);
    assert!(ranked(&gateway).contains(&(Cause::Intermediary, Low)));
    let session = refused((Verdict::Forbidden, "INVALID_SESSION_ID", "x"), Outcome::NotRefreshable);
    assert!(ranked(&session).contains(&(Cause::Expired, Low)));
}

#[test]
fn only_a_code_of_salesforces_own_makes_maintenance_certain_and_excludes_a_proxy() {
    let unavailable =
        |code, message| ranked(&refused((Verdict::OrgUnavailable, code, message), Outcome::NotRefreshable));
    assert_eq!(unavailable("ORG_IN_MAINTENANCE", ""), [(Cause::Maintenance, High)]);
    assert_eq!(
        unavailable("SERVER_UNAVAILABLE", "Server too busy"),
        [(Cause::Maintenance, Medium), (Cause::LimitReached, Low)]
    );
    let gateway = unavailable("Service Unavailable", "down for maintenance");
    assert_eq!(gateway[0], (Cause::Maintenance, Medium));
    assert!(gateway.contains(&(Cause::Intermediary, Low)));
}

fn because(diagnosis: &Diagnosis, cause: Cause) -> Vec<&'static str> {
    let causes = causes(diagnosis);
    let ranked = causes.iter().find(|ranked| ranked.cause == cause).unwrap();
    ranked.because.iter().map(Evidence::name).collect()
}

#[test]
fn an_earlier_session_is_named_only_where_there_was_one() {
    let only_this = accepted(refused(DEAD, Outcome::TokenUnchanged));
    assert_eq!(because(&only_this, Cause::IpLocked), ["accepted", "refresh"]);
    let earlier = Past { worked: true, worked_here: true, barren: 1, ..Past::default() };
    for words in [DEAD, ALIVE] {
        let diagnosis = past(refused(words, Outcome::RefusedAgain), earlier.clone());
        assert_eq!(because(&diagnosis, Cause::IpLocked), ["worked_here", "refresh"]);
    }
}

#[test]
fn a_session_that_others_are_let_in_with_was_not_never_accepted() {
    let one = Past { barren: 1, ..Past::default() };
    let names =
        |diagnosis: &Diagnosis| -> Vec<_> { diagnosis.evidence().iter().map(Evidence::name).collect() };
    let refused = past(refused(DEAD, Outcome::RefusedAgain), one);
    assert!(names(&refused).contains(&"never_accepted"));
    let let_in = accepted(refused);
    assert!(names(&let_in).contains(&"accepted") && !names(&let_in).contains(&"never_accepted"));
}

#[test]
fn a_session_that_is_let_in_elsewhere_may_be_refused_by_the_resource() {
    for words in [DEAD, ALIVE] {
        let diagnosis = accepted(refused(words, Outcome::RefusedAgain));
        assert!(ranked(&diagnosis).contains(&(Cause::ResourceRefuses, Medium)), "{words:?}");
        let never = refused(words, Outcome::RefusedAgain);
        assert!(!ranked(&never).iter().any(|(cause, _)| *cause == Cause::ResourceRefuses), "{words:?}");
    }
}

#[test]
fn what_a_refresh_has_shown_counts_when_the_session_is_examined_later() {
    let shown = Past { worked: true, worked_here: true, barren: 1, refused_again: true, ..Past::default() };
    let mut diagnosis = past(refused(DEAD, Outcome::Examined), shown);
    diagnosis.facts.probes.read = Some(Err(Verdict::SessionExpired));
    assert_eq!(first(&diagnosis), (Cause::IpLocked, Medium));
    assert_eq!(because(&diagnosis, Cause::IpLocked), ["worked_here", "refresh"]);
    assert!(!ranked(&diagnosis).iter().any(|(cause, _)| *cause == Cause::Expired));
}

#[test]
fn a_session_that_is_let_in_by_another_way_has_neither_expired_nor_gone_astray() {
    for words in [DEAD, ALIVE] {
        let mut diagnosis = past(refused(words, Outcome::Examined), Past { barren: 1, ..Past::default() });
        diagnosis.facts.probes = Probes { read: Some(Ok(())), ..Probes::default() };
        assert_eq!(first(&diagnosis), (Cause::IpLocked, Medium), "{words:?}");
        assert!(ranked(&diagnosis)[1..].iter().all(|(_, confidence)| *confidence == Low));
        assert!(!ranked(&diagnosis).iter().any(|(cause, _)| *cause == Cause::Expired));
    }
}

#[test]
fn what_the_org_accepts_says_nothing_of_an_origin_that_is_not_the_orgs() {
    let host = Some(HostFacts { record: Authority::from_static("acme.my.salesforce.com"), is_home: false });
    let earlier = Past { worked: true, worked_here: true, ..Past::default() };
    let mut away = accepted(past(refused(DEAD, Outcome::RefusedAgain), earlier));
    away.facts.host = host;
    assert_eq!(first(&away), (Cause::WrongInstanceUrl, Medium));
    assert_eq!(because(&away, Cause::WrongInstanceUrl), ["host", "refresh"]);
    assert!(ranked(&away).contains(&(Cause::TokenFormat, Low)));
}

#[test]
fn soap_refuses_tokens_in_jwt_format_as_dead_sessions() {
    let fault = "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session";
    let mut diagnosis =
        refused((Verdict::SessionExpired, "INVALID_SESSION_ID", fault), Outcome::RefusedAgain);
    assert_ne!(first(&diagnosis).0, Cause::TokenFormat);
    diagnosis.facts.token.as_mut().unwrap().is_jwt = true;
    assert_eq!(first(&diagnosis), (Cause::TokenFormat, Medium));
}

#[test]
fn a_foreign_origin_is_a_wrong_host_and_no_failed_refresh() {
    let error = AuthError::new(AuthErrorKind::ForeignOrigin, "evil.example is not of this org");
    let diagnosis = Diagnosis::new(None, Outcome::RefreshFailed(error), Facts::default());
    assert_eq!(ranked(&diagnosis), [(Cause::WrongInstanceUrl, Medium)]);
    let text = diagnosis.to_string();
    assert!(text.starts_with("The request was not sent. No refresh was made: evil.example"), "{text}");
}

#[test]
fn a_blocked_app_is_no_matter_of_its_secret() {
    let outcome = failed(AuthErrorKind::OperatorMustAct, Some(TokenErrorReason::AppBlocked));
    assert_eq!(first(&Diagnosis::new(None, outcome, Facts::default())), (Cause::ApiAccessControl, Medium));
}

/// Whatever is not said in so many words stays a guess, with every combination of what may be known.
#[test]
fn circumstances_alone_never_make_a_cause_certain() {
    let outcomes = [
        Outcome::RefusedAgain,
        Outcome::TokenUnchanged,
        Outcome::CoolingDown { retry_after: Duration::from_secs(1) },
        Outcome::NotResendable(NotResendable::BodyNotKept),
        Outcome::RefreshFailed(AuthError::new(AuthErrorKind::StoreUnavailable, "down")),
        Outcome::Examined,
    ];
    let flags = [false, true];
    for words in [DEAD, ALIVE] {
        for outcome in &outcomes {
            for (worked, worked_here) in [(false, false), (true, false), (true, true)] {
                for is_accepted in flags {
                    for died_young in [0, 5] {
                        for maintenance in [None, Some(Duration::from_secs(9))] {
                            let mut diagnosis = refused(words, outcome.clone());
                            diagnosis.facts = facts(is_accepted);
                            diagnosis.facts.past = Past {
                                worked,
                                worked_here,
                                barren: 2,
                                refused_again: false,
                                died_young,
                                maintenance,
                            };
                            let ranked = ranked(&diagnosis);
                            assert!(!ranked.is_empty());
                            assert!(ranked.iter().all(|(_, confidence)| *confidence < High), "{ranked:?}");
                        }
                    }
                }
            }
        }
    }
}
