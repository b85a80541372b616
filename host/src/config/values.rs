//! What a key of wisted.toml may hold: sizes, durations, addresses, names. Each says in one place how it is read and what
//! the schema says of it. It must not know which key holds it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::de::{DeInteger, DeValue};

use super::problem::Problem;
use super::table::{At, Given, Read, map_schema, similar, wrong_type};
use crate::endpoint::Endpoint;
use crate::logs::{self, LogFormat};
use crate::service::{Choice, Isolation};
use crate::units::{self, UnitError};
use crate::web::Grants;

/// A number within bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count<const LEAST: u64, const MOST: u64>(pub u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub u64);

/// A duration, to the millisecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub Duration);

/// A share of one reactor's CPU time, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(pub NonZero<u32>);

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio(pub f64);

/// A limit, or the text `none`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrNone<T>(pub Option<T>);

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag(pub bool);

/// Any text.
#[derive(Clone, Debug)]
pub(super) struct Text(pub String);

/// A path; a relative one begins at the configuration's folder.
#[derive(Clone, Debug)]
pub(super) struct FilePath(pub PathBuf);

/// One, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct Several<T>(pub Vec<At<T>>);

/// A list.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub Vec<At<T>>);

/// A table whose keys people choose.
#[derive(Clone, Debug)]
pub(super) struct Named<T>(pub BTreeMap<String, (super::problem::Span, At<T>)>);

/// A host that may be fetched from, as [`Grants`] reads it.
#[derive(Clone, Debug)]
pub(super) struct Granted(pub String);

/// Which log records are written.
#[derive(Clone, Debug)]
pub(super) struct LogFilter(pub String);

/// A value of a limit's field in [`Limits`](crate::limits::Limits): how a setting becomes it, and how it would be written.
pub(super) trait Sets<F>: Read {
    fn get(&self) -> F;
    fn shown(field: &F) -> Value;
}

/// A type that is read from a text or a number, with its schema.
macro_rules! leaf {
    ([$($bounds:tt)*] $name:ty, $schema_name:expr, $kind:expr, $schema:expr, |$given:ident| $read:expr) => {
        impl<$($bounds)*> JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema_name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }

        impl<$($bounds)*> Read for $name {
            const KIND: &'static str = $kind;

            fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
                let read = |$given: &Given<'_>| -> Result<Self, Problem> { $read };
                read(given).map_err(|problem| problems.push(problem)).ok()
            }
        }
    };
}

leaf!([const LEAST: u64, const MOST: u64] Count<LEAST, MOST>, "Count", "a whole number",
    if MOST == u64::MAX {
        json_schema!({ "type": "integer", "minimum": LEAST })
    } else {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    },
    |given| {
        let number = given.get_ref().as_integer().ok_or_else(|| wrong_type::<Self>(given, ""))?;
        let fits = |number: &u64| (LEAST..=MOST).contains(number);
        unsigned(number).filter(fits).map(Self).ok_or_else(|| {
            let range = if MOST == u64::MAX {
                format!("at least {LEAST}")
            } else {
                format!("from {LEAST} to {MOST}")
            };
            Problem::new(given.span(), format!("{} is out of range", number.as_str()), format!("it may be {range}"))
        })
    }
);

leaf!([] Size, "Size", "a size",
    json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^[0-9]+ *(B|K|KiB|M|MiB|G|GiB)?$" },
    ] }),
    |given| match given.get_ref() {
        DeValue::Integer(number) => unsigned(number).map(Self).ok_or_else(|| {
            Problem::new(given.span(), format!("{} is not a size", number.as_str()), units::SIZES)
        }),
        DeValue::String(text) => units::bytes(text).map(Self).map_err(|error| unit(given, error)),
        _ => Err(wrong_type::<Self>(given, units::SIZES)),
    }
);

leaf!([] Time, "Time", "a duration",
    json_schema!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h)$" }),
    |given| match given.get_ref() {
        DeValue::String(text) => units::duration(text).map(Self).map_err(|error| unit(given, error)),
        _ => Err(wrong_type::<Self>(given, units::DURATIONS)),
    }
);

leaf!([] Share, "Share", "a fraction",
    json_schema!({ "type": "number", "minimum": 0.001, "maximum": 1 }),
    |given| {
        let text = match given.get_ref() {
            DeValue::Float(share) => share.as_str(),
            DeValue::Integer(share) => share.as_str(),
            _ => return Err(wrong_type::<Self>(given, units::SHARES)),
        };
        // TOML's other spellings of numbers make no sense here, and so are out of range.
        let share = text.parse().unwrap_or(f64::NAN);
        let permille = units::permille(share).map_err(|error| unit(given, error))?;
        let permille = NonZero::new(permille).unwrap_or(NonZero::<u32>::MIN);
        Ok(Self(permille))
    }
);

