mod table;

use http::Uri;

use self::table::{ACCEPTED, REFUSED};
use super::{HostPolicy, InstanceUrl, InstanceUrlErrorKind as Kind};

#[test]
fn f119_f128_an_origin_passes_or_breaks_a_named_rule() {
    let mut rows = 0;
    for (text, host) in ACCEPTED {
        let url = InstanceUrl::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(url.to_string(), format!("https://{host}"), "{text:?}");
        assert_eq!(url.authority().as_str(), *host);
        assert_eq!(url.authority().port(), None);
        assert_eq!(InstanceUrl::parse(&url.to_string()), Ok(url), "{text:?} is not stable");
        rows += 1;
    }
    for (kind, texts) in REFUSED {
        for text in *texts {
            let error = InstanceUrl::parse(text).expect_err(text);
            assert_eq!(error.kind(), *kind, "{text:?}");
            rows += 1;
        }
    }
    assert!(rows >= 200, "{rows} rows");
}

#[test]
fn the_host_may_have_253_bytes_and_no_more() {
    let host = |bytes: usize| {
        let tail = ".my.salesforce.com";
        let mut host = "a.".repeat((bytes - tail.len()) / 2);
        host.truncate(host.len() - 1);
        while host.len() + tail.len() < bytes {
            host.push('b');
        }
        host + tail
    };
    for (bytes, result) in
        [(252, None), (253, None), (254, Some(Kind::HostTooLong)), (9_999, Some(Kind::HostTooLong))]
    {
        let host = host(bytes);
        assert_eq!(host.len(), bytes);
        assert_eq!(
            InstanceUrl::parse(&format!("https://{host}")).err().map(|error| error.kind()),
            result,
            "{bytes}"
        );
        assert_eq!(
            InstanceUrl::parse(&format!("https://{host}.")).err().map(|error| error.kind()),
            result,
            "{bytes}"
        );
    }
}

/// Where a hostile byte is put into a good URL, it is refused, or both readings agree on one Salesforce host.
#[test]
fn f126_whatever_passes_is_read_alike_by_the_parser_of_http() {
    let good = "https://acme.my.salesforce.com:443/";
    let (mut passed, mut refused) = (0, 0);
    for at in 0..=good.len() {
        for byte in 0..=0x7f_u8 {
            for replace in [0, 1] {
                let mut text = good.as_bytes().to_vec();
                text.splice(at..(at + replace).min(good.len()), [byte]);
                let text = String::from_utf8(text).unwrap();
                let Ok(url) = InstanceUrl::parse(&text) else {
                    refused += 1;
                    continue;
                };
                passed += 1;
                let uri: Uri = text.parse().unwrap();
                let host = uri.host().unwrap();
                let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                assert_eq!(url.authority().as_str(), host, "{text:?}");
                assert!(host.ends_with(".salesforce.com"), "{text:?}");
                assert!(!uri.authority().unwrap().as_str().contains('@'), "{text:?}");
                assert!(matches!(uri.port_u16(), None | Some(443)), "{text:?}");
                assert!(url.is_origin_of(&uri), "{text:?}");
            }
        }
    }
    assert!(passed > 300 && refused > 5_000, "{passed} passed, {refused} refused");
}

#[test]
fn force_com_passes_for_those_who_ask_for_it() {
    let policy = HostPolicy { force_com: true, ..HostPolicy::default() };
    for (text, result) in [
        ("https://acme.my.force.com", Ok("https://acme.my.force.com")),
        ("https://acme.secure.force.com:443/", Ok("https://acme.secure.force.com")),
        ("https://acme.my.salesforce.com", Ok("https://acme.my.salesforce.com")),
        ("https://force.com", Err(Kind::NotSalesforce)),
        ("https://evilforce.com", Err(Kind::NotSalesforce)),
        ("https://acme.lightning.force.com", Err(Kind::LightningHost)),
        ("http://acme.my.force.com", Err(Kind::NotHttps)),
        ("http://127.0.0.1:80", Err(Kind::NotHttps)),
    ] {
        let parsed =
            InstanceUrl::parse_with(text, policy).map(|url| url.to_string()).map_err(|error| error.kind());
        assert_eq!(parsed, result.map(str::to_owned), "{text}");
    }
}

