//! Counts that are kept in the repository and compared with new ones; it must not know what is counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// How far a count may be from the baseline's, either way: one that is far better is a new baseline.
pub const TOLERANCE_PERCENT: f64 = 3.0;

/// What was counted, and with what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// The compiler's version line.
    pub toolchain: String,
    /// The counter's.
    pub valgrind: String,
    /// Instructions of one operation, by its name.
    pub operations: BTreeMap<String, u64>,
}

/// A baseline against what was counted now.
pub struct Comparison {
    /// For people: every operation, and differences of tools.
    pub lines: Vec<String>,
    /// Whether no operation is missing or too far off.
    pub within_tolerance: bool,
}

impl Baseline {
    /// Reads what [`to_toml`](Baseline::to_toml) has written: the part of TOML that is needed for it.
    pub fn parse(text: &str) -> Result<Baseline> {
        let mut baseline = Baseline::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '[']) {
                continue;
            }
            let place = || format!("line {}: {line:?}", number + 1);
            let (key, value) = line.split_once('=').with_context(place)?;
            let (key, value) = (key.trim(), value.trim());
            match (key, value.parse()) {
                ("toolchain", _) => baseline.toolchain = value.trim_matches('"').to_owned(),
                ("valgrind", _) => baseline.valgrind = value.trim_matches('"').to_owned(),
                (_, Ok(count)) => drop(baseline.operations.insert(key.to_owned(), count)),
                (_, Err(_)) => bail!("{} is no count", place()),
            }
        }
        Ok(baseline)
    }

    /// For the repository.
    pub fn to_toml(&self) -> String {
        let mut text = format!(
            "# Instructions of one operation, written by the bench `instructions` with `--update`.\n\
             toolchain = \"{}\"\nvalgrind = \"{}\"\n\n[instructions]\n",
            self.toolchain, self.valgrind
        );
        let lines = self.operations.iter();
        text.extend(lines.map(|(name, count)| format!("{name} = {count}\n")));
        text
    }

    /// Compares what was counted now with this.
    pub fn compare(&self, now: &Baseline) -> Comparison {
        let mut lines = Vec::new();
        for (what, old, new) in [
            ("toolchain", &self.toolchain, &now.toolchain),
            ("valgrind", &self.valgrind, &now.valgrind),
        ] {
            if old != new {
                lines.push(format!(
                    "the baseline is of another {what} ({old}; this is {new}): differences may be its own"
                ));
            }
        }
        let mut within_tolerance = true;
        let mut names: Vec<&String> = self
            .operations
            .keys()
            .chain(now.operations.keys())
            .collect();
        names.sort();
        names.dedup();
        for name in names {
            let (line, fits) = match (self.operations.get(name), now.operations.get(name)) {
                (Some(&old), Some(&new)) => {
                    let percent = 100.0 * (new as f64 / old as f64 - 1.0);
                    let fits = percent.abs() <= TOLERANCE_PERCENT;
                    let verdict = match () {
                        () if fits => "",
                        () if percent > 0.0 => "  LONGER",
                        () => "  SHORTER: keep it in the baseline",
                    };
                    (
                        format!("{name}: {old} -> {new} ({percent:+.2} %){verdict}"),
                        fits,
                    )
                }
                (None, Some(new)) => (format!("{name}: {new}, not in the baseline"), false),
                (_, None) => (format!("{name}: in the baseline, not counted"), false),
            };
            within_tolerance &= fits;
            lines.push(line);
        }
        Comparison {
            lines,
            within_tolerance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(toolchain: &str, counts: &[(&str, u64)]) -> Baseline {
        Baseline {
            toolchain: toolchain.into(),
            valgrind: "v".into(),
            operations: counts
                .iter()
                .map(|&(name, count)| (name.to_owned(), count))
                .collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = baseline("rustc 1.95.0 (x)", &[("accept", 2), ("message-shared", 1)]);
        assert_eq!(Baseline::parse(&written.to_toml()).unwrap(), written);
        assert!(Baseline::parse("accept = many").is_err());
        assert!(Baseline::parse("accept").is_err());
    }

    #[test]
    fn differences_beyond_the_tolerance_fail_with_both_figures() {
        let old = baseline("one", &[("message", 1000)]);
        for (new, fits) in [
            (1000, true),
            (1029, true),
            (971, true),
            (1040, false),
            (900, false),
        ] {
            let comparison = old.compare(&baseline("one", &[("message", new)]));
            assert_eq!(comparison.within_tolerance, fits, "{new}");
            assert!(comparison.lines[0].contains(&format!("1000 -> {new}")));
        }
    }

    #[test]
    fn missing_and_new_operations_fail() {
        let old = baseline("one", &[("message", 1000)]);
        assert!(!old.compare(&baseline("one", &[])).within_tolerance);
        let more = baseline("one", &[("message", 1000), ("timer", 5)]);
        assert!(!old.compare(&more).within_tolerance);
    }

    #[test]
    fn another_toolchain_is_said() {
        let old = baseline("one", &[("message", 1000)]);
        let comparison = old.compare(&baseline("two", &[("message", 1001)]));
        assert!(comparison.within_tolerance && comparison.lines[0].contains("another toolchain"));
    }
}
