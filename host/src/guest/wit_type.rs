//! A component's types in the words of WIT. Knows types, not the contract.

use wasmtime::component::Type;
use wasmtime::component::types::{Case, ComponentFunc};

/// A function's type without the names of its parameters, named types written out: `func(u32, list<u8>) -> result<_, string>`.
pub(super) fn of_function(function: &ComponentFunc) -> String {
    let words = if function.async_() {
        "async func"
    } else {
        "func"
    };
    let params = joined(function.params().map(|(_, ty)| of_type(&ty)));
    let results = joined(function.results().map(|ty| of_type(&ty)));
    let arrow = if results.is_empty() { "" } else { " -> " };
    format!("{words}({params}){arrow}{results}")
}

fn of_type(ty: &Type) -> String {
    let word = match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::List(list) => return format!("list<{}>", of_type(&list.ty())),
        Type::Tuple(tuple) => {
            let types = joined(tuple.types().map(|ty| of_type(&ty)));
            return format!("tuple<{types}>");
        }
        Type::Option(option) => return format!("option<{}>", of_type(&option.ty())),
        Type::Result(result) => {
            let ok = result.ok().map(|ty| of_type(&ty));
            let (ok, error) = (
                ok.unwrap_or_else(|| "_".to_owned()),
                result.err().map(|ty| of_type(&ty)),
            );
            return match error {
                Some(error) => format!("result<{ok}, {error}>"),
                None if ok == "_" => "result".to_owned(),
                None => format!("result<{ok}>"),
            };
        }
        Type::Record(record) => {
            let field = |name: &str, ty: &Type| format!("{name}: {}", of_type(ty));
            let fields = joined(record.fields().map(|one| field(one.name, &one.ty)));
            return format!("record {{ {fields} }}");
        }
        Type::Variant(variant) => {
            let case = |Case { name, ty }| match ty {
                Some(ty) => format!("{name}({})", of_type(&ty)),
                None => name.to_owned(),
            };
            return format!("variant {{ {} }}", joined(variant.cases().map(case)));
        }
        Type::Enum(names) => {
            let names = joined(names.names().map(str::to_owned));
            return format!("enum {{ {names} }}");
        }
        Type::Flags(flags) => {
            let names = joined(flags.names().map(str::to_owned));
            return format!("flags {{ {names} }}");
        }
        // The contract has none of these, so which ones they are need not be said.
        Type::Own(_) | Type::Borrow(_) => "resource",
        Type::Future(_) | Type::Stream(_) | Type::ErrorContext => "stream",
        Type::Map(_) => "map",
        Type::FixedLengthList(_) => "list of fixed length",
    };
    word.to_owned()
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
