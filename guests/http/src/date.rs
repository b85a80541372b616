//! The date as HTTP writes it (RFC 9110, 5.6.7), with the fields of each response that it stands among, kept until its
//! second is over. The only place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_BYTES: usize = 29;
const PREFIX: &[u8; 24] = b"\r\nServer: wisted\r\nDate: ";

/// What every response says behind its status: one piece, so that one copy does.
pub type Fields = [u8; PREFIX.len() + DATE_BYTES];

/// The current date.
pub struct Date {
    fields: Fields,
    /// By the monotonic clock. Until then the text is right.
    fresh_until_ms: u64,
}

impl Date {
    pub fn new() -> Date {
        let mut fields = [0; PREFIX.len() + DATE_BYTES];
        fields[..PREFIX.len()].copy_from_slice(PREFIX);
        Date {
            fields,
            fresh_until_ms: 0,
        }
    }

    /// The fields with the date, `now_ms` being the time of the monotonic clock. Reads the wall clock once a second at most.
    pub fn fields(&mut self, now_ms: u64) -> &Fields {
        if now_ms >= self.fresh_until_ms {
            let wall = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            self.fields[PREFIX.len()..].copy_from_slice(&imf_fixdate(wall.as_secs()));
            self.fresh_until_ms = now_ms + 1000 - u64::from(wall.subsec_millis());
        }
        &self.fields
    }
}

/// The date so many seconds after 1970 began.
fn imf_fixdate(unix_seconds: u64) -> [u8; DATE_BYTES] {
    let (days, second_of_day) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // 1970 began on a Thursday.
    text[..3].copy_from_slice(name(WEEKDAYS, (days + 4) % 7));
    put_two_digits(&mut text[5..7], day);
    text[8..11].copy_from_slice(name(MONTHS, month - 1));
    put_two_digits(&mut text[12..14], year / 100);
    put_two_digits(&mut text[14..16], year % 100);
    put_two_digits(&mut text[17..19], second_of_day / 3600);
    put_two_digits(&mut text[20..22], second_of_day / 60 % 60);
    put_two_digits(&mut text[23..25], second_of_day % 60);
    text
}

/// Year, month and day of the day so many days after 1970-01-01. Years are counted from March here, so that the leap day
/// is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970: u64 = 719_468;
    let day = days + DAYS_FROM_MARCH_OF_YEAR_0_TO_1970;
    let (era, day) = (day / DAYS_OF_400_YEARS, day % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year + u64::from(month <= 2);
    (year, month, day_of_month)
}

fn name(names: &'static [u8], index: u64) -> &'static [u8] {
    let start = index as usize * 3;
    &names[start..start + 3]
}

fn put_two_digits(place: &mut [u8], number: u64) {
    place[0] = b'0' + (number / 10 % 10) as u8;
    place[1] = b'0' + (number % 10) as u8;
}

const WEEKDAYS: &[u8] = b"SunMonTueWedThuFriSat";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&imf_fixdate(seconds)),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn the_wall_clock_is_read_when_a_second_is_over_and_not_before() {
        let mut date = Date::new();
        let first = *date.fields(5_000);
        assert!(first.starts_with(PREFIX) && first.ends_with(b" GMT"));
        let fresh_until_ms = date.fresh_until_ms;
        assert!((5_001..=6_000).contains(&fresh_until_ms));
        date.fields.fill(b'x');
        assert!(date.fields(fresh_until_ms - 1).ends_with(b"xxx"));
        assert!(date.fields(fresh_until_ms).ends_with(b"GMT"));
    }
}
