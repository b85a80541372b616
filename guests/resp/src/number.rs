//! Numbers as text: parsed as strictly as redis-server does, and written without allocating. Knows no command.

/// A whole number without a sign `+`, spaces or leading zeros; None otherwise, or when it does not fit.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits fit.
        value = value * 10 + u64::from(digit - b'0');
    }
    if negative {
        0_i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

/// A number's digits.
pub(crate) struct Digits {
    bytes: [u8; DIGITS_MAX],
    start: usize,
}

/// The digits of the longest number, with its sign.
const DIGITS_MAX: usize = 20;

impl Digits {
    #[inline]
    pub(crate) fn of(number: i64) -> Digits {
        let mut digits = Digits {
            bytes: [0; DIGITS_MAX],
            start: DIGITS_MAX,
        };
        let mut rest = number.unsigned_abs();
        // Divisions of 32 bits are cheaper, and most numbers are short.
        while rest > u64::from(u32::MAX) {
            digits.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        let mut rest = rest as u32;
        loop {
            digits.push(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            digits.push(b'-');
        }
        digits
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The sum of two decimals as text; None when one is no number, Err when the sum is none.
///
/// redis-server adds in the 80 bits that x86 has and wasm has not. Decimals of up to 17 places are added exactly here,
/// which gives the same text where 80 bits are exact enough; others are added as `f64`.
pub(crate) fn add_decimals(augend: &[u8], addend: &[u8]) -> Option<Result<String, NotFinite>> {
    if let (Some(augend), Some(addend)) = (fixed(augend), fixed(addend)) {
        return Some(Ok(fixed_text(augend + addend)));
    }
    let sum = float(augend)? + float(addend)?;
    if !sum.is_finite() {
        return Some(Err(NotFinite));
    }
    Some(Ok(format!("{sum}")))
}

/// A sum that is infinite or no number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotFinite;

/// Places behind the point, as redis-server writes them at most.
const PLACES: usize = 17;
const ONE: i128 = 10_i128.pow(PLACES as u32);

/// A decimal without an exponent, in units of the last place.
fn fixed(text: &[u8]) -> Option<i128> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, places) = match point {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    if whole.is_empty() || whole.len() > 18 || places.len() > PLACES {
        return None;
    }
    let digits = whole.iter().chain(places);
    let zeros = std::iter::repeat_n(&b'0', PLACES - places.len());
    let mut value = 0_i128;
    for digit in digits.chain(zeros) {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i128::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

fn fixed_text(value: i128) -> String {
    let (whole, places) = (
        value.unsigned_abs() / ONE as u128,
        value.unsigned_abs() % ONE as u128,
    );
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{places:0PLACES$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn float(text: &[u8]) -> Option<f64> {
    if text.first().is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_strict() {
        for number in [0, 1, -1, 42, i64::MAX, i64::MIN, 1_000_000_007] {
            let text = number.to_string();
            assert_eq!(integer(text.as_bytes()), Some(number));
            assert_eq!(Digits::of(number).as_bytes(), text.as_bytes());
        }
        let wrong = [
            "",
            "-",
            "+1",
            "01",
            "-0",
            " 1",
            "1 ",
            "1.0",
            "x",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ];
        for text in wrong {
            assert_eq!(integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn decimals_are_added_exactly() {
        let add = |one: &str, two: &str| add_decimals(one.as_bytes(), two.as_bytes());
        for (one, two, sum) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("3", "-5", "-2"),
            ("-0.5", "0.5", "0"),
            ("5.0e3", "2.0e2", "5200"),
            ("100", "0", "100"),
        ] {
            assert_eq!(add(one, two), Some(Ok(sum.to_owned())), "{one} + {two}");
        }
        assert_eq!(add("inf", "1"), Some(Err(NotFinite)));
        for wrong in ["", "abc", " 1", "nan", "1x"] {
            assert_eq!(add(wrong, "1"), None, "{wrong:?}");
        }
    }
}
