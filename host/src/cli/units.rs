//! Values with units as people type them: `64KiB`, `100ms`, `KEY=VALUE`.

use std::time::Duration;

/// A number of bytes: `65536`, `64KiB`, `4MiB`, `1GiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => {
            return Err(format!(
                "{unit:?} is not a unit; write 65536, 64KiB, 4MiB or 1GiB"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not a size; write 65536, 64KiB, 4MiB or 1GiB"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("{text} is more than there is"))
}

/// A number of bytes that this machine can address.
pub(super) fn memory_bytes(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| format!("{text} is more than there is"))
}

/// A number of bytes for people to read: `812 B`, `14.2 KiB`, `17.9 MiB`.
#[expect(clippy::cast_precision_loss, reason = "rounded to a tenth")]
pub(super) fn size(length_bytes: u64) -> String {
    match length_bytes {
        0..1_024 => format!("{length_bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", length_bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", length_bytes as f64 / 1_048_576.0),
    }
}

/// A duration: `100ms`, `2s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(format!("{text:?} lacks a unit; write 100ms, 2s, 5m or 1h")),
        _ => return Err(format!("{unit:?} is not a unit; write 100ms, 2s, 5m or 1h")),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u32| u64::from(number).checked_mul(ms_per_unit))
        .filter(|ms| *ms <= MS_MAX)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("{text:?} is not a duration up to 49 days; write 100ms, 2s, 5m or 1h")
        })
}

/// What a `u32` of milliseconds holds: timeouts are such in the contract.
const MS_MAX: u64 = u32::MAX as u64;

/// `KEY=VALUE`; the value may be empty and may have further `=`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
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