#[test]
fn s01_plain_http_and_ports_pass_on_loopback_under_the_test_policy_only() {
    let policy = HostPolicy { loopback: true, ..HostPolicy::default() };
    for (text, result) in [
        ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
        ("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080")),
        ("http://127.255.255.254:1", Ok("http://127.255.255.254:1")),
        ("http://127.0.0.1", Ok("http://127.0.0.1")),
        ("http://127.0.0.1:80", Ok("http://127.0.0.1")),
        ("https://127.0.0.1:443", Ok("https://127.0.0.1")),
        ("https://127.0.0.1:80", Ok("https://127.0.0.1:80")),
        ("http://LOCALHOST.:65535", Ok("http://localhost:65535")),
        ("http://[::1]:8080", Ok("http://[::1]:8080")),
        ("https://acme.my.salesforce.com", Ok("https://acme.my.salesforce.com")),
        ("http://acme.my.salesforce.com", Err(Kind::NotHttps)),
        ("http://localhost.evil.example", Err(Kind::NotHttps)),
        ("http://127.0.0.1.evil.example", Err(Kind::NotHttps)),
        ("http://128.0.0.1", Err(Kind::NotHttps)),
        ("https://10.0.0.1", Err(Kind::IpLiteral)),
        ("https://127.1", Err(Kind::IpLiteral)),
        ("https://0177.0.0.1", Err(Kind::IpLiteral)),
        ("https://[::ffff:127.0.0.1]", Err(Kind::IpLiteral)),
        ("http://127.0.0.1:0", Err(Kind::Port)),
        ("http://127.0.0.1:65536", Err(Kind::Port)),
        ("http://127.0.0.1:", Err(Kind::Port)),
        ("http://a@127.0.0.1", Err(Kind::Userinfo)),
        ("http://127.0.0.1/x", Err(Kind::NotAnOrigin)),
        ("https://acme.my.salesforce.com:8443", Err(Kind::Port)),
    ] {
        let parsed =
            InstanceUrl::parse_with(text, policy).map(|url| url.to_string()).map_err(|error| error.kind());
        assert_eq!(parsed, result.map(str::to_owned), "{text}");
    }
}

#[test]
fn f125_spellings_of_the_origin_are_one_origin_and_nothing_else_is() {
    let ours = InstanceUrl::parse("https://acme.my.salesforce.com").unwrap();
    for (uri, expected) in [
        ("https://acme.my.salesforce.com/", true),
        ("https://acme.my.salesforce.com", true),
        ("https://acme.my.salesforce.com/services/data?q=@", true),
        ("HTTPS://ACME.my.Salesforce.com/x", true),
        ("https://acme.my.salesforce.com./x", true),
        ("https://acme.my.salesforce.com:443/x", true),
        ("https://ACME.my.salesforce.com.:443/x", true),
        ("https://acme.my.salesforce.com:/x", true),
        ("/services/data", false),
        ("*", false),
        ("acme.my.salesforce.com", false),
        ("acme.my.salesforce.com:443", false),
        ("http://acme.my.salesforce.com/", false),
        ("http://acme.my.salesforce.com:443/", false),
        ("wss://acme.my.salesforce.com/", false),
        ("https://acme.my.salesforce.com../x", false),
        ("https://acme.my.salesforce.com:80/x", false),
        ("https://acme.my.salesforce.com:0443/x", false),
        ("https://acme.my.salesforce.com:99999/x", false),
        ("https://user@acme.my.salesforce.com/x", false),
        ("https://@acme.my.salesforce.com/x", false),
        ("https://acme.my.salesforce.com@evil.example/x", false),
        ("https://acme.my.salesforce.com:443@evil.example/x", false),
        ("https://evil.example/acme.my.salesforce.com", false),
        ("https://other.my.salesforce.com/x", false),
        ("https://my.salesforce.com/x", false),
        ("https://acme.my.salesforce.com.evil.example/", false),
        ("https://xacme.my.salesforce.com/", false),
        ("https://[::1]/", false),
    ] {
        match uri.parse::<Uri>() {
            Ok(parsed) => assert_eq!(ours.is_origin_of(&parsed), expected, "{uri}"),
            Err(_) => assert!(!expected, "{uri} is no uri"),
        }
    }
}

#[test]
fn the_port_of_a_loopback_origin_counts() {
    let policy = HostPolicy { loopback: true, ..HostPolicy::default() };
    for (ours, uri, expected) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/x", true),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081/x", false),
        ("http://127.0.0.1:8080", "http://127.0.0.1/x", false),
        ("http://127.0.0.1:8080", "https://127.0.0.1:8080/x", false),
        ("http://127.0.0.1:8080", "http://localhost:8080/x", false),
        ("http://localhost:8080", "http://LocalHost.:8080/x", true),
        ("http://127.0.0.1", "http://127.0.0.1:80/x", true),
        ("http://[::1]:8080", "http://[::1]:8080/x", true),
        ("http://[::1]:8080", "http://[::1]/x", false),
        ("http://[::1]", "http://[::1]:80/x", true),
    ] {
        let ours = InstanceUrl::parse_with(ours, policy).unwrap();
        assert_eq!(ours.is_origin_of(&uri.parse().unwrap()), expected, "{ours} {uri}");
    }
}

#[test]
fn f192_an_error_repeats_the_host_and_nothing_else() {
    let error = InstanceUrl::parse("https://Evil.Example/?sid=canary#canary").unwrap_err();
    assert_eq!(error.host(), Some("evil.example"));
    assert_eq!(
        error.to_string(),
        "instance url refused (host evil.example): salesforce takes no api calls there; its hosts end in .salesforce.com, \
         .salesforce.mil, .cloudforce.com or .sfcrmproducts.cn"
    );
    for (_, texts) in REFUSED {
        for text in *texts {
            let error = InstanceUrl::parse(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
            assert!(!error.to_string().chars().any(char::is_control), "{shown}");
            assert!(!error.to_string().ends_with('.'), "{shown}");
        }
    }
}
