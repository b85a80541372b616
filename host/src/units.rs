//! Values with units as people type them and read them, on the command line and in wisted.toml: `64KiB`, `100ms`, `0.25`,
//! `KEY=VALUE`. It must not know what they are for.

use std::time::Duration;

/// How sizes are written, for whoever wrote one wrongly.
pub const SIZES: &str = "write 65536, 64KiB, 4MiB or 1GiB";

/// How durations are written, for whoever wrote one wrongly.
pub const DURATIONS: &str = "write 100ms, 2s, 5m or 1h";

/// How shares are written, for whoever wrote one wrongly.
pub const SHARES: &str = "write a fraction such as 0.25, from 0.001 to 1";

/// Why a text is no value, and how it is written instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {hint}")]
pub struct UnitError {
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub hint: &'static str,
}

impl UnitError {
    fn size(problem: String) -> Self {
        let hint = SIZES;
        Self { problem, hint }
    }

    fn duration(problem: String) -> Self {
        let hint = DURATIONS;
        Self { problem, hint }
    }
}

/// A number of bytes: `65536`, `64KiB`, `4MiB`, `1GiB`.
///
/// # Errors
/// When it is no such text, or more than a `u64` holds.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return Err(UnitError::size(format!("{unit:?} is not a unit of size"))),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| UnitError::size(format!("{text:?} is not a size")))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| UnitError::size(format!("{text} is more than there is")))
}

/// A number of bytes that this machine can address.
///
/// # Errors
/// As [`bytes()`], and when it is more.
pub fn memory_bytes(text: &str) -> Result<usize, UnitError> {
    usize::try_from(bytes(text)?)
        .map_err(|_| UnitError::size(format!("{text} is more than there is")))
}

/// A number of bytes for people to read: `812 B`, `14.2 KiB`, `3.1 GiB`.
pub fn size(length_bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    scaled(length_bytes, 1_024.0, &UNITS).unwrap_or_else(|| format!("{length_bytes} B"))
}

/// A number of things for people to read: `9999`, `12.3 k`, `4.5 M`.
pub fn count(number: u64) -> String {
    const UNITS: [&str; 5] = ["k", "M", "G", "T", "P"];
    let short = scaled(number, 1_000.0, &UNITS).filter(|_| number >= 10_000);
    short.unwrap_or_else(|| number.to_string())
}

/// Nothing when it is below the first unit.
#[expect(clippy::cast_precision_loss, reason = "rounded to a tenth")]
fn scaled(number: u64, step: f64, units: &[&str]) -> Option<String> {
    let mut value = number as f64;
    let mut unit = None;
    for next in units {
        // What would be written as a whole step is one of the next unit.
        if value < step - 0.05 {
            break;
        }
        value /= step;
        unit = Some(next);
    }
    unit.map(|unit| format!("{value:.1} {unit}"))
}

/// A number of bytes as [`bytes()`] reads it, exactly: `64KiB`, `4MiB`, `1000`.
pub fn exact_size(length_bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits =
        |(shift, _): &&(u32, &str)| length_bytes > 0 && length_bytes.is_multiple_of(1_u64 << shift);
    match units.iter().find(fits) {
        Some((shift, unit)) => format!("{}{unit}", length_bytes >> shift),
        None => length_bytes.to_string(),
    }
}

/// A duration: `100ms`, `2s`, `5m`, `1h`.
///
/// # Errors
/// When it is no such text, or more than 49 days.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text);
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(UnitError::duration(format!("{text:?} lacks a unit"))),
        _ => {
            return Err(UnitError::duration(format!(
                "{unit:?} is not a unit of time"
            )));
        }
    };
    number
        .parse()
        .ok()
        .and_then(|number: u32| u64::from(number).checked_mul(ms_per_unit))
        .filter(|ms| *ms <= MS_MAX)
        .map(Duration::from_millis)
        .ok_or_else(|| UnitError::duration(format!("{text:?} is not a duration up to 49 days")))
}

/// A duration as [`duration`] reads it, to the millisecond: `100ms`, `30s`, `5m`.
pub fn exact_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    // 60s is how people say it.
    let fits = |(per_unit, _): &&(u128, &str)| ms > *per_unit && ms.is_multiple_of(*per_unit);
    match units.iter().find(fits) {
        Some((per_unit, unit)) => format!("{}{unit}", ms / per_unit),
        None if ms == 1_000 => "1s".to_owned(),
        None => format!("{ms}ms"),
    }
}

/// A share of a whole in thousandths of it: 250 for 0.25.
///
/// # Errors
/// When it is not from 0.001 to 1.
pub fn permille(share: f64) -> Result<u32, UnitError> {
    let permille = (share * 1_000.0).round();
    match (1.0..=1_000.0).contains(&permille) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "its range was looked at"
        )]
        true => Ok(permille as u32),
        false => Err(UnitError {
            problem: format!("{share} is not a share of one reactor's CPU time"),
            hint: SHARES,
        }),
    }
}

/// What a `u32` of milliseconds holds: timeouts are such in the contract.
const MS_MAX: u64 = u32::MAX as u64;

/// `KEY=VALUE`; the value may be empty and may have further `=`.
///
/// # Errors
/// When it is not such a text.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("4 MiB"), Ok(4 << 20));
        for wrong in ["", "KiB", "-1", "1.5MiB", "64KB", "99999999999GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_to_read() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(14_541), "14.2 KiB");
        assert_eq!(size(18_769_510), "17.9 MiB");
        assert_eq!(size(1_048_575), "1.0 MiB");
        assert_eq!(size(3_435_973_837), "3.2 GiB");
    }

    #[test]
    fn counts_to_read() {
        for (number, text) in [(9_999, "9999"), (10_000, "10.0 k"), (1_234_567, "1.2 M")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["", "100", "s", "1d", "4294967295m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn exact_values_are_read_back() {
        for text in ["0", "1000", "64KiB", "4MiB", "3GiB", "1536KiB"] {
            assert_eq!(exact_size(bytes(text).unwrap()), text);
        }
        for text in ["0ms", "100ms", "1s", "30s", "5m", "2h"] {
            assert_eq!(exact_duration(duration(text).unwrap()), text);
        }
        assert_eq!(exact_duration(Duration::from_secs(60)), "60s");
    }

    #[test]
    fn shares() {
        assert_eq!(permille(0.25), Ok(250));
        assert_eq!(permille(1.0), Ok(1_000));
        for wrong in [0.0, -1.0, 0.0001, 1.5, f64::NAN, f64::INFINITY] {
            assert!(permille(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pairs() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_value("a="), pair("a", ""));
        assert!(key_value("=b").is_err() && key_value("a").is_err());
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(text in "\\PC*") {
            let _ = (bytes(&text), duration(&text), key_value(&text));
        }
    }
}
