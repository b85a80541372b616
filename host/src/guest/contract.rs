//! What a component exports and imports, held against the WIT contract, and what to tell those whose component falls short.
//! Knows types, not running instances.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::shortcut::DATA_RECEIVED;
use super::wit_type;

/// Which of the contract's interfaces a guest exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exports {
    /// `connection-handler`
    pub connection: bool,
    /// `half-close-handler`
    pub half_close: bool,
    /// `flow-handler`
    pub flow: bool,
    /// `lifecycle-handler`
    pub lifecycle: bool,
    /// `program`
    pub program: bool,
    /// `timer-handler`
    pub timer: bool,
    /// `page-handler`
    pub page: bool,
    /// `state-handler`
    pub state: bool,
}

/// A function that an interface of the contract has.
type Function = (&'static str, &'static str);

/// The contract's export interfaces with their functions' WIT signatures. A test holds them against wit/reactor.wit.
const CONNECTION: &[Function] = &[
    ("connection-made", "func(connection: connection-id)"),
    (
        "data-received",
        "func(connection: connection-id, data: list<u8>)",
    ),
    (
        "connection-lost",
        "func(connection: connection-id, reason: close-reason)",
    ),
];
const HALF_CLOSE: &[Function] = &[("read-closed", "func(connection: connection-id)")];
const FLOW: &[Function] = &[("drained", "func(connection: connection-id)")];
const LIFECYCLE: &[Function] = &[
    (
        "start",
        "func(config: list<tuple<string, string>>) -> result<_, string>",
    ),
    ("stop", "func()"),
];
const PROGRAM: &[Function] = &[("execute", "func() -> result<_, string>")];
const TIMER: &[Function] = &[("timer-fired", "func(id: pending-id)")];
const PAGE: &[Function] = &[(
    "page-received",
    "func(id: pending-id, page: result<response, fetch-error>)",
)];
const STATE: &[Function] = &[
    ("save-state", "func() -> list<u8>"),
    (
        "restore-state",
        "func(state: list<u8>) -> result<_, string>",
    ),
];
const INTERFACES: &[(&str, &[Function])] = &[
    ("connection-handler", CONNECTION),
    ("half-close-handler", HALF_CLOSE),
    ("flow-handler", FLOW),
    ("lifecycle-handler", LIFECYCLE),
    ("program", PROGRAM),
    ("timer-handler", TIMER),
    ("page-handler", PAGE),
    ("state-handler", STATE),
];

/// What the named types in these signatures stand for. A test holds them against wit/reactor.wit.
const NAMED_TYPES: [(&str, &str); 5] = [
    ("connection-id", "u32"),
    ("pending-id", "u32"),
    (
        "close-reason",
        "variant { done, lost(string), aborted, peer-not-reading(string), stopping }",
    ),
    (
        "response",
        "record { status: u16, headers: list<record { name: string, value: string }>, body: list<u8>, url: string }",
    ),
    (
        "fetch-error",
        "variant { denied(string), invalid-request(string), dns(string), connect(string), tls(string), protocol(string), \
         timeout, too-large(u64), too-many-redirects(u32), too-many-requests(u32) }",
    ),
];

/// Why a component cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It exports an interface of ours in part, which only happens to components that were made by hand.
    #[error(
        "it exports `{interface}` without `{function}`\n  \
         missing: {function}: {signature}\n  \
         fix: export the function, even if it does nothing; the contract is wit/reactor.wit"
    )]
    Incomplete {
        /// The interface's full name.
        interface: String,
        /// The function.
        function: &'static str,
        /// Its type, in WIT.
        signature: &'static str,
    },
    /// It exports a function of ours with another type.
    #[error(
        "its `{function}` in `{interface}` has another type\n  \
         found:  {found}\n  \
         wanted: {signature}\n  \
         fix: build it against this host's wit/reactor.wit"
    )]
    WrongType {
        /// The interface's full name.
        interface: String,
        /// The function.
        function: &'static str,
        /// The type that it should have, in WIT.
        signature: &'static str,
        /// The type that it has, without names.
        found: String,
    },
    /// It exports nothing that the host could call.
    #[error(
        "it exports no handler, so there is nothing to run: \
         a server must override `data-received`, a program must override `execute`\n  \
         missing: {package}/connection-handler@{version} data-received: {data_received}\n  \
         or:      {package}/program@{version} execute: {execute}\n  \
         fix: in Rust, implement `wisted_guest::Protocol` and say `wisted_guest::export!(YourFactory)`, or implement\n       \
         `wisted_guest::Program` and say `wisted_guest::export_program!(YourProgram)`;\n       \
         in other languages, export one of these interfaces of wit/reactor.wit{others}"
    )]
    NothingToRun {
        /// `wisted:reactor`
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// The signature of `data-received`.
        data_received: &'static str,
        /// The signature of `execute`.
        execute: &'static str,
        /// What it exports instead, as a remark.
        others: String,
    },
}

const PACKAGE: &str = "wisted:reactor";
const VERSION: &str = "0.1.0";

