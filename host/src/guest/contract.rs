//! What a component exports and imports, held against the WIT contract, and what to tell those whose component falls short.
//! Knows types, not running instances.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

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
/// When it exports one in part, or none that can be served.
pub(super) fn exports_of(engine: &Engine, component: &Component) -> Result<Exports, ContractError> {
    let mut exports = Exports::default();
    for (interface, functions) in INTERFACES {
        let name = qualified(interface);
        let Some(instance) = component.get_export_index(None, &name) else {
            continue;
        };
        for (function, signature) in *functions {
            if component
                .get_export_index(Some(&instance), function)
                .is_none()
            {
                return Err(ContractError::Incomplete {
                    interface: name,
                    function,
                    signature,
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