leaf!([] Ratio, "Ratio", "a ratio",
    json_schema!({ "type": "number", "minimum": 0, "maximum": 1 }),
    |given| {
        let text = match given.get_ref() {
            DeValue::Float(ratio) => ratio.as_str(),
            DeValue::Integer(ratio) => ratio.as_str(),
            _ => return Err(wrong_type::<Self>(given, "write a number from 0 to 1")),
        };
        let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or_else(|| {
            Problem::new(given.span(), format!("{text} is out of range"), "it may be from 0 to 1")
        })
    }
);

leaf!([] Flag, "Flag", "true or false", json_schema!({ "type": "boolean" }),
    |given| given.get_ref().as_bool().map(Self).ok_or_else(|| wrong_type::<Self>(given, "write it without quotes"))
);

leaf!([] Text, "Text", "a text", json_schema!({ "type": "string" }),
    |given| text(given).map(|text| Self(text.to_owned())).ok_or_else(|| wrong_type::<Self>(given, "write it in quotes"))
);

leaf!([] FilePath, "FilePath", "a path", json_schema!({ "type": "string", "minLength": 1 }),
    |given| match text(given) {
        Some("") => Err(Problem::new(given.span(), "the path is empty", "")),
        Some(path) => Ok(Self(path.into())),
        None => Err(wrong_type::<Self>(given, "write it in quotes")),
    }
);

leaf!([] Endpoint, "Endpoint", "an endpoint",
    json_schema!({ "type": "string", "pattern": "^tcp:" }),
    |given| {
        let hint = "write tcp:8000, tcp:127.0.0.1:8000 or tcp:[::1]:8000";
        let text = text(given).ok_or_else(|| wrong_type::<Self>(given, hint))?;
        text.parse().map_err(|error: crate::endpoint::EndpointError| {
            Problem::new(given.span(), error.to_string(), "")
        })
    }
);

leaf!([] Granted, "Granted", "a host",
    json_schema!({ "type": "string", "minLength": 1 }),
    |given| {
        let hint = "write a name, *.name or an address, with or without :PORT";
        let text = text(given).ok_or_else(|| wrong_type::<Self>(given, hint))?;
        match Grants::parse(&[text.to_owned()]) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(Problem::new(given.span(), error.to_string(), hint)),
        }
    }
);

leaf!([] LogFilter, "LogFilter", "a filter of log records", json_schema!({ "type": "string" }),
    |given| {
        let hint = "write error, warn, info, debug, trace, or for parts, such as info,guest=debug";
        let text = text(given).ok_or_else(|| wrong_type::<Self>(given, hint))?;
        match logs::check_filter(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(error) => Err(Problem::new(given.span(), error, hint)),
        }
    }
);

/// A type with few values, each with its name.
macro_rules! names {
    ($type:ty, $kind:literal, { $($name:literal => $value:expr),* $(,)? }) => {
        leaf!([] $type, stringify!($type), $kind, json_schema!({ "type": "string", "enum": [$($name),*] }),
            |given| one_of(given, &[$(($name, $value)),*])
        );
    };
}

names!(Isolation, "an isolation", {
    "connection" => Isolation::Connection,
    "service" => Isolation::Service,
});
names!(Choice, "a way to choose", { "round-robin" => Choice::RoundRobin, "peer" => Choice::Peer });
names!(LogFormat, "a log format", { "text" => LogFormat::Text, "json" => LogFormat::Json });

fn one_of<T: Read + Copy>(given: &Given<'_>, named: &[(&'static str, T)]) -> Result<T, Problem> {
    let names: Vec<_> = named.iter().map(|(name, _)| *name).collect();
    let choices = format!("it is one of {}", names.join(", "));
    let text = text(given).ok_or_else(|| wrong_type::<T>(given, &choices))?;
    let found = named.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let hint = match similar(text, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => choices,
        };
        Problem::new(
            given.span(),
            format!("`{}` is not {}", text.escape_debug(), T::KIND),
            hint,
        )
    })
}

impl<T: Read> JsonSchema for OrNone<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrNone", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [value, { "const": NONE }] })
    }
}

/// How no limit is written.
const NONE: &str = "none";

impl<T: Read> Read for OrNone<T> {
    const KIND: &'static str = T::KIND;

    fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        if text(given) == Some(NONE) {
            return Some(Self(None));
        }
        let first = problems.len();
        let read = T::read(given, problems).map(|value| Self(Some(value)));
        for problem in problems.iter_mut().skip(first) {
            let separator = if problem.hint.is_empty() {
                "write "
            } else {
                ", or "
            };
            problem.hint += &format!("{separator}\"{NONE}\" for no limit");
        }
        read
    }
}

/// Lists. One that is not empty does without brackets if it is of one.
macro_rules! list {
    ($name:ident, $may_be_empty:literal, $kind:literal) => {
        impl<T: Read> JsonSchema for $name<T> {
            fn schema_name() -> Cow<'static, str> {
                format!("{}{}", stringify!($name), T::schema_name()).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let one = generator.subschema_for::<T>();
                let list = json_schema!({ "type": "array", "items": one });
                if $may_be_empty {
                    return list;
                }
                json_schema!({ "anyOf": [one, list] })
            }
        }

        impl<T: Read> Read for $name<T> {
            const KIND: &'static str = $kind;

            fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
                let DeValue::Array(list) = given.get_ref() else {
                    if $may_be_empty {
                        problems.push(wrong_type::<Self>(given, "write it in brackets"));
                        return None;
                    }
                    return At::read(given, problems).map(|one| Self(vec![one]));
                };
                if !$may_be_empty && list.is_empty() {
                    problems.push(Problem::new(given.span(), "the list is empty", ""));
                }
                // What is right is looked at further, also beside something wrong.
                let read = list.iter().filter_map(|one| At::read(one, problems));
                Some(Self(read.collect()))
            }
        }
    };
}

