//! Figures for people to read, short and with their unit; and texts that somebody else wrote, made harmless.

/// A number of bytes: `812 B`, `14.2 KiB`, `3.1 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    scaled(bytes, 1_024.0, &UNITS).unwrap_or_else(|| format!("{bytes} B"))
}

/// A number of things: `9999`, `12.3 k`, `4.5 M`.
pub(super) fn count(number: u64) -> String {
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

/// A short time: `250 ns`, `1.2 µs`, `12.0 ms`, `3.1 s`; longer ones as [`age`].
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        ..=0.0 => "0".to_owned(),
        ..0.000_001 => format!("{:.0} ns", seconds * 1e9),
        ..0.001 => format!("{:.1} µs", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        ..60.0 => format!("{seconds:.1} s"),
        _ => age(seconds),
    }
}

/// A long time: `12s`, `3m 12s`, `2h 5m`, `4d 3h`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large becomes the largest number"
)]
pub(super) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// A guest's or a peer's text without what a terminal would obey: one line.
pub(super) fn harmless(text: &str) -> String {
    let symbol = |symbol: char| match symbol {
        _ if is_obeyed(symbol) => symbol.escape_unicode().to_string(),
        _ => symbol.to_string(),
    };
    text.chars().map(symbol).collect()
}

/// Control characters, and those that turn the direction of writing.
fn is_obeyed(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (3_435_973_837, "3.2 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (number, text) in [(9_999, "9999"), (10_000, "10.0 k"), (1_234_567, "1.2 M")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn times() {
        for (seconds, text) in [
            (0.0, "0"),
            (2.5e-7, "250 ns"),
            (1.24e-6, "1.2 µs"),
            (0.012, "12.0 ms"),
            (3.12, "3.1 s"),
            (192.0, "3m 12s"),
            (7_500.0, "2h 5m"),
            (356_400.0, "4d 3h"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn terminals_obey_nobody_else() {
        assert_eq!(harmless("a b é"), "a b é");
        assert_eq!(harmless("\u{1b}[2J\n\u{202e}"), "\\u{1b}[2J\\u{a}\\u{202e}");
    }
}
