//! Times as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 10000-01-01: RFC 3339 has four digits for a year.
const END_OF_YEARS: Duration = Duration::from_secs(253_402_300_800);

/// A time in UTC and whole seconds, as RFC 3339 writes it. humantime panics before 1970 and fails past 9999, where a clock
/// may be set all the same.
pub(super) fn rfc3339(time: SystemTime) -> String {
    match time.duration_since(UNIX_EPOCH) {
        Err(_) => "before 1970".to_owned(),
        Ok(since_1970) if since_1970 >= END_OF_YEARS => "after 9999".to_owned(),
        Ok(_) => humantime::format_rfc3339_seconds(time).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_whatever_the_year() {
        let at = |seconds: u64| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(at(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(at(253_402_300_800), "after 9999");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_nanos(1)), "before 1970");
    }
}
