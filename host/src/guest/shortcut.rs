//! Adds shortcuts to a component, by which short data pass between it and the host without the host's help; a change that the component
//! cannot notice. Knows the binary format, neither engines nor instances.
//!
//! A list of bytes that goes to a guest takes a call of the guest's allocator from outside, one that comes from a guest a call of the
//! host: each leaves WebAssembly and enters it again, or the other way about, and touches what wasmtime has to know for it, some 600
//! instructions and, with many instances, a dozen cache lines that nothing else touches. Two functions, added to the module that the
//! handlers are in, do the same by reading and writing a [window](super::window) of the host's memory:
//!
//! - one that writes what its caller gives to `write` there, while the window has room, and otherwise calls `write`;
//! - one that takes data from there to where the module's own allocator says, and calls `data-received` with them. The component exports
//!   it beside its own handlers, for the host alone.
//!
//! wasmtime's *unsafe intrinsics* are what they reach the window with. They are imported under a name that a component of somebody else
//! cannot have, since then it is given no shortcuts, and so no intrinsics. Nor is one that is not valid as it is: so nothing in it can
//! name what is added.
//!
//! What is not made as wit-component does stays as it is.

use std::collections::BTreeMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils as utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentSectionId, ComponentTypeRef,
    ComponentTypeSection, ExportKind, InstanceSection, InstanceType, ModuleArg, PrimitiveValType,
    RawSection,
};
use wasmparser::{CanonicalOption, Instance, Payload, Validator};

use super::contract::qualified;
use super::parts::{Counts, Lift, OnlyInstance, Parts};
use super::rewire::shimmed;
use super::shortcut_code::{INTRINSICS, INTRINSICS_MODULE, Original, with_shortcuts};

/// What the component imports the intrinsics as.
pub(super) const INTRINSICS_IMPORT: &str = "wisted:host/intrinsics";

/// What the component exports its shortcut to `data-received` as: a function of the connection and of how many bytes of data there are.
pub(super) const DATA_RECEIVED: &str = "wisted-data-received";

/// The core function of that, in the interface of the other one.
pub(super) const DATA_RECEIVED_CORE: &str = "data-received-here";

/// The component with shortcuts. `None` if it is made otherwise, or not valid.
pub(super) fn shortened(component: &[u8]) -> Option<Vec<u8>> {
    // A guest's words are little-endian, the intrinsics' the machine's.
    if cfg!(target_endian = "big") {
        return None;
    }
    let mut parts = Parts::read(component)?;
    let shortcuts = Shortcuts::of(&parts)?;
    // What is valid names nothing that is not there, and so nothing that is about to be added.
    Validator::new().validate_all(component).ok()?;
    let sections = std::mem::take(&mut parts.sections);
    shortcuts.write(component, sections, &parts)
}

/// What is to be added to a component, and where.
#[derive(Debug)]
struct Shortcuts {
    /// The module that the handlers are in, and its instance.
    main_module: u32,
    main_instance: u32,
    /// The module with shortcuts.
    module: Vec<u8>,
    received: String,
    /// What was there before the first core instance.
    before: Counts,
    after: Counts,
}

/// How many are added in front of the first core instance.
const ADDED: Counts = Counts {
    types: 1,
    component_functions: INTRINSICS.len() as u32,
    component_instances: 1,
    functions: INTRINSICS.len() as u32,
    instances: 1,
};

impl Shortcuts {
    fn of(parts: &Parts) -> Option<Self> {
        if parts.imports.contains(INTRINSICS_IMPORT) {
            return None;
        }
        let interface = qualified("connection-handler");
        let data_received = format!("{interface}#data-received");
        let (main, lift) = find_lift(parts, &data_received)?;
        let (memory, realloc) = memory_and_realloc(parts, main, lift)?;
        let instances = parts.only_instances();
        let (main_module, OnlyInstance { args, .. }) =
            instances.iter().find(|(_, only)| only.index == main)?;
        let write = find_write(parts, args, (main, memory))?;
        let module = parts.modules.get(usize::try_from(*main_module).ok()?)?;
        let received = format!("{interface}#{DATA_RECEIVED_CORE}");
        let original = Original {
            write,
            data_received: &data_received,
            realloc,
            memory,
        };
        Some(Self {
            main_module: *main_module,
            main_instance: main,
            module: with_shortcuts(module, &original, &received)?,
            received,
            before: parts.before_instances?,
            after: parts.counts()?,
        })
    }

