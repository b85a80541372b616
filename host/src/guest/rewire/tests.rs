//! Rewired components do what they did; what is made otherwise is left alone.

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store, StoreContextMut};

use super::*;
use crate::build::componentize;
use crate::guest::parts::damaged;

/// Writes what it receives, and four bytes on a timer.
const MODULE: &str = r#"(module
    (import "wisted:reactor/transport@0.1.0" "write" (func $write (param i32 i32 i32)))
    (import "wisted:reactor/transport@0.1.0" "lose-connection" (func $lose (param i32)))
    (import "wisted:reactor/timers@0.1.0" "call-later" (func $later (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "tick")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
    (func (export "wisted:reactor/connection-handler@0.1.0#connection-made") (param i32))
    (func (export "wisted:reactor/connection-handler@0.1.0#connection-lost")
        (param i32 i32 i32 i32))
    (func (export "wisted:reactor/connection-handler@0.1.0#data-received") (param i32 i32 i32)
        (call $write (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wisted:reactor/timer-handler@0.1.0#timer-fired") (param i32)
        (call $write (local.get 0) (i32.const 8) (i32.const 4))
        (call $lose (local.get 0))))"#;

pub(in crate::guest) fn component() -> Vec<u8> {
    componentize::component(&wat::parse_str(MODULE).unwrap(), None).unwrap()
}

/// What a component's imports are called with.
#[repr(C)]
pub(in crate::guest) struct Calls {
    /// Where shortcuts would find it.
    window: u64,
    pub calls: Vec<String>,
}

/// A component with imports that note their calls.
pub(in crate::guest) fn instantiated(
    component: &Component,
    window: u64,
) -> (Store<Calls>, wasmtime::component::Instance) {
    let engine = component.engine();
    let calls = Vec::new();
    let mut store = Store::new(engine, Calls { window, calls });
    let mut linker = Linker::new(engine);
    type Of<'a> = StoreContextMut<'a, Calls>;
    let mut transport = linker.instance("wisted:reactor/transport@0.1.0").unwrap();
    transport
        .func_wrap("write", |mut store: Of, (number, data): (u32, Vec<u8>)| {
            let call = format!("write {number} {data:?}");
            store.data_mut().calls.push(call);
            Ok(())
        })
        .unwrap();
    transport
        .func_wrap("lose-connection", |mut store: Of, (number,): (u32,)| {
            store.data_mut().calls.push(format!("lose {number}"));
            Ok(())
        })
        .unwrap();
    linker.define_unknown_imports_as_traps(component).unwrap();
    let instance = linker.instantiate(&mut store, component).unwrap();
    (store, instance)
}

/// What a component does with data, and when a timer fires.
pub(in crate::guest) fn calls(component: &Component, window: u64) -> Vec<String> {
    let (mut store, instance) = instantiated(component, window);
    let mut export = |interface: &str, name: &str| {
        let interface = instance.get_export_index(&mut store, None, &qualified(interface));
        instance.get_export_index(&mut store, interface.as_ref(), name)
    };
    let data_received = export("connection-handler", "data-received").unwrap();
    let timer_fired = export("timer-handler", "timer-fired").unwrap();
    let data_received = instance
        .get_typed_func::<(u32, &[u8]), ()>(&mut store, data_received)
        .unwrap();
    data_received.call(&mut store, (7, b"ab")).unwrap();
    data_received.call(&mut store, (8, b"")).unwrap();
    let timer_fired = instance
        .get_typed_func::<(u32,), ()>(&mut store, timer_fired)
        .unwrap();
    timer_fired.call(&mut store, (9,)).unwrap();
    store.into_data().calls
}

/// What it does with the component of [`MODULE`].
pub(in crate::guest) const CALLS: [&str; 4] = [
    "write 7 [97, 98]",
    "write 8 []",
    "write 9 [116, 105, 99, 107]",
    "lose 9",
];

#[test]
fn a_rewired_component_does_what_it_did() {
    let engine = Engine::new(&Config::new()).unwrap();
    let bytes = component();
    for bytes in [&bytes, &rewired(&bytes).unwrap()] {
        let component = Component::from_binary(&engine, bytes).unwrap();
        assert_eq!(calls(&component, 0), CALLS);
    }
}

#[test]
fn it_has_no_table_and_hands_on_the_handlers_that_run_most() {
    let bytes = component();
    let rewiring = Rewiring::of(&Parts::read(&bytes).unwrap()).unwrap();
    let rewired_bytes = rewired(&bytes).unwrap();
    let parts = Parts::read(&rewired_bytes).unwrap();
    let fixup = rewiring.fixup_instance - 1;
    let handed_on = parts.aliases.iter().filter(|alias| alias.instance == fixup);
    let names: Vec<_> = handed_on.map(|alias| alias.name).collect();
    assert_eq!(
        names,
        [
            "wisted:reactor/connection-handler@0.1.0#data-received",
            "wisted:reactor/timer-handler@0.1.0#timer-fired"
        ]
    );
    assert!(rewired(&rewired_bytes).is_none());
}

#[test]
fn a_handler_that_never_runs_is_not_handed_on() {
    let without_timers: String = MODULE
        .lines()
        .filter(|line| !line.contains("call-later"))
        .collect();
    let module = wat::parse_str(without_timers).unwrap();
    let bytes = componentize::component(&module, None).unwrap();
    let rewiring = Rewiring::of(&Parts::read(&bytes).unwrap()).unwrap();
    let names = rewiring.handlers.iter().map(|handler| &handler.name);
    assert!(names.eq(["wisted:reactor/connection-handler@0.1.0#data-received"]));
}

#[test]
fn what_is_made_otherwise_or_damaged_is_left_alone() {
    let without_write = MODULE
        .replace(
            "(call $write (local.get 0) (local.get 1) (local.get 2))",
            "",
        )
        .replace(
            "(call $write (local.get 0) (i32.const 8) (i32.const 4))",
            "",
        )
        .lines()
        .filter(|line| !line.contains("func $write"))
        .collect::<String>();
    let module = wat::parse_str(without_write).unwrap();
    let without_shim = componentize::component(&module, None).unwrap();
    assert!(rewired(&without_shim).is_none());
    assert!(rewired(b"\0asm\x01\0\0\0").is_none());
    let bytes = component();
    for damaged in damaged(&bytes) {
        rewired(&damaged);
    }
}

/// Were each module asked for anew what it is given, this would take minutes.
#[test]
fn many_modules_that_are_given_much_take_no_long_time() {
    const MANY: usize = 900;
    const MODULES: usize = 200;
    let exports: String = (0..MANY)
        .map(|number| format!("(export \"f{number}\" (func $f))"))
        .collect();
    let args: String = (0..MANY)
        .map(|number| format!("(with \"a{number}\" (instance $e))"))
        .collect();
    let user = format!(
        "(core module (import \"a1\" \"f2\" (func)) (func (export \"run\") (call 0)))
         (core instance (instantiate USER {args}))"
    );
    let users: String = (0..MODULES)
        .map(|number| user.replace("USER", &(number + 2).to_string()))
        .collect();
    let component = format!(
        "(component
            (core module $shim
                (type (func)) (table 1 1 funcref)
                (export \"0\" (func 0)) (export \"$imports\" (table 0))
                (func (type 0) i32.const 0 call_indirect (type 0)))
            (core module $fixup
                (type (func)) (import \"\" \"0\" (func (type 0)))
                (import \"\" \"$imports\" (table 1 1 funcref))
                (elem (i32.const 0) func 0))
            (core instance $s (instantiate $shim))
            (alias core export $s \"0\" (core func $f))
            (core instance $e {exports})
            {users}
            (alias core export $s \"$imports\" (core table $t))
            (alias core export 2 \"run\" (core func $run))
            (core instance $g (export \"0\" (func $run)) (export \"$imports\" (table $t)))
            (core instance (instantiate $fixup (with \"\" (instance $g)))))"
    );
    let bytes = wat::parse_str(component).unwrap();
    let rewiring = Rewiring::of(&Parts::read(&bytes).unwrap()).unwrap();
    assert_eq!(rewiring.users.len(), MODULES);
    let rewired = rewired(&bytes).unwrap();
    Component::from_binary(&Engine::default(), &rewired).unwrap();
}
