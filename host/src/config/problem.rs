//! What is wrong with a configuration: each problem with its place, and how all of them are shown. It must not know what the
//! keys mean.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// From which byte to which of the text.
pub type Span = Range<usize>;

/// A configuration's text, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// What to do about it. Empty where the message says all.
    pub hint: String,
}

/// All that is wrong, in the order of the text. Its `Display` is what people read, without colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    source: Arc<Source>,
    list: Vec<Problem>,
}

/// How the parts are marked for a terminal: what comes before and after. Nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Paint {
    /// Around the word `error`, and around carets.
    pub error: (String, String),
    /// Around line numbers and what frames the line.
    pub frame: (String, String),
}

impl Source {
    pub(super) fn new(path: &Path, text: String) -> Self {
        let path = path.to_owned();
        Self { path, text }
    }

    /// The file, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// `FILE:LINE:COLUMN`.
    pub(super) fn place(&self, span: &Span) -> String {
        let (line, column) = self.position(span.start);
        format!("{}:{line}:{column}", self.path.display())
    }
}

impl Problem {
    /// A problem that stands there.
    pub fn new(span: Span, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Problems {
    /// Sorts them. What two tables inherit from one place is said once.
    pub fn new(source: &Arc<Source>, mut list: Vec<Problem>) -> Self {
        list.sort_by(|one, other| {
            let key = |problem: &Problem| (problem.span.start, problem.span.end);
            key(one)
                .cmp(&key(other))
                .then_with(|| one.message.cmp(&other.message))
        });
        list.dedup_by(|one, other| one.span == other.span && one.message == other.message);
        Self {
            source: Arc::clone(source),
            list,
        }
    }

    /// The file that they are in.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each with its line and column.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &Problem)> {
        self.list.iter().map(|problem| {
            let (line, column) = self.source.position(problem.span.start);
            (line, column, problem)
        })
    }

    /// All of them as compilers show them: the message, the place, the line, and what to do.
    pub fn render(&self, paint: &Paint) -> String {
        let mut text = String::new();
        for problem in &self.list {
            // Writing to a string cannot fail.
            let _ = self.write(&mut text, problem, paint);
        }
        text
    }

    fn write(&self, out: &mut String, problem: &Problem, paint: &Paint) -> fmt::Result {
        let (error, frame) = (&paint.error, &paint.frame);
        let bar = format!("{}|{}", frame.0, frame.1);
        writeln!(out, "{}error{}: {}", error.0, error.1, problem.message)?;
        let (line, column) = self.source.position(problem.span.start);
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let place = self.source.place(&problem.span);
        writeln!(out, "{margin}{}-->{} {place}", frame.0, frame.1)?;
        let shown = self.source.text.lines().nth(line - 1).unwrap_or_default();
        if !shown.trim().is_empty() {
            let (shown, left) = cut(shown, column - 1);
            let covered = self.source.text.get(problem.span.clone());
            let covered = covered.and_then(|text| text.lines().next());
            let width = covered.map_or(1, |text| text.chars().count());
            let width = width.clamp(
                1,
                (shown.chars().count() - left.min(shown.chars().count())).max(1),
            );
            let carets = "^".repeat(width);
            let indent = " ".repeat(left);
            writeln!(out, "{margin} {bar}")?;
            writeln!(out, "{}{number}{} {bar} {shown}", frame.0, frame.1)?;
            writeln!(out, "{margin} {bar} {indent}{}{carets}{}", error.0, error.1)?;
        }
        if !problem.hint.is_empty() {
            let equals = format!("{}={}", frame.0, frame.1);
            writeln!(out, "{margin} {equals} help: {}", problem.hint)?;
        }
        writeln!(out)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.render(&Paint::default()).trim_end())
    }
}

impl std::error::Error for Problems {}

/// What of a long line is shown, and how many characters of that stand left of the place. Nothing of it can steer a terminal.
fn cut(line: &str, left: usize) -> (String, usize) {
    const SHOWN_MAX: usize = 160;
    const BEFORE: usize = 40;
    let skipped = if line.chars().count() > SHOWN_MAX {
        left.saturating_sub(BEFORE)
    } else {
        0
    };
    let shown = line.chars().skip(skipped).take(SHOWN_MAX);
    let shown = shown.map(|symbol| if symbol.is_control() { ' ' } else { symbol });
    (shown.collect(), left - skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems(text: &str, list: Vec<Problem>) -> Problems {
        let source = Source::new(Path::new("wisted.toml"), text.to_owned());
        Problems::new(&Arc::new(source), list)
    }

    #[test]
    fn they_are_shown_as_compilers_do() {
        let text = "[host]\nreactors = 100\ncolour = 1\n";
        let second = Problem::new(7..15, "first", "do this");
        let first = Problem::new(22..28, "second", "");
        let shown = problems(text, vec![first.clone(), second, first]).to_string();
        assert_eq!(
            shown,
            "error: first\n --> wisted.toml:2:1\n  |\n2 | reactors = 100\n  | ^^^^^^^^\n  = help: do this\n\n\
             error: second\n --> wisted.toml:3:1\n  |\n3 | colour = 1\n  | ^^^^^^"
        );
    }

    #[test]
    fn what_steers_a_terminal_is_not_shown() {
        let shown = problems("a = \u{1b}[31m", vec![Problem::new(0..1, "bad", "")]).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    proptest! {
        #[test]
        fn no_place_panics(text in "\\PC{0,200}(\n\\PC{0,20}){0,3}", start: u8, length: u8) {
            let span = usize::from(start)..usize::from(start) + usize::from(length);
            problems(&text, vec![Problem::new(span, "x", "y")]).to_string();
        }
    }
}
