//! What it costs to read a refusal: `cargo bench --bench refusal`.
//!
//! A refusal is rare, so that a microsecond or two is nothing beside the request that was refused; what must cost
//! nothing is to see that an answer is none.

#![allow(clippy::unwrap_used, missing_docs)] // a panic here is a broken bench

mod rig;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rig::results::Run;
use tower_salesforce_auth::refusal::{self, Head, Verdict};

const DATA: &str = "/services/data/v65.0/sobjects/Account/001R0000003GeJ1IAK";
const BULK: &str = "/services/async/65.0/job/750R0000000zlh9IAA/batch";
const SOAP: &str = "/services/Soap/u/65.0/00DR0000000KvIt";

const REST_401: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

const REST_404: &str = r#"[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: X__c"}]"#;

const BULK_400: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
    <exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>";

const SOAP_500: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
    <faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: \
    Illegal Session</faultstring><detail><sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">\
    <sf:exceptionCode>INVALID_SESSION_ID</sf:exceptionCode><sf:exceptionMessage>Invalid Session ID found in SessionHeader: \
    Illegal Session</sf:exceptionMessage></sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>";

const PAGE_503: &str = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>We are down for maintenance. \
    Sorry for the inconvenience. We'll be back shortly.</body></html>";

fn refusals(criterion: &mut Criterion) {
    let run = Run::begin("refusal");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    headers.insert("sforce-limit-info", HeaderValue::from_static("api-usage=18/5000"));

    let mut group = criterion.benchmark_group("refusal");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, status) in [("not a candidate/200", 200), ("not a candidate/304", 304)] {
        let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, DATA);
        group.bench_function(name, |bencher| bencher.iter(|| refusal::is_candidate(black_box(head))));
    }
    // The greatest page that is looked at: of a proxy, without a word that is known.
    let long =
        format!("<html><body>{}</body></html>", "Lorem ipsum dolor sit amet, consetetur. ".repeat(400));
    for (name, status, path, body, verdict) in [
        ("REST 401", 401, DATA, REST_401, Verdict::SessionExpired),
        ("REST 404", 404, DATA, REST_404, Verdict::NotAuth),
        ("Bulk XML 400", 400, BULK, BULK_400, Verdict::SessionExpired),
        ("SOAP fault 500", 500, SOAP, SOAP_500, Verdict::SessionExpired),
        ("HTML page 503", 503, DATA, PAGE_503, Verdict::OrgUnavailable),
        ("HTML page of 16 KiB 401", 401, DATA, &long, Verdict::UnrecognisedRefusal),
    ] {
        let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, path);
        assert_eq!(refusal::classify(head, body.as_bytes()), verdict, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| refusal::classify(black_box(head), black_box(body.as_bytes())));
        });
    }
    group.finish();
    run.end();
}

criterion_group!(benches, refusals);
criterion_main!(benches);
