//! Dates in HTTP headers.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// The date in header `name`, since the Unix epoch.
///
/// Reads the one form that may be sent today, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). The two obsolete ones
/// count as absent, as everything malformed: what the dates are read for are hints.
pub(crate) fn of(headers: &HeaderMap, name: HeaderName) -> Option<Duration> {
    parse(headers.get(name)?.to_str().ok()?)
}

fn parse(text: &str) -> Option<Duration> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let day = number(words.next()?, 1, 31)?;
    let month = words.next()?;
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month)?.1;
    let year = number(words.next()?, 1970, 9999)?;
    let mut time = words.next()?.split(':');
    let hour = number(time.next()?, 0, 23)?;
    let minute = number(time.next()?, 0, 59)?;
    let second = number(time.next()?, 0, 60)?; // 60: a leap second
    if words.next().is_some() || time.next().is_some() {
        return None;
    }
    Some(Duration::from_secs(
        days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second,
    ))
}

fn number(digits: &str, least: u64, most: u64) -> Option<u64> {
    let number = digits.parse().ok()?;
    (least..=most).contains(&number).then_some(number)
}

/// Counts from 1 March, so that a leap day is the last of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    days - DAYS_TO_1970
}

/// What the sum above yields for 1 January 1970.
const DAYS_TO_1970: u64 = 1969 * 365 + 492 - 19 + 4 + 306 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_second() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 31 Dec 2100 12:00:00 GMT", 4_133_937_600),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn days_all_over_four_centuries_are_read() {
        for day in (0..146_097).step_by(37) {
            let time = Duration::from_secs(day * 86_400 + day % 86_400);
            assert_eq!(parse(&crate::token_endpoint::in_memory::http_date(time)), Some(time));
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "120",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Nov 18446744073709551615 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
