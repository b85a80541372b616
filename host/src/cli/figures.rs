//! Times for people to read, short and with their unit; and texts that somebody else wrote, made harmless.

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