    fn write(&self, component: &[u8], sections: Vec<Payload>, parts: &Parts) -> Option<Vec<u8>> {
        let mut written = Component::new();
        let mut moved = Moved {
            before: self.before,
            depth: 0,
        };
        let mut modules = 0;
        let mut instances = 0;
        for section in sections {
            match section {
                Payload::ModuleSection { .. } => {
                    let module = parts.modules.get(usize::try_from(modules).ok()?)?;
                    written.section(&RawSection {
                        id: ComponentSectionId::CoreModule.into(),
                        data: if modules == self.main_module {
                            &self.module
                        } else {
                            module
                        },
                    });
                    modules += 1;
                }
                Payload::InstanceSection(section) => {
                    if instances == 0 {
                        self.write_intrinsics(&mut written);
                    }
                    let mut section_written = InstanceSection::new();
                    for instance in section {
                        self.write_instance(
                            &mut section_written,
                            &mut moved,
                            instances,
                            instance.ok()?,
                        )?;
                        instances += 1;
                    }
                    written.section(&section_written);
                }
                // Its indices are no longer right.
                Payload::CustomSection(section) if section.name() == "component-name" => {}
                other => moved
                    .parse_component_payload(&mut written, other, component)
                    .ok()?,
            }
        }
        self.write_export(&mut written);
        Some(written.finish())
    }

    /// The intrinsics, imported, lowered, and put into a core instance.
    fn write_intrinsics(&self, written: &mut Component) {
        let mut intrinsics = InstanceType::new();
        let mut aliases = ComponentAliasSection::new();
        let mut lowered = CanonicalFunctionSection::new();
        let mut exports = Vec::new();
        for (number, (name, parameters, has_result)) in (0..).zip(INTRINSICS) {
            let parameters = parameters.iter();
            let result = has_result.then_some(PrimitiveValType::U64.into());
            intrinsics
                .ty()
                .function()
                .params(parameters.map(|name| (*name, PrimitiveValType::U64)))
                .result(result);
            intrinsics.export(name, ComponentTypeRef::Func(number));
            aliases.alias(Alias::InstanceExport {
                instance: self.before.component_instances,
                kind: ComponentExportKind::Func,
                name,
            });
            lowered.lower(self.before.component_functions + number, []);
            let function = self.before.functions + number;
            exports.push((name, ExportKind::Func, function));
        }
        let mut types = ComponentTypeSection::new();
        types.instance(&intrinsics);
        let mut imports = ComponentImportSection::new();
        let instance_type = ComponentTypeRef::Instance(self.before.types);
        imports.import(INTRINSICS_IMPORT, instance_type);
        let mut instances = InstanceSection::new();
        instances.export_items(exports);
        written
            .section(&types)
            .section(&imports)
            .section(&aliases)
            .section(&lowered)
            .section(&instances);
    }

    fn write_instance(
        &self,
        section: &mut InstanceSection,
        moved: &mut Moved,
        index: u32,
        instance: Instance,
    ) -> Option<()> {
        match instance {
            Instance::Instantiate { module_index, args } if index == self.main_instance => {
                let intrinsics = (INTRINSICS_MODULE, self.before.instances);
                let args = args.iter();
                let args = args.map(|arg| (arg.name, moved.instance_index(arg.index)));
                let args = args.chain([intrinsics]);
                let args = args.map(|(name, instance)| (name, ModuleArg::Instance(instance)));
                section.instantiate(module_index, args.collect::<Vec<_>>());
            }
            other => utils::parse_instance(moved, section, other).ok()?,
        }
        Some(())
    }

    /// The shortcut to `data-received`, lifted and exported.
    fn write_export(&self, written: &mut Component) {
        let mut types = ComponentTypeSection::new();
        let parameters = ["connection", "length"].map(|name| (name, PrimitiveValType::U32));
        types.function().params(parameters).result(None);
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport {
            instance: self.main_instance + ADDED.instances,
            kind: ExportKind::Func,
            name: &self.received,
        });
        let mut lifted = CanonicalFunctionSection::new();
        let function = self.after.functions + ADDED.functions;
        lifted.lift(function, self.after.types + ADDED.types, []);
        let mut exports = ComponentExportSection::new();
        let function = self.after.component_functions + ADDED.component_functions;
        exports.export(DATA_RECEIVED, ComponentExportKind::Func, function, None);
        written
            .section(&types)
            .section(&aliases)
            .section(&lifted)
            .section(&exports);
    }
}

/// How a core function of this name is lifted, and of which instance it is: if only one is.
fn find_lift<'a>(parts: &'a Parts, name: &str) -> Option<(u32, &'a Lift)> {
    let mut found = parts.lifts.iter().filter_map(|lift| {
        let alias = parts.alias_of(lift.function)?;
        (alias.name == name).then_some((alias.instance, lift))
    });
    let only = found.next();
    found.next().is_none().then_some(only).flatten()
}