list!(Several, false, "one value or a list");
list!(List, true, "a list");

impl<T: Read> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        map_schema::<T>(generator)
    }
}

impl<T: Read> Read for Named<T> {
    const KIND: &'static str = "a table";

    fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut named = BTreeMap::new();
        for (key, value) in super::table::entries::<Self>(given, problems)? {
            if let Some(value) = At::read(value, problems) {
                named.insert(key.get_ref().clone().into_owned(), (key.span(), value));
            }
        }
        Some(Self(named))
    }

    fn rows() -> Vec<super::table::Row> {
        T::rows()
    }
}

fn text<'a>(given: &'a Given<'_>) -> Option<&'a str> {
    given.get_ref().as_str()
}

fn unit(given: &Given<'_>, error: UnitError) -> Problem {
    Problem::new(given.span(), error.problem, error.hint)
}

fn unsigned(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str().trim_start_matches('+'), number.radix()).ok()
}

/// What a limit without a value is: no limit.
fn shown_or_none<F>(field: Option<&F>, shown: impl FnOnce(&F) -> Value) -> Value {
    field.map_or_else(|| NONE.into(), shown)
}

/// Settings that become whole numbers of several widths. What a field cannot hold is as good as its most.
macro_rules! sets_numbers {
    ($($width:ty),*) => { $(
        impl<const LEAST: u64, const MOST: u64> Sets<$width> for Count<LEAST, MOST> {
            fn get(&self) -> $width {
                <$width>::try_from(self.0).unwrap_or(<$width>::MAX)
            }

            fn shown(field: &$width) -> Value {
                (*field).into()
            }
        }

        impl Sets<$width> for Size {
            fn get(&self) -> $width {
                <$width>::try_from(self.0).unwrap_or(<$width>::MAX)
            }

            fn shown(field: &$width) -> Value {
                units::exact_size(u64::try_from(*field).unwrap_or(u64::MAX)).into()
            }
        }
    )* };
}

sets_numbers!(u32, u64, usize);

impl Sets<Duration> for Time {
    fn get(&self) -> Duration {
        self.0
    }

    fn shown(field: &Duration) -> Value {
        units::exact_duration(*field).into()
    }
}

impl Sets<NonZero<u32>> for Share {
    fn get(&self) -> NonZero<u32> {
        self.0
    }

    fn shown(field: &NonZero<u32>) -> Value {
        (f64::from(field.get()) / 1_000.0).into()
    }
}

impl<F, T: Sets<F>> Sets<Option<F>> for OrNone<T> {
    fn get(&self) -> Option<F> {
        self.0.as_ref().map(T::get)
    }

    fn shown(field: &Option<F>) -> Value {
        shown_or_none(field.as_ref(), T::shown)
    }
}

/// A setting that is not zero: its field cannot hold that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positive<T>(T);

/// Zero or not.
pub(super) trait IsZero {
    fn is_zero(&self) -> bool;
}

impl IsZero for Size {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl IsZero for Time {
    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl<T: Read> JsonSchema for Positive<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Positive{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: Read + IsZero> Read for Positive<T> {
    const KIND: &'static str = T::KIND;

    fn read(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let value = T::read(given, problems)?;
        if value.is_zero() {
            problems.push(Problem::new(
                given.span(),
                "it cannot be zero: nothing would get through",
                "",
            ));
            return None;
        }
        Some(Self(value))
    }
}

impl Sets<Duration> for Positive<Time> {
    fn get(&self) -> Duration {
        self.0.get()
    }

    fn shown(field: &Duration) -> Value {
        Time::shown(field)
    }
}

macro_rules! sets_positive {
    ($($width:ty),*) => { $(
        impl Sets<NonZero<$width>> for Positive<Size> {
            fn get(&self) -> NonZero<$width> {
                NonZero::new(Sets::<$width>::get(&self.0)).unwrap_or(NonZero::<$width>::MIN)
            }

            fn shown(field: &NonZero<$width>) -> Value {
                <Size as Sets<$width>>::shown(&field.get())
            }
        }
    )* };
}

sets_positive!(u32, usize);

impl<const LEAST: u64, const MOST: u64> Sets<NonZero<u32>> for Count<LEAST, MOST> {
    fn get(&self) -> NonZero<u32> {
        NonZero::new(Sets::<u32>::get(self)).unwrap_or(NonZero::<u32>::MIN)
    }

    fn shown(field: &NonZero<u32>) -> Value {
        field.get().into()
    }
}
