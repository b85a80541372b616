//! A core module becomes a component of the contract. It must not know which language the module was written in, nor run
//! anything.
//!
//! A module may bring the description of its types along, as wit-bindgen's bindings for C do, in custom sections whose names
//! start with `component-type`. To one without, it is given here: from its exports' names, the contract's handlers that it
//! has. So bindings by hand need nothing but the names of the canonical ABI, such as
//! `wisted:reactor/connection-handler@0.1.0#data-received`.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract, wit/reactor.wit.
pub const CONTRACT: &str = include_str!("../../../wit/reactor.wit");

/// A module that stands between a guest and an older interface of the system, such as `wasi_snapshot_preview1`.
pub struct Adapter<'a> {
    /// The module name in the guest's imports.
    pub name: &'a str,
    /// The adapter, a core module. It has no data and no elements, and its memory is the guest's.
    pub module: &'a [u8],
    /// What it imports, as a package in WIT with one world; dependencies stand in the same text. Without, the module brings
    /// the description of its types along.
    pub wit: Option<&'a str>,
}

/// Makes a component of a core module. Imports of the contract that the module does not use are left out, and so is what is
/// there only for debuggers: a C library brings a megabyte of it along. Functions keep their names, which traps print.
///
/// # Errors
///
/// When it is no core module, has no handler of the contract, imports what nobody provides, or gives a function another type
/// than the contract does.
pub fn component(module: &[u8], adapter: Option<&Adapter<'_>>) -> Result<Vec<u8>, ComponentError> {
    let names = Names::of(module)?;
    let mut module = without_debugging(module)?;
    if !names.is_described {
        describe(&mut module, &names)?;
    }
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .map_err(refused)?;
    if let Some(adapter) = adapter {
        let module = adapter_module(adapter)?;
        encoder = encoder.adapter(adapter.name, &module).map_err(refused)?;
    }
    encoder.encode().map_err(refused)
}

/// Why a module becomes no component.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ComponentError {
    #[error("it is no WebAssembly module: {0}")]
    NotAModule(String),
    #[error("it is a component already")]
    IsComponent,
    #[error(
        "it exports no handler of the contract; wanted is wisted:reactor/connection-handler@{VERSION}#data-received and its \
         like (or wisted:reactor/program@{VERSION}#execute)"
    )]
    NoHandler,
    #[error("it becomes no component: {0}")]
    Refused(String),
}

fn refused(error: impl std::fmt::Debug) -> ComponentError {
    // With its causes, on one line.
    let text = format!("{error:?}");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    ComponentError::Refused(lines.collect::<Vec<_>>().join(" "))
}

/// What a module's names say.
struct Names {
    /// The contract's interfaces of which it exports functions.
    handlers: BTreeSet<String>,
    /// Whether it brings the description of its types along.
    is_described: bool,
    /// Whether it asks for the time of day, which the contract leaves to the system's own interface.
    asks_wall_clock: bool,
}