/// Where the handler's data go, by the names of a memory and of an allocator in its own instance. Only if that is all there is to its
/// lifting.
fn memory_and_realloc<'a>(parts: &Parts<'a>, main: u32, lift: &Lift) -> Option<(&'a str, &'a str)> {
    let (mut memory, mut realloc) = (None, None);
    for option in &lift.options {
        match option {
            CanonicalOption::Memory(index) => memory = parts.memory(*index),
            CanonicalOption::Realloc(index) => realloc = parts.alias_of(*index),
            CanonicalOption::UTF8 | CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {}
            _ => return None,
        }
    }
    let (memory, realloc) = (memory?, realloc?);
    (memory.instance == main && realloc.instance == main).then_some((memory.name, realloc.name))
}

/// By what name an instance with these arguments imports the contract's `write`, of data in this memory.
fn find_write<'a>(
    parts: &Parts<'a>,
    args: &BTreeMap<&'a str, u32>,
    memory: (u32, &str),
) -> Option<(&'a str, &'a str)> {
    let transport = qualified("transport");
    let is_write = |function| {
        let import = parts.lowered_import(function)?;
        let found = import.memory?;
        let is_write = import.interface == transport && import.name == "write";
        (is_write && (found.instance, found.name) == memory).then_some(())
    };
    let modules: BTreeMap<_, _> = args.iter().map(|(module, given)| (given, module)).collect();
    let mut shimmed = shimmed(parts)?.into_iter();
    shimmed.find_map(|((instance, name), function)| {
        let module = modules.get(&instance)?;
        is_write(function).map(|()| (**module, name))
    })
}

/// The indices of a component with what is added to it.
struct Moved {
    before: Counts,
    /// How deep in the component the indices are that are asked for.
    depth: u32,
}

impl Moved {
    /// An index of the component itself.
    fn own(&self, index: u32, first: u32, added: u32) -> u32 {
        if self.depth == 0 {
            moved(index, first, added)
        } else {
            index
        }
    }
}

fn moved(index: u32, first: u32, added: u32) -> u32 {
    if index < first {
        index
    } else {
        index.saturating_add(added)
    }
}

impl Reencode for Moved {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.own(function, self.before.functions, ADDED.functions))
    }
}

impl ReencodeComponent for Moved {
    fn component_type_index(&mut self, ty: u32) -> u32 {
        self.own(ty, self.before.types, ADDED.types)
    }

    fn component_instance_index(&mut self, instance: u32) -> u32 {
        let first = self.before.component_instances;
        self.own(instance, first, ADDED.component_instances)
    }

    fn component_func_index(&mut self, function: u32) -> u32 {
        let first = self.before.component_functions;
        self.own(function, first, ADDED.component_functions)
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        self.own(instance, self.before.instances, ADDED.instances)
    }

