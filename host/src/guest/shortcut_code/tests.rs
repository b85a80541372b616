//! The two functions, against a host's memory that is not this process' own.

use wasmtime::{Caller, Engine, Instance, InstancePre, Linker, Memory, Module, Store};

use super::super::parts::damaged;
use super::super::window::SLACK_BYTES;
use super::*;

/// Echoes. Data go to address 1000, unless a test says where.
const MODULE: &str = r#"(module
    (import "env" "before" (func $before))
    (import "transport" "write" (func $write (param i32 i32 i32)))
    (import "env" "after" (func $after (result i32)))
    (memory (export "memory") 1)
    (global $to (export "to") (mut i32) (i32.const 1000))
    (table 1 funcref)
    (elem (i32.const 0) $write)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (call $before)
        (global.get $to))
    (func $run (export "data-received") (param i32 i32 i32)
        (drop (call $after))
        (call_indirect (param i32 i32 i32)
            (local.get 0) (local.get 1) (local.get 2) (i32.const 0)))
    (func (export "write") (param i32 i32 i32)
        (call $write (local.get 0) (local.get 1) (local.get 2))))"#;

const ORIGINAL: Original = Original {
    write: ("transport", "write"),
    data_received: "data-received",
    realloc: "cabi_realloc",
    memory: "memory",
};

fn shortened(text: &str) -> Option<Vec<u8>> {
    with_shortcuts(&wat::parse_str(text).unwrap(), &ORIGINAL, "received")
}

/// Where the store's data, the window, the data and the room are for the guest: not memory of this process.
const STORE_DATA: u64 = 1 << 20;
const WINDOW: u64 = 2 << 20;
const DATA: u64 = 3 << 20;
const ROOM: u64 = 5 << 20;

#[derive(Default)]
struct Host {
    window: [u64; 8],
    data: Vec<u8>,
    room: Vec<u8>,
    /// What came by the import: connection, pointer, length.
    written: Vec<(i32, i32, i32)>,
}

impl Host {
    /// With the window open for connection 7 and so much room.
    fn open(data: &[u8], room: usize) -> Self {
        let mut host = Self {
            data: [data, &[0xee; SLACK_BYTES]].concat(),
            room: vec![0xdd; room + SLACK_BYTES],
            ..Self::default()
        };
        for (field, value) in [
            (offset_of!(Window, data), DATA),
            (offset_of!(Window, data_bytes), data.len() as u64),
            (offset_of!(Window, connection), 7),
            (offset_of!(Window, at), ROOM),
            (offset_of!(Window, end), ROOM + room as u64),
        ] {
            host.window[field / 8] = value;
        }
        host
    }

    fn field(&self, offset: usize) -> u64 {
        self.window[offset / 8]
    }

    /// Whatever is not there panics.
    fn load(&self, address: u64) -> u64 {
        let word = |bytes: &[u8], base: u64| {
            let start = usize::try_from(address - base).unwrap();
            u64::from_le_bytes(bytes[start..][..8].try_into().unwrap())
        };
        match address {
            STORE_DATA => WINDOW,
            ROOM.. => word(&self.room, ROOM),
            DATA.. => word(&self.data, DATA),
            address => self.field(usize::try_from(address - WINDOW).unwrap()),
        }
    }

    fn store(&mut self, address: u64, value: u64) {
        match address.checked_sub(ROOM) {
            Some(start) => {
                let start = usize::try_from(start).unwrap();
                self.room[start..][..8].copy_from_slice(&value.to_le_bytes());
            }
            None => {
                let field = usize::try_from(address - WINDOW).unwrap();
                self.window[field / 8] = value;
            }
        }
    }

    /// What was written through the window.
    fn through_window(&self) -> &[u8] {
        let bytes = self.field(offset_of!(Window, at)) - ROOM;
        let bytes = usize::try_from(bytes).unwrap();
        &self.room[..bytes]
    }
}

struct Guest {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
}

/// The module with shortcuts and its imports, for any number of guests.
struct Guests(InstancePre<Host>);

impl Guests {
    fn new() -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, shortened(MODULE).unwrap()).unwrap();
        let mut linker = Linker::<Host>::new(&engine);
        type Of<'a> = Caller<'a, Host>;
        linker.func_wrap("env", "before", || {}).unwrap();
        linker.func_wrap("env", "after", || 1).unwrap();
        linker
            .func_wrap("transport", "write", |mut host: Of, number, at, length| {
                host.data_mut().written.push((number, at, length));
            })
            .unwrap();
        linker
            .func_wrap(INTRINSICS_MODULE, INTRINSICS[0].0, || STORE_DATA)
            .unwrap();
        linker
            .func_wrap(INTRINSICS_MODULE, INTRINSICS[1].0, |host: Of, at| {
                host.data().load(at)
            })
            .unwrap();
        linker
            .func_wrap(
                INTRINSICS_MODULE,
                INTRINSICS[2].0,
                |mut host: Of, at, word| host.data_mut().store(at, word),
            )
            .unwrap();
        Self(linker.instantiate_pre(&module).unwrap())
    }

    fn with(&self, host: Host) -> Guest {
        let mut store = Store::new(self.0.module().engine(), host);
        let instance = self.0.instantiate(&mut store).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Guest {
            store,
            instance,
            memory,
        }
    }
}