/// What a component exports and imports, in words, for people.
#[derive(Clone, Debug, Default)]
pub struct Surface {
    /// Each exported interface or function, with what the host makes of it.
    pub exports: Vec<String>,
    /// Each imported interface or function.
    pub imports: Vec<String>,
}

/// An interface of the contract, as a component names it.
pub(super) fn qualified(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

/// Which interfaces of the contract the component exports.
///
/// # Errors
/// When it exports one in part or with other types, or none that can be served.
pub(super) fn exports_of(engine: &Engine, component: &Component) -> Result<Exports, ContractError> {
    let mut exports = Exports::default();
    for (interface, functions) in INTERFACES {
        let name = qualified(interface);
        let Some(instance) = component.get_export_index(None, &name) else {
            continue;
        };
        for (function, signature) in *functions {
            let Some((item, _)) = component.get_export(Some(&instance), function) else {
                return Err(ContractError::Incomplete {
                    interface: name,
                    function,
                    signature,
                });
            };
            let found = match item {
                ComponentItem::ComponentFunc(function) => wit_type::of_function(&function),
                _ => "no function".to_owned(),
            };
            if found != written_out(signature) {
                return Err(ContractError::WrongType {
                    interface: name,
                    function,
                    signature,
                    found: shortened(found),
                });
            }
        }
        let flag = match *interface {
            "connection-handler" => &mut exports.connection,
            "half-close-handler" => &mut exports.half_close,
            "flow-handler" => &mut exports.flow,
            "lifecycle-handler" => &mut exports.lifecycle,
            "program" => &mut exports.program,
            "timer-handler" => &mut exports.timer,
            "page-handler" => &mut exports.page,
            _ => &mut exports.state,
        };
        *flag = true;
    }
    if !exports.connection && !exports.program {
        return Err(nothing_to_run(engine, component));
    }
    Ok(exports)
}

/// A signature as [`wit_type::of_function`] says it: without the names of parameters, named types written out.
fn written_out(signature: &str) -> String {
    let mut parts = signature.split(": ").peekable();
    let mut types = String::new();
    while let Some(part) = parts.next() {
        let name = |character: char| character.is_ascii_alphanumeric() || character == '-';
        types.push_str(match parts.peek() {
            Some(_) => part.trim_end_matches(name),
            None => part,
        });
    }
    for (name, ty) in NAMED_TYPES {
        types = types.replace(name, ty);
    }
    types
}

/// A type can be as long as a component's author likes.
fn shortened(mut found: String) -> String {
    const CHARACTERS_MAX: usize = 400;
    if let Some((end, _)) = found.char_indices().nth(CHARACTERS_MAX) {
        found.truncate(end);
        found.push('…');
    }
    found
}

fn nothing_to_run(engine: &Engine, component: &Component) -> ContractError {
    let surface = surface_of(engine, component);
    let others = if surface.exports.is_empty() {
        "\n  note: the component exports nothing at all".to_owned()
    } else {
        format!("\n  note: it exports only {}", surface.exports.join(", "))
    };
    ContractError::NothingToRun {
        package: PACKAGE,
        version: VERSION,
        data_received: CONNECTION[1].1,
        execute: PROGRAM[0].1,
        others,
    }
}

/// Whether a guest can ever be made to wait: whether it imports anything but what answers at once.
///
/// `wasi:io`'s blocking functions are not counted: all that they could wait for comes from another import (a clock's
/// subscription, a socket), and what is there without one (the standard streams) is always ready. A file's descriptor cannot
/// be had at all, since nothing is preopened.
pub(super) fn may_wait(engine: &Engine, component: &Component) -> bool {
    const AT_ONCE: [&str; 5] = [
        "wasi:cli/",
        "wasi:io/",
        "wasi:random/",
        "wasi:filesystem/",
        "wasi:clocks/wall-clock",
    ];
    let ty = component.component_type();
    ty.imports(engine).any(|(name, import)| {
        if AT_ONCE.iter().any(|prefix| name.starts_with(prefix)) {
            return false;
        }
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            return true;
        };
        let waits = |function: &str| match name {
            _ if name.starts_with(PACKAGE) => matches!(function, "sleep" | "wait"),
            _ if name.starts_with("wasi:clocks/monotonic-clock") => {
                function.starts_with("subscribe")
            }
            _ => true,
        };
        instance.exports(engine).any(|(item, export)| {
            matches!(export.ty, ComponentItem::ComponentFunc(_)) && waits(item)
        })
    })
}

/// Whether a guest can ask for the address that a peer has connected to.
pub(super) fn asks_for_host(engine: &Engine, component: &Component) -> bool {
    let ty = component.component_type();
    ty.get_import(engine, &qualified("transport"))
        .is_some_and(|import| match import.ty {
            ComponentItem::ComponentInstance(transport) => {
                transport.get_export(engine, "host").is_some()
            }
            _ => false,
        })
}

