//! Pages: whoever answers an API call with one is not the API.

use std::borrow::Cow;

use super::{
    Answer, Dialect, Verdict,
    entries::{Entry, Found, Reading},
    wording::{self, SessionWords},
};

/// How pages begin, behind comments and declarations.
const OPENINGS: [&str; 6] = ["<!doctype html", "<html", "<head", "<body", "<title", "<script"];

/// What the pages of firewalls, proxies and load balancers say of themselves. None of these words is Salesforce's.
const INTERMEDIARIES: [&str; 21] = [
    // What they do, in the words of many products.
    "access denied",
    "blocked",
    "rejected",
    "could not be satisfied",
    // The page that web servers and load balancers make without being told to.
    "403 forbidden",
    "403 - forbidden",
    // What they are.
    "firewall",
    "proxy",
    "gateway",
    "web filter",
    "captive portal",
    "nginx",
    "cloudflare",
    "cloudfront",
    "fortinet",
    "fortiguard",
    "forcepoint",
    "incapsula",
    "netskope",
    "sophos",
    "zscaler",
];

/// Whether `text` is a page, whatever its content type says (F143).
pub(super) fn is_page(text: &str) -> bool {
    let mut text = text;
    loop {
        let rest = if let Some(comment) = text.strip_prefix("<!--") {
            comment.split_once("-->")
        } else if let Some(declaration) = text.strip_prefix("<?") {
            declaration.split_once("?>")
        } else {
            return OPENINGS.iter().any(|opening| {
                text.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening))
            });
        };
        let Some((_, rest)) = rest else { return false };
        text = rest.trim_start();
    }
}

/// Reads a page. Words about the session are not believed here: they may be anybody's (F147).
pub(super) fn read<'a>(answer: Answer<'_>, page: &'a str) -> Found<'a> {
    let small = page.to_ascii_lowercase();
    let known = wording::find(None, Some(&small), SessionWords::Ignored);
    let words = || {
        let words = known?.message?;
        let at = small.find(words)?;
        page.get(at..at + words.len())
    };
    let message = title(page, &small).or_else(words).map(Cow::Borrowed);
    let verdict = known.map(|known| known.verdict).or_else(|| by_maker(answer, &small));
    Reading { verdict, entry: Entry { code: None, message } }
}

/// What it means that whoever makes such pages has answered.
fn by_maker(answer: Answer<'_>, page: &str) -> Option<Verdict> {
    let status = answer.status.as_u16();
    if !answer.dialect.is_api() {
        return None;
    }
    // What Lightning says to an API call that was redirected to it (jsforce issue 1352); SOAP says so to a GET.
    if status == 405 && page.contains("only post allowed") && answer.dialect != Dialect::Soap {
        return Some(Verdict::WrongHost);
    }
    if !matches!(status, 401 | 403) {
        return None;
    }
    if is_login(page) {
        // Data Cloud's exchange shows the login page to a session that is dead (Salesforce-CDP-jdbc). Elsewhere a dead
        // session is told in the API's own words, and the page comes from a host of the user interface.
        let is_exchange = answer.dialect == Dialect::DataCloud;
        return Some(if is_exchange { Verdict::SessionExpired } else { Verdict::WrongHost });
    }
    // Not the API, and no firewall that says so: a site that has moved answers like this
    // (SalesforceMobileSDK-Android issue 2339).
    let is_site = status == 403 && !INTERMEDIARIES.iter().any(|words| page.contains(words));
    is_site.then_some(Verdict::WrongHost)
}

/// Whether this is Salesforce's login page, or one that leads there by script: with the page to come back to.
fn is_login(page: &str) -> bool {
    ["starturl=", "//login.salesforce.com", "//test.salesforce.com"].iter().any(|sign| page.contains(sign))
}

/// The title of `page`, which is `small` in small letters.
fn title<'a>(page: &'a str, small: &str) -> Option<&'a str> {
    let tag = small.find("<title")?;
    let start = tag + small.get(tag..)?.find('>')? + 1;
    let end = start + small.get(start..)?.find("</title")?;
    page.get(start..end).map(str::trim).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f143_a_page_is_told_from_xml() {
        for page in [
            "<!DOCTYPE HTML>\n<html lang=en-US>",
            "<!doctype html>",
            "<HTML>",
            "<html><body>",
            "<!-- a --><!-- b -->\n<html>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0\">",
            "<script>window.location.replace('x')</script>",
        ] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "<",
            "<!--",
            "<!-- <html>",
            "<?xml",
            "<?xml version=\"1.0\"?><error/>",
            "<!DOCTYPE e SYSTEM \"e.dtd\"><html>",
            "<response>\n<faultcode>",
            "<é>",
            "{\"html\":\"<html>\"}",
            "html",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn a_title_is_what_is_shown_of_a_page() {
        for (page, expected) in [
            ("<html><head><TITLE lang=en> Error Page\n</Title>", Some("Error Page")),
            ("<title></title>", None),
            ("<title>cut", None),
            ("<title", None),
            ("<html>", None),
        ] {
            assert_eq!(title(page, &page.to_ascii_lowercase()), expected, "{page}");
        }
    }
}
