//! How a table of wisted.toml becomes a struct: each key is tried alone, so that a wrong one hides no other. It must not know
//! which keys there are.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Span};

/// A value of the file, as toml parsed it.
pub(super) type Given<'a> = Spanned<DeValue<'a>>;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Span,
}

/// A key of a table that may be absent, or hold what is wrong.
#[derive(Clone, Debug)]
pub(super) struct Key<T> {
    read: Option<At<T>>,
    is_given: bool,
}

/// What a key may hold.
pub(super) trait Read: Sized + JsonSchema {
    /// With its article, as in `expected a size`.
    const KIND: &'static str;

    /// The value, or `None` when it is wrong, which `problems` then says.
    fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self>;

    /// The keys of a table; none for everything else.
    fn rows() -> Vec<Row> {
        Vec::new()
    }
}

/// A key, for whoever describes it.
#[derive(Debug)]
pub(super) struct Row {
    pub key: &'static str,
    pub about: String,
    pub kind: &'static str,
    pub default: Shown,
    /// The keys of the table that it holds.
    pub rows: Vec<Row>,
}

/// What holds when a key is absent.
#[derive(Debug, PartialEq)]
pub(super) enum Shown {
    /// This value, as it would be written.
    Value(Value),
    /// What these words say.
    Words(&'static str),
    /// The key must be there.
    Required,
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self {
            read: None,
            is_given: false,
        }
    }
}

impl<T> Key<T> {
    /// What it holds, if that is right.
    pub fn value(&self) -> Option<&T> {
        self.read.as_ref().map(|at| &at.value)
    }

    /// Where that stands.
    pub fn span(&self) -> Option<Span> {
        self.read.as_ref().map(|at| at.span.clone())
    }

    /// It is there, but misspelt.
    pub fn is_meant(&mut self) {
        self.is_given = true;
    }

    /// Whether it is there, right or wrong.
    pub fn is_given(&self) -> bool {
        self.is_given
    }
}

impl<T: Read> Key<T> {
    pub fn fill(&mut self, given: &Given<'_>, problems: &mut Vec<Problem>) {
        self.is_given = true;
        self.read = At::read(given, problems);
    }
}

impl<T: Read> At<T> {
    pub fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        T::read(given, problems).map(|value| Self {
            value,
            span: given.span(),
        })
    }
}

/// Declares tables. Each row is a key with its documentation, its type, and what holds when it is absent.
macro_rules! table {
    ($(#[doc = $about:literal])* $name:ident {
        $( $(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr; )*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $( $(#[doc = $doc])* pub $key: $crate::config::table::Key<$type>, )*
        }

        impl $crate::config::table::Read for $name {
            const KIND: &'static str = "a table";

            fn read(
                given: &$crate::config::table::Given<'_>,
                problems: &mut Vec<$crate::config::problem::Problem>,
            ) -> Option<Self> {
                let mut read = Self::default();
                for (key, value) in $crate::config::table::entries::<Self>(given, problems)? {
                    match &**key.get_ref() {
                        $( stringify!($key) => read.$key.fill(value, problems), )*
                        _ => {
                            let known = &[$(stringify!($key)),*];
                            let meant = $crate::config::table::unknown(key, known, problems);
                            match meant.unwrap_or_default() {
                                $( stringify!($key) => read.$key.is_meant(), )*
                                _ => {}
                            }
                        }
                    }
                }
                Some(read)
            }

            fn rows() -> Vec<$crate::config::table::Row> {
                vec![$( $crate::config::table::Row {
                    key: stringify!($key),
                    about: [$($doc),*].join("\n").trim().to_owned(),
                    kind: <$type as $crate::config::table::Read>::KIND,
                    default: $default,
                    rows: <$type as $crate::config::table::Read>::rows(),
                } ),*]
            }
        }

        impl $name {
            /// Where this key's value stands, if it is there.
            #[allow(dead_code, reason = "not every table's places are asked for")]
            pub fn span_of(&self, key: &str) -> Option<$crate::config::problem::Span> {
                match key {
                    $( stringify!($key) => self.$key.span(), )*
                    _ => None,
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let rows = <Self as $crate::config::table::Read>::rows();
                let about = [$($about),*].join("\n");
                let types = vec![$( generator.subschema_for::<$type>() ),*];
                $crate::config::table::object(about.trim(), &rows, types)
            }
        }
    };
}
pub(super) use table;

/// The keys and values of what must be a table.
pub(super) fn entries<'a, 'i, T: Read>(
    given: &'a Given<'i>,
    problems: &mut Vec<Problem>,
) -> Option<&'a DeTable<'i>> {
    match given.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => {
            problems.push(wrong_type::<T>(given, ""));
            None
        }
    }
}

/// A table of the schema.
pub(super) fn object(about: &str, rows: &[Row], types: Vec<Schema>) -> Schema {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (row, mut schema) in rows.iter().zip(types) {
        schema.insert("description".to_owned(), one_line(&row.about).into());
        match &row.default {
            Shown::Value(value) => {
                schema.insert("default".to_owned(), value.clone());
            }
            Shown::Words(_) => {}
            Shown::Required => required.push(row.key),
        }
        properties.insert(row.key.to_owned(), schema.into());
    }
    let mut schema = schemars::json_schema!({
        "type": "object",
        "description": one_line(about),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

/// The schema of a table whose keys people choose.
pub(super) fn map_schema<T: Read>(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<T>();
    schemars::json_schema!({ "type": "object", "additionalProperties": value })
}

/// Documentation as it stands in the source, in one line.
pub(super) fn one_line(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn wrong_type<T: Read>(given: &Given<'_>, hint: &str) -> Problem {
    let found = match given.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::new(
        given.span(),
        format!("expected {}, found {found}", T::KIND),
        hint,
    )
}

/// Complains about a key, and returns the one that was probably meant.
pub(super) fn unknown<'a>(
    key: &Spanned<Cow<'_, str>>,
    known: &[&'a str],
    problems: &mut Vec<Problem>,
) -> Option<&'a str> {
    let given = key.get_ref();
    let meant = similar(given, known);
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    let message = format!("`{}` is unknown here", given.escape_debug());
    problems.push(Problem::new(key.span(), message, hint));
    meant
}

/// The one of them that was probably meant.
pub(super) fn similar<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    let distances = known.iter().map(|name| (distance(&given, name), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

/// How many characters must be added, left out, changed, or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    /// Longer keys are no slips of the pen, and would take long to compare.
    const COMPARED_MAX: usize = 64;
    let one: Vec<char> = one.chars().take(COMPARED_MAX).collect();
    let other: Vec<char> = other.chars().take(COMPARED_MAX).collect();
    let mut before_last = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, symbol) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let changed = last[column] + usize::from(symbol != against);
            let mut least = changed.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && one[row - 1] == *against && *symbol == other[column - 1];
            if swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = ["memory_max", "listen", "isolation", "instances"];
        for (given, meant) in [
            ("memory_mx", Some("memory_max")),
            ("memory-max", Some("memory_max")),
            ("lisetn", Some("listen")),
            ("Isolation", Some("isolation")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(similar(given, &known), meant, "{given}");
        }
    }
}
