//! Values for guests that come from the environment or from files: they are shown to nobody else.

use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

/// A value that nobody may see: its `Debug` is `***`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(String);

/// A configuration value of a guest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuestValue {
    /// As it stands in the configuration.
    Plain(String),
    /// With something from the environment or a file in it.
    Secret(Secret),
}

/// What there is outside of the configuration.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The variables of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

/// The longest file with a value, in bytes.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// Why there is no value: what is wrong, and what to do.
pub(super) type Fault = (String, String);

impl Secret {
    /// The value, for the guest alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl GuestValue {
    /// The value, for the guest alone.
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }

    /// Reads a value as it is written: `${NAME}` anywhere is a variable of the environment, `file:PATH` is a file's content,
    /// without the line's end at its end. `$${` is `${` itself, and `$file:` at the beginning is `file:`.
    pub(super) fn resolve(
        written: &str,
        folder: &Path,
        outside: &Outside<'_>,
    ) -> Result<Self, Fault> {
        if let Some(path) = written.strip_prefix("file:") {
            return read(&folder.join(path)).map(|content| Self::Secret(Secret(content)));
        }
        let written = match written.strip_prefix("$file:") {
            Some(_) => &written[1..],
            None => written,
        };
        let mut value = String::new();
        let mut is_secret = false;
        let mut rest = written;
        while let Some(start) = rest.find("${") {
            let before = &rest[..start];
            rest = &rest[start + 2..];
            if let Some(before) = before.strip_suffix('$') {
                value += before;
                value += "${";
                continue;
            }
            value += before;
            let Some((name, after)) = rest.split_once('}') else {
                let hint = "write ${NAME}, or $${ for the characters themselves";
                return Err((
                    "the brace after `$` is never closed".to_owned(),
                    hint.to_owned(),
                ));
            };
            value += &variable(name, outside)?;
            is_secret = true;
            rest = after;
        }
        value += rest;
        Ok(match is_secret {
            true => Self::Secret(Secret(value)),
            false => Self::Plain(value),
        })
    }
}

fn variable(name: &str, outside: &Outside<'_>) -> Result<String, Fault> {
    let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_';
    if name.is_empty() || !name.chars().all(is_part) {
        let hint = "write ${NAME}, or $${ for the characters themselves";
        let problem = format!("`{}` is not the name of a variable", name.escape_debug());
        return Err((problem, hint.to_owned()));
    }
    let value = (outside.variable)(name).ok_or_else(|| {
        let hint =
            "set it where the host is started, or write the value into a file and file:PATH here";
        (
            format!("the environment has no variable {name}"),
            hint.to_owned(),
        )
    })?;
    value.into_string().map_err(|_| {
        let hint = "guests are given text";
        (
            format!("the environment variable {name} is not UTF-8"),
            hint.to_owned(),
        )
    })
}

fn read(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let hint = "a relative path begins at the configuration's folder; the host's user must be able to read the file";
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| {
        let mut file = file.take(FILE_MAX_BYTES + 1);
        file.read_to_end(&mut bytes)
    });
    let length =
        read.map_err(|error| (format!("{shown} cannot be read: {error}"), hint.to_owned()))?;
    if length as u64 > FILE_MAX_BYTES {
        let problem = format!("{shown} is longer than {FILE_MAX_BYTES} bytes");
        return Err((problem, "a value is short".to_owned()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| {
        (
            format!("{shown} is not UTF-8"),
            "guests are given text".to_owned(),
        )
    })?;
    // Editors and `echo` end a file with a line's end that is not meant.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(written: &str) -> Result<GuestValue, String> {
        let variable = |name: &str| (name == "TOKEN").then(|| "s3cret".into());
        let outside = Outside {
            variable: &variable,
        };
        GuestValue::resolve(written, Path::new("/no/such/folder"), &outside)
            .map_err(|fault| fault.0)
    }

    #[test]
    fn variables_are_secrets() {
        for (written, value, is_secret) in [
            ("plain", "plain", false),
            ("${TOKEN}", "s3cret", true),
            ("Bearer ${TOKEN}!${TOKEN}", "Bearer s3cret!s3cret", true),
            ("$${TOKEN}", "${TOKEN}", false),
            ("$TOKEN $$ {}", "$TOKEN $$ {}", false),
            ("$file:x", "file:x", false),
        ] {
            let read = resolved(written).expect(written);
            assert_eq!(read.reveal(), value);
            assert_eq!(
                matches!(read, GuestValue::Secret(_)),
                is_secret,
                "{written}"
            );
        }
        assert_eq!(format!("{:?}", resolved("${TOKEN}")), "Ok(Secret(***))");
        for (written, problem) in [
            ("${NO_SUCH}", "the environment has no variable NO_SUCH"),
            ("${TOKEN", "the brace after `$` is never closed"),
            ("${a b}", "`a b` is not the name of a variable"),
            ("file:x", "/no/such/folder/x cannot be read"),
        ] {
            let error = resolved(written).expect_err(written);
            assert!(error.contains(problem), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_written_panics(written in "(\\PC|[$\\{\\}]){0,30}") {
            let _ = resolved(&written);
        }
    }
}