impl Names {
    fn of(module: &[u8]) -> Result<Self, ComponentError> {
        let wrong = |error: wasmparser::BinaryReaderError| {
            ComponentError::NotAModule(error.message().to_owned())
        };
        let mut names = Self {
            handlers: BTreeSet::new(),
            is_described: false,
            asks_wall_clock: false,
        };
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(wrong)? {
                Payload::Version {
                    encoding: wasmparser::Encoding::Component,
                    ..
                } => return Err(ComponentError::IsComponent),
                Payload::CustomSection(section) if section.name().starts_with(DESCRIPTION) => {
                    names.is_described = true;
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let module = import.map_err(wrong)?.module;
                        names.asks_wall_clock |= module == WALL_CLOCK;
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        names.handlers.extend(handler(export.map_err(wrong)?.name));
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// The interface in an export's name: `wisted:reactor/flow-handler@0.1.0#drained`.
fn handler(export: &str) -> Option<String> {
    let (interface, _) = export.split_once('#')?;
    // What is called after a function belongs to it: `cabi_post_wisted:reactor/…`.
    interface
        .starts_with("wisted:reactor/")
        .then(|| interface.to_owned())
}

/// Adds the description of a world with all imports of the contract and these handlers.
fn describe(module: &mut Vec<u8>, names: &Names) -> Result<(), ComponentError> {
    if names.handlers.is_empty() {
        return Err(ComponentError::NoHandler);
    }
    let exports: String = names
        .handlers
        .iter()
        .map(|handler| format!("export {handler};\n"))
        .collect();
    let (import, package) = match names.asks_wall_clock {
        true => (format!("import {WALL_CLOCK};\n"), WALL_CLOCK_PACKAGE),
        false => (String::new(), ""),
    };
    let world = format!(
        "package wisted:guest;\nworld guest {{\ninclude wisted:reactor/imports@{VERSION};\n{import}{exports}}}\n{package}"
    );
    embed(module, &[CONTRACT, &world])
}

/// The module without its custom sections of DWARF.
fn without_debugging(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let wrong = |error: wasmparser::BinaryReaderError| {
        ComponentError::NotAModule(error.message().to_owned())
    };
    let mut kept = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(wrong)?;
        if matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(".debug_"))
        {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = &module[range];
            kept.section(&wasm_encoder::RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

fn adapter_module(adapter: &Adapter<'_>) -> Result<Vec<u8>, ComponentError> {
    let mut module = adapter.module.to_vec();
    if let Some(wit) = adapter.wit {
        embed(&mut module, &[wit])?;
    }
    Ok(module)
}

/// Adds the description of the only world of the last package.
fn embed(module: &mut Vec<u8>, packages: &[&str]) -> Result<(), ComponentError> {
    let mut resolve = Resolve::default();
    let mut last = None;
    for package in packages {
        last = Some(resolve.push_str("guest.wit", package).map_err(refused)?);
    }
    let packages: Vec<_> = last.into_iter().collect();
    let world = resolve.select_world(&packages, None).map_err(refused)?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8).map_err(refused)
}

const VERSION: &str = "0.1.0";

/// The time of day. What is not in this package's interface, a guest by hand has no use for.
const WALL_CLOCK: &str = "wasi:clocks/wall-clock@0.2.0";
const WALL_CLOCK_PACKAGE: &str = "package wasi:clocks@0.2.0 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
}
";

/// How the custom sections are called that describe a module's types.
const DESCRIPTION: &str = "component-type";

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLER: &str = "wisted:reactor/connection-handler@0.1.0#";

    /// A guest that answers nothing, in text.
    fn guest(extra: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                {extra}
                (memory (export "memory") 1)
                (func (export "{HANDLER}connection-made") (param i32))
                (func (export "{HANDLER}data-received") (param i32 i32 i32))
                (func (export "{HANDLER}connection-lost") (param i32 i32 i32 i32))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8))"#
        );
        wat(&text)
    }

    fn wat(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect("sound")
    }

    fn error(module: &[u8]) -> String {
        component(module, None)
            .expect_err("should not become one")
            .to_string()
    }

    #[test]
    fn names_are_enough() {
        let write =
            r#"(import "wisted:reactor/transport@0.1.0" "write" (func (param i32 i32 i32)))"#;
        let component = component(&guest(write), None).unwrap();
        let text = String::from_utf8_lossy(&component);
        assert!(text.contains("wisted:reactor/transport@0.1.0"));
        // What it does not use it does not import, and what it does not have it does not export.
        assert!(!text.contains("wisted:reactor/web@0.1.0") && !text.contains("flow-handler"));
    }

    #[test]
    fn the_time_of_day_may_be_asked() {
        let clock = format!(r#"(import "{WALL_CLOCK}" "now" (func (param i32)))"#);
        let component = component(&guest(&clock), None).unwrap();
        assert!(String::from_utf8_lossy(&component).contains(WALL_CLOCK));
    }

    #[test]
    fn what_is_for_debuggers_is_left_out() {
        let extra = r#"(@custom ".debug_info" "voluminous") (func $named)"#;
        let component = component(&guest(extra), None).unwrap();
        let text = String::from_utf8_lossy(&component);
        assert!(!text.contains("voluminous") && text.contains("named"));
    }

    #[test]
    fn an_adapter_stands_between() {
        let guest = guest(r#"(import "old" "random" (func (result i32)))"#);
        assert!(component(&guest, None).is_err());
        let module = wat(
            r#"(module (import "new:api/number@1.0.0" "get" (func $get (result i32))) (func (export "random") (result i32) call $get))"#,
        );
        let adapter = Adapter {
            name: "old",
            module: &module,
            wit: Some(
                "package adapter:old;\nworld adapter { import new:api/number@1.0.0; }\n\
                 package new:api@1.0.0 { interface number { get: func() -> u32; } }",
            ),
        };
        let component = component(&guest, Some(&adapter)).unwrap();
        assert!(String::from_utf8_lossy(&component).contains("new:api/number@1.0.0"));
    }

    #[test]
    fn what_becomes_no_component() {
        assert!(error(b"not wasm").contains("no WebAssembly module"));
        assert!(error(&wat("(component)")).contains("a component already"));
        assert!(error(&wat("(module)")).contains("connection-handler@0.1.0#data-received"));
        let wrong = wat(&format!(
            r#"(module (func (export "{HANDLER}data-received")))"#
        ));
        let text = error(&wrong);
        assert!(
            text.contains("it becomes no component") && !text.contains('\n'),
            "{text}"
        );
        assert!(error(&guest(r#"(import "env" "what" (func))"#)).contains("env"));
    }
}