    fn outer_component_type_index(&mut self, count: u32, ty: u32) -> u32 {
        if count == self.depth {
            moved(ty, self.before.types, ADDED.types)
        } else {
            ty
        }
    }

    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _: wasmparser::Parser,
        module: &[u8],
    ) -> Result<(), Error<Infallible>> {
        component.section(&RawSection {
            id: ComponentSectionId::CoreModule.into(),
            data: module,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;
    use crate::guest::code::compile_shortened;
    use crate::guest::parts::damaged;
    use crate::guest::rewire::rewired;
    use crate::guest::rewire::tests::{CALLS, calls, component, instantiated};
    use crate::guest::window::{SLACK_BYTES, Window};

    #[test]
    fn with_shortcuts_it_does_what_it_did() {
        let engine = Engine::default();
        let shortened = shortened(&component()).unwrap();
        for bytes in [&shortened, &rewired(&shortened).unwrap()] {
            let component = compile_shortened(&engine, bytes).unwrap();
            let window = Window::default();
            assert_eq!(calls(&component, window.address()), CALLS);
        }
    }

    #[test]
    fn data_come_and_go_without_the_host() {
        let engine = Engine::default();
        let shortened = shortened(&component()).unwrap();
        for bytes in [&shortened, &rewired(&shortened).unwrap()] {
            let component = compile_shortened(&engine, bytes).unwrap();
            let window = Window::default();
            let (mut store, instance) = instantiated(&component, window.address());
            let data_received = instance
                .get_typed_func::<(u32, u32), ()>(&mut store, DATA_RECEIVED)
                .unwrap();
            let mut room = Vec::with_capacity(100);
            window.open(7, room.spare_capacity_mut());
            let data = [b"twelve bytes", [0; SLACK_BYTES].as_slice()].concat();
            window.show(&data, 12).unwrap();
            data_received.call(&mut store, (7, 12)).unwrap();
            assert!(store.data().calls.is_empty());
            let written = window.close().unwrap();
            assert_eq!((written.connection, written.bytes), (7, 12));
            assert_eq!((written.from, written.memory_pages), (64, 1));
            // SAFETY: so many bytes were written to it.
            #[allow(unsafe_code)]
            unsafe {
                room.set_len(12);
            }
            assert_eq!(room, b"twelve bytes");
            // Closed, it writes by way of the host.
            window.show(&data, 2).unwrap();
            data_received.call(&mut store, (7, 2)).unwrap();
            assert_eq!(store.data().calls, ["write 7 [116, 119]"]);
        }
    }

    #[test]
    fn nobody_else_gets_the_intrinsics() {
        let text = format!(
            r#"(component
                (import "{INTRINSICS_IMPORT}" (instance $i
                    (export "u64-native-load" (func (param "pointer" u64) (result u64)))))
                (core func (canon lower (func $i "u64-native-load"))))"#
        );
        let component = wat::parse_str(text).unwrap();
        assert!(shortened(&component).is_none());
        let once = shortened(&super::tests::component()).unwrap();
        assert!(shortened(&once).is_none());
    }

    /// As wit-component makes them, with another module, to which the main one is given.
    const WITH_ANOTHER: &str = r#"(component
        (import "wisted:reactor/transport@0.1.0" (instance $transport
            (export "write" (func (param "connection" u32) (param "data" (list u8))))))
        (core module $shim (type (func (param i32 i32 i32)))
            (table 1 1 funcref) (export "0" (func 0)) (export "$imports" (table 0))
            (func (type 0)
                local.get 0 local.get 1 local.get 2 i32.const 0 call_indirect (type 0)))
        (core module $fixup (type (func (param i32 i32 i32)))
            (import "" "0" (func (type 0))) (import "" "$imports" (table 1 1 funcref))
            (elem (i32.const 0) func 0))
        (core module $main
            (import "transport" "write" (func (param i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            (func (export "wisted:reactor/connection-handler@0.1.0#data-received")
                (param i32 i32 i32)))
        (core instance $s (instantiate $shim))
        (alias core export $s "0" (core func $stub))
        (core instance $t (export "write" (func $stub)))
        (core instance $m (instantiate $main (with "transport" (instance $t))))
        (core module $another
            (import "main" "wisted:reactor/connection-handler@0.1.0#NAME" (func (param TYPE))))
        (core instance (instantiate $another (with "main" (instance $m))))
        (alias core export $m "memory" (core memory $memory))
        (alias core export $s "$imports" (core table $table))
        (core func $write (canon lower (func $transport "write") (memory $memory)))
        (core instance $g (export "0" (func $write)) (export "$imports" (table $table)))
        (core instance (instantiate $fixup (with "" (instance $g))))
        (alias core export $m "realloc" (core func $realloc))
        (func (export "data-received") (param "connection" u32) (param "data" (list u8))
            (canon lift
                (core func $m "wisted:reactor/connection-handler@0.1.0#data-received")
                (memory $memory) (realloc $realloc))))"#;

    #[test]
    fn nothing_in_a_component_can_name_what_is_added() {
        let with = |name: &str, parameters: &str| {
            let text = WITH_ANOTHER.replace("NAME", name);
            wat::parse_str(text.replace("TYPE", parameters)).unwrap()
        };
        let own = shortened(&with("data-received", "i32 i32 i32")).unwrap();
        compile_shortened(&Engine::default(), &own).unwrap();
        assert!(shortened(&with(DATA_RECEIVED_CORE, "i32 i32")).is_none());
    }

    #[test]
    fn a_write_that_is_not_the_contract_s_or_is_of_another_memory_stays() {
        let text = WITH_ANOTHER.replace("NAME", "data-received");
        let text = text.replace("TYPE", "i32 i32 i32");
        for (from, to) in [
            ("transport@0.1.0", "transport@0.2.0"),
            (
                r#"(canon lower (func $transport "write") (memory $memory))"#,
                r#"(canon lower (func $transport "write") (memory $other))"#,
            ),
        ] {
            let text = text.replace(from, to).replace(
                "(alias core export $m \"memory\" (core memory $memory))",
                "(alias core export $m \"memory\" (core memory $memory))
                 (core module $with_memory (memory (export \"memory\") 1))
                 (core instance $o (instantiate $with_memory))
                 (alias core export $o \"memory\" (core memory $other))",
            );
            let component = wat::parse_str(text).unwrap();
            Validator::new().validate_all(&component).unwrap();
            assert!(shortened(&component).is_none(), "{to}");
        }
    }

    #[test]
    fn what_is_made_otherwise_or_damaged_is_left_alone() {
        assert!(shortened(b"\0asm\x01\0\0\0").is_none());
        for damaged in damaged(&component()) {
            shortened(&damaged);
        }
    }
}