impl Guest {
    fn call<P: wasmtime::WasmParams>(&mut self, name: &str, parameters: P) -> bool {
        let function = self.instance.get_typed_func::<P, ()>(&mut self.store, name);
        function.unwrap().call(&mut self.store, parameters).is_ok()
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (1..=length).map(|place| (place % 255) as u8).collect()
}

#[test]
fn data_of_every_length_come_and_go_through_the_window() {
    let guests = Guests::new();
    for length in 0..=SHORT_MAX_BYTES {
        let data = pattern(length as usize);
        let mut guest = guests.with(Host::open(&data, data.len()));
        let around = &mut guest.memory.data_mut(&mut guest.store)[999..3_600];
        around.fill(0xcc);
        assert!(guest.call("received", (7, length)));
        let host = guest.store.data();
        assert_eq!(host.through_window(), data);
        assert_eq!(host.written, []);
        assert_eq!(host.field(offset_of!(Window, from)), 1_000);
        assert_eq!(host.field(offset_of!(Window, memory_pages)), 1);
        let around = &guest.memory.data(&guest.store)[999..3_600];
        let behind = 1 + data.len();
        assert_eq!(around[1..behind], data);
        assert!(around[0] == 0xcc && around[behind..].iter().all(|byte| *byte == 0xcc));
    }
}

#[test]
fn data_are_given_once_and_as_many_as_there_are() {
    let guests = Guests::new();
    for wrong in [0, 2, 4, SHORT_MAX_BYTES + 1, u32::MAX] {
        let mut guest = guests.with(Host::open(b"abc", 100));
        assert!(!guest.call("received", (7, wrong)));
        assert!(guest.call("received", (7, 3)));
        assert!(!guest.call("received", (7, 3)));
        assert_eq!(guest.store.data().through_window(), b"abc");
    }
}

#[test]
fn several_writes_lie_one_after_the_other() {
    let guests = Guests::new();
    let mut guest = guests.with(Host::open(b"", 1_000));
    let texts = ["one ", "and another of more than eight bytes, ", "", "x"];
    for text in texts {
        let bytes = text.as_bytes();
        guest.memory.write(&mut guest.store, 50, bytes).unwrap();
        assert!(guest.call("write", (7, 50, bytes.len() as i32)));
    }
    let host = guest.store.data();
    assert_eq!(host.through_window(), texts.concat().as_bytes());
    assert_eq!(host.written, []);
}

#[test]
fn what_does_not_fit_the_window_goes_by_the_import() {
    let guests = Guests::new();
    let long = SHORT_MAX_BYTES as i32 + 1;
    for (number, length) in [(8, 1), (0, 0), (-1, 3), (7, 101), (7, long), (7, -1)] {
        let mut guest = guests.with(Host::open(b"", 100));
        assert!(guest.call("write", (number, 50, length)));
        let host = guest.store.data();
        assert_eq!(host.through_window(), b"");
        assert_eq!(host.written, [(number, 50, length)]);
    }
    // A whole room, and then no more.
    let mut guest = guests.with(Host::open(b"", 100));
    for length in [60, 40, 1] {
        assert!(guest.call("write", (7, 50, length)));
    }
    assert_eq!(guest.store.data().written, [(7, 50, 1)]);
}

/// The window's own state before anybody opens it: no number is that of its connection.
#[test]
fn a_closed_window_takes_nothing() {
    let guests = Guests::new();
    for number in [0, 7, -1] {
        let mut host = Host::open(b"", 100);
        host.window[offset_of!(Window, connection) / 8] = u64::MAX;
        let mut guest = guests.with(host);
        assert!(guest.call("write", (number, 50, 3)));
        assert_eq!(guest.store.data().written, [(number, 50, 3)]);
    }
}

#[test]
fn memory_that_is_not_there_traps_and_nothing_was_written() {
    let guests = Guests::new();
    const END: i32 = 64 << 10;
    let open = |length: i32| {
        let length = usize::try_from(length).unwrap();
        guests.with(Host::open(&pattern(length), length))
    };
    for length in [1, 7, 8, 9, 300, SHORT_MAX_BYTES as i32] {
        for at in [END - length + 1, END, -1, i32::MIN] {
            let mut guest = open(length);
            assert!(!guest.call("write", (7, at, length)), "{at} {length}");
            assert_eq!(guest.store.data().through_window(), b"");
            let to = guest.instance.get_global(&mut guest.store, "to").unwrap();
            to.set(&mut guest.store, at.into()).unwrap();
            assert!(!guest.call("received", (7, length)), "{at} {length}");
        }
        let mut guest = open(length);
        assert!(guest.call("write", (7, END - length, length)));
        let to = guest.instance.get_global(&mut guest.store, "to").unwrap();
        to.set(&mut guest.store, (END - length).into()).unwrap();
        assert!(guest.call("received", (8, length)));
    }
}

#[test]
fn a_module_that_lacks_something_or_is_damaged_stays_as_it_is() {
    assert!(shortened(MODULE).is_some());
    for (from, to) in [
        ("\"transport\"", "\"other\""),
        ("\"data-received\"", "\"other\""),
        ("\"cabi_realloc\"", "\"other\""),
        ("\"memory\"", "\"other\""),
        (
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") i64 1)",
        ),
        (
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 1 1 shared)",
        ),
        (
            "(memory (export \"memory\") 1)",
            "(memory 1) (memory (export \"memory\") 1)",
        ),
        (
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 1 (pagesize 1))",
        ),
        ("(module", "(module (@custom \".debug_line\" \"\")"),
        ("(module", "(module (type (struct))"),
    ] {
        let text = MODULE.replacen(from, to, 1);
        assert_ne!(text, MODULE);
        assert!(shortened(&text).is_none(), "{to}");
    }
    for damaged in damaged(&wat::parse_str(MODULE).unwrap()) {
        with_shortcuts(&damaged, &ORIGINAL, "received");
    }
}
