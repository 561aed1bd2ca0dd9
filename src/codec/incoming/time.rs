//! Times as monitors write them.

use std::time::UNIX_EPOCH;

/// A time of RFC 3339, or the same with a space in the middle, or without a zone, which is UTC then: in milliseconds since
/// 1970. `None` for what is none, or before that, as Alertmanager's end of what has not ended is.
pub(super) fn unix_ms(text: &str) -> Option<u64> {
    let (local, minutes) = split_offset(text);
    let time = humantime::parse_rfc3339_weak(local).ok()?;
    let ms = time.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let ms = i64::try_from(ms).ok()?;
    u64::try_from(ms - 60_000 * minutes).ok()
}

/// The time without its zone, and how many minutes the zone is ahead of UTC.
fn split_offset(text: &str) -> (&str, i64) {
    let none = (text, 0);
    let Some((local, zone)) = text
        .len()
        .checked_sub(6)
        .and_then(|at| text.split_at_checked(at))
    else {
        return none;
    };
    let sign = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return none,
    };
    let two_digits = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
        true => part.parse::<i64>().ok(),
        false => None,
    };
    let parts = zone[1..]
        .split_once(':')
        .filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2);
    let parts = parts.and_then(|(hours, minutes)| Some((two_digits(hours)?, two_digits(minutes)?)));
    match parts {
        Some((hours, minutes)) => (local, sign * (60 * hours + minutes)),
        None => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_monitors_are_read() {
        let same = 1_634_025_063_157;
        for text in [
            "2021-10-12T07:51:03.157Z",
            "2021-10-12T07:51:03.157076981Z",
            "2021-10-12T09:51:03.157076+02:00",
            "2021-10-12T02:21:03.157-05:30",
            "2021-10-12 07:51:03.157",
        ] {
            assert_eq!(unix_ms(text), Some(same), "{text}");
        }
        assert_eq!(unix_ms("2021-10-12T07:51:03Z"), Some(1_634_025_063_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "yesterday",
            "2021-10-12T09:51:03+0200",
            "2021-10-12T09:51:03+é:00",
            "2021-13-12T09:51:03Z",
            "+02:00",
        ] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }
}