/// What the component exports and imports, for people.
pub(super) fn surface_of(engine: &Engine, component: &Component) -> Surface {
    let ty = component.component_type();
    let name = |(name, item): (&str, _)| match item {
        ComponentItem::ComponentFunc(_) => format!("{name} (function)"),
        _ => name.to_owned(),
    };
    Surface {
        exports: ty
            .exports(engine)
            // That is ours.
            .filter(|(export, _)| *export != DATA_RECEIVED)
            .map(|(export, item)| name((export, item.ty)))
            .collect(),
        imports: ty
            .imports(engine)
            .map(|(import, item)| name((import, item.ty)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signatures_are_those_of_the_wit_file() {
        let wit = include_str!("../../../wit/reactor.wit");
        for (interface, functions) in INTERFACES {
            let start = wit
                .find(&format!("interface {interface} {{"))
                .unwrap_or_else(|| panic!("no interface {interface}"));
            let body = &wit[start..start + wit[start..].find("\n}").unwrap()];
            for (function, signature) in *functions {
                let line = format!("    {function}: {signature};");
                assert!(body.contains(&line), "{interface} has no line {line:?}");
            }
        }
        assert!(wit.contains(&format!("package {PACKAGE}@{VERSION};")));
    }

    #[test]
    fn the_named_types_are_those_of_the_wit_file() {
        let wit = include_str!("../../../wit/reactor.wit");
        for (name, written_out) in NAMED_TYPES {
            let Some((word, _)) = written_out.split_once(" {") else {
                assert!(wit.contains(&format!("type {name} = {written_out};")));
                continue;
            };
            let (_, body) = wit.split_once(&format!("{word} {name} {{")).unwrap();
            let (body, _) = body.split_once('}').unwrap();
            let members: Vec<_> = body
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with("///"))
                .collect();
            let members = members.join(" ");
            // The only one that names another.
            let members = members.replace("<header>", "<record { name: string, value: string }>");
            let members = members.trim_end_matches(',');
            assert_eq!(written_out, format!("{word} {{ {members} }}"));
        }
        assert_eq!(
            written_out(
                "func(a-b: pending-id, list: list<tuple<string, u8>>) -> result<_, string>"
            ),
            "func(u32, list<tuple<string, u8>>) -> result<_, string>"
        );
    }

    #[test]
    fn a_long_type_is_told_in_part() {
        assert_eq!(shortened("é".repeat(400)), "é".repeat(400));
        assert_eq!(shortened("é".repeat(401)), "é".repeat(400) + "…");
    }

    #[test]
    fn a_function_of_another_type_is_found_when_it_is_loaded() {
        let engine = Engine::default();
        let component = r#"(component
            (core module $module (func (export "made") (param i32)))
            (core instance $core (instantiate $module))
            (func $made (param "connection" u32) (canon lift (core func $core "made")))
            (func $other (param "connection" s32) (canon lift (core func $core "made")))
            (instance $handler
                (export "connection-made" (func $made))
                (export "data-received" (func $other))
                (export "connection-lost" (func $made)))
            (export "wisted:reactor/connection-handler@0.1.0" (instance $handler)))"#;
        let component = Component::new(&engine, component).unwrap();
        let error = exports_of(&engine, &component).unwrap_err().to_string();
        assert_eq!(
            error,
            "its `data-received` in `wisted:reactor/connection-handler@0.1.0` has another type\n  \
             found:  func(s32)\n  \
             wanted: func(connection: connection-id, data: list<u8>)\n  \
             fix: build it against this host's wit/reactor.wit"
        );
    }

    #[test]
    fn a_guest_may_wait_for_what_does_not_answer_at_once() {
        let engine = Engine::default();
        let waits = |interface: &str, function: &str| {
            let wat = format!(
                r#"(component (import "{interface}" (instance (export "{function}" (func)))))"#
            );
            let component = Component::new(&engine, wat).unwrap();
            may_wait(&engine, &component)
        };
        for (interface, function) in [
            ("wisted:reactor/timers@0.1.0", "sleep"),
            ("wisted:reactor/pending@0.1.0", "wait"),
            ("wasi:clocks/monotonic-clock@0.2.6", "subscribe-duration"),
            ("wasi:clocks/monotonic-clock@0.2.0", "subscribe-instant"),
            ("wasi:sockets/tcp@0.2.6", "anything"),
            ("acme:things/stuff", "anything"),
        ] {
            assert!(waits(interface, function), "{interface} {function}");
        }
        for (interface, function) in [
            ("wisted:reactor/timers@0.1.0", "call-later"),
            ("wisted:reactor/pending@0.1.0", "cancel"),
            ("wisted:reactor/transport@0.1.0", "write"),
            ("wasi:clocks/monotonic-clock@0.2.6", "now"),
            ("wasi:clocks/wall-clock@0.2.6", "now"),
            ("wasi:io/poll@0.2.6", "poll"),
            ("wasi:cli/exit@0.2.6", "exit"),
        ] {
            assert!(!waits(interface, function), "{interface} {function}");
        }
    }
}
