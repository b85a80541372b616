//! Patterns such as `user:*`, `h?llo`, `h[^a-z]llo`. Knows no keys, and how many steps it may take.

/// Whether the whole of `text` matches `pattern`. Adds what it took to `steps`: some patterns take long.
///
/// Only the last `*` is ever gone back to, so it takes at most the product of both lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8], steps: &mut usize) -> bool {
    let (mut at, mut position) = (0, 0);
    // The pattern behind the last `*`, and where in the text it was tried last.
    let mut star: Option<(usize, usize)> = None;
    loop {
        *steps += 1;
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, position));
            continue;
        }
        let next = match text.get(position) {
            Some(&byte) => one(&pattern[at..], byte),
            None if at == pattern.len() => return true,
            None => return false,
        };
        if let Some(length) = next {
            at += length;
            position += 1;
        } else if let Some((behind, tried)) = star {
            at = behind;
            position = tried + 1;
            star = Some((behind, position));
        } else {
            return false;
        }
    }
}

/// How many bytes of the pattern stand for `byte`, if it begins with something that does.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', class @ ..] => {
            let (matched, length) = class_matches(class, byte);
            matched.then_some(1 + length)
        }
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// Whether a class matches, and how long it is behind its `[`. Without a `]` it goes to the pattern's end.
fn class_matches(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match class.get(at..).unwrap_or_default() {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), &mut 0)
    }

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("", ""),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            ("a*b*c", "axxbyybzzc"),
            ("*ab", "aab"),
            ("[a", "a"),
        ] {
            assert!(check(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("h[ae]llo", "hillo"),
            ("h[^e]llo", "hello"),
            ("a*b", "a"),
            ("a*b*c", "axxbyybzz"),
            (r"\*", "x"),
        ] {
            assert!(!check(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_worst_pattern_takes_the_product_of_the_lengths() {
        let pattern = format!("{}b", "*a".repeat(20));
        let text = "a".repeat(1_000);
        let mut steps = 0;
        assert!(!matches(pattern.as_bytes(), text.as_bytes(), &mut steps));
        assert!(steps <= 41 * 1_001, "{steps}");
    }
}
