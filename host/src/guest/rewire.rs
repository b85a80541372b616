//! Rewires a component's core instances, so that an instance of it is smaller and its handlers cost less to call; a change that
//! the component cannot notice. Knows the binary format, neither engines nor instances.
//!
//! Toolchains make a component of a core module by way of the same tool, wit-component. Part of what the main module imports needs
//! that module's own memory, which is there only when the module is. So another module, the *shim*, stands in for these imports with
//! functions that call through a table, and a third one, the *fixup*, fills that table when the memory is there.
//!
//! - Whatever imports from the shim calls through globals of its own instead (`own_imports.rs`), and there is no shim. A table takes
//!   a page of memory for each instance, however short it is, and an instance some 400 bytes; a call has one step less.
//! - Whatever imports from the shim calls without a table if its own never changes (`static_table.rs`). That table would take a page as
//!   soon as anything is called through it, 32 bytes for each function that it has, and a system call when the instance ends.
//! - The fixup imports the handlers that run most and exports them again. At each call wasmtime looks a lifted function's core
//!   function up anew: one that its core instance *defines* is searched for in the tables of its module's code, some 700
//!   instructions and, with many instances, a dozen cache lines that nothing else touches; one that its core instance *imports* is
//!   read from that instance. There is no further step at run time: what it hands on is the pointer to the function itself.
//!
//! What is not made exactly so stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils as utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ExportKind, InstanceSection,
    ModuleArg, ModuleSection, RawSection,
};
use wasmparser::{ComponentAlias, ExternalKind, Instance, Payload};

use super::contract::qualified;
use super::own_imports::{ImportName, with_own_imports};
use super::parts::{OnlyInstance, Parts};
use super::shim::{Handler, MAIN, Shim, TABLE};
use super::static_table::without_table;

/// A handler that runs often.
struct OftenCalled {
    interface: &'static str,
    name: &'static str,
    /// How many its core function has.
    parameters: usize,
    /// Which interface a guest has to import if the handler is ever to run.
    import: Option<&'static str>,
}

/// Handing one on takes some 400 instructions for each instance, whether it is called or not.
const OFTEN_CALLED: [OftenCalled; 2] = [
    OftenCalled {
        interface: "connection-handler",
        name: "data-received",
        parameters: 3,
        import: None,
    },
    OftenCalled {
        interface: "timer-handler",
        name: "timer-fired",
        parameters: 1,
        import: Some("timers"),
    },
];

/// The component, rewired. `None` if it is made otherwise, or damaged.
pub(super) fn rewired(component: &[u8]) -> Option<Vec<u8>> {
    let parts = Parts::read(component)?;
    Rewiring::of(&parts)?.write(component, &parts)
}

/// A module that imports from the shim.
#[derive(Debug)]
struct User {
    instance: u32,
    /// The module, with imports of its own.
    rewired: Vec<u8>,
    /// Which of the shim's functions these are, in order.
    places: Vec<usize>,
}

/// Which parts of a component have which parts to play, by their indices.
#[derive(Debug)]
struct Rewiring {
    shim: Shim,
    shim_module: u32,
    shim_instance: u32,
    fixup_module: u32,
    fixup_instance: u32,
    /// What the fixup is given.
    given_instance: u32,
    /// By their modules.
    users: BTreeMap<u32, User>,
    /// What exports the handlers that are handed on.
    main_instance: Option<u32>,
    handlers: Vec<Handler>,
}

impl Rewiring {
    fn of(parts: &Parts) -> Option<Self> {
        let modules = || (0..).zip(&parts.modules);
        let (shim_module, shim) =
            modules().find_map(|(index, module)| Some((index, Shim::read(module)?)))?;
        let (fixup_module, _) = modules().find(|(_, module)| shim.is_fixed_by(module))?;
        let instances = parts.only_instances();
        let shim_instance = instances.get(&shim_module)?.index;
        let fixup = instances.get(&fixup_module)?;
        let given_instance = *fixup.args.get("")?;
        let given = parts.given();
        let tables = parts.aliases.iter();
        let tables = tables.filter(|alias| alias.kind == ExternalKind::Table);
        if !tables
            .map(|table| (table.instance, table.name))
            .eq([(shim_instance, TABLE)])
            || given.contains(&shim_instance)
        {
            return None;
        }
        let mut rewiring = Self {
            shim,
            shim_module,
            shim_instance,
            fixup_module,
            fixup_instance: fixup.index,
            given_instance,
            users: BTreeMap::new(),
            main_instance: None,
            handlers: Vec::new(),
        };
        rewiring.find_users(parts, &instances, &given);
        rewiring.find_handlers(parts);
        Some(rewiring)
    }

    /// Those that are there before the fixup, and can be rewired.
    fn find_users(
        &mut self,
        parts: &Parts,
        instances: &BTreeMap<u32, OnlyInstance>,
        given: &BTreeSet<u32>,
    ) {
        let from_shim = parts.exported_from(self.shim_instance);
        let taken = parts.aliases.iter();
        let taken: BTreeSet<_> = taken.map(|alias| (alias.instance, alias.name)).collect();
        for (&module, OnlyInstance { index, args }) in instances {
            let is_taken = |name: &str| given.contains(index) || taken.contains(&(*index, name));
            let place_of = |(module, name): ImportName| {
                let instance = args.get(module)?;
                from_shim.get(&(*instance, name))?.parse().ok()
            };
            let bytes = usize::try_from(module).ok();
            let bytes = bytes.and_then(|module| parts.modules.get(module));
            if ![self.shim_module, self.fixup_module].contains(&module)
                && *index < self.fixup_instance
                && let Some(bytes) = bytes
                && let without_table = without_table(bytes)
                && let bytes = without_table.as_deref().unwrap_or(bytes)
                && let Some(own) = with_own_imports(bytes, place_of, is_taken)
            {
                let user = User {
                    instance: *index,
                    rewired: own.module,
                    places: own.places,
                };
                self.users.insert(module, user);
            }
        }
    }

    /// Those that the fixup can hand on: of one instance, which is there before it, and lifted behind it.
    fn find_handlers(&mut self, parts: &Parts) {
        for often in OFTEN_CALLED {
            let never_runs = |import| !parts.imports.contains(qualified(import).as_str());
            if often.import.is_some_and(never_runs) {
                continue;
            }
            let handler = format!("{}#{}", qualified(often.interface), often.name);
            let mut functions = parts.functions().flatten();
            let Some(found) = functions.find(|alias| alias.name == handler) else {
                continue;
            };
            let main = self.main_instance.unwrap_or(found.instance);
            let is_behind =
                usize::try_from(self.fixup_instance).is_ok_and(|fixup| fixup < found.instances);
            if found.instance == main && main < self.fixup_instance && is_behind {
                self.main_instance = Some(main);
                self.handlers.push(Handler {
                    name: handler,
                    parameters: often.parameters,
                });
            }
        }
    }

    fn write(&self, component: &[u8], parts: &Parts) -> Option<Vec<u8>> {
        let mut rewired = Component::new();
        let mut renumbered = self.renumbered(parts);
        let mut modules = 0;
        let mut instances = 0;
        for section in &parts.sections {
            match section {
                Payload::ModuleSection { .. } => {
                    self.write_module(&mut rewired, modules, parts)?;
                    modules += 1;
                }
                Payload::InstanceSection(section) => {
                    let mut section_rewired = InstanceSection::new();
                    for instance in section.clone() {
                        let instance = instance.ok()?;
                        if instances != self.shim_instance {
                            let written = &mut section_rewired;
                            self.write_instance(written, &mut renumbered, instances, instance)?;
                        }
                        instances += 1;
                    }
                    rewired.section(&section_rewired);
                }
                Payload::ComponentAliasSection(section) => {
                    let mut section_rewired = ComponentAliasSection::new();
                    for alias in section.clone() {
                        self.write_alias(&mut section_rewired, &mut renumbered, alias.ok()?)?;
                    }
                    rewired.section(&section_rewired);
                }
                Payload::ComponentCanonicalSection(section) => {
                    let mut functions = CanonicalFunctionSection::new();
                    utils::parse_component_canonical_section(
                        &mut renumbered,
                        &mut functions,
                        section.clone(),
                    )
                    .ok()?;
                    rewired.section(&functions);
                }
                // Its indices are no longer right.
                Payload::CustomSection(section) if section.name() == "component-name" => {}
                other => {
                    let (id, range) = other.as_section()?;
                    let data = component.get(range)?;
                    rewired.section(&RawSection { id, data });
                }
            }
        }
        Some(rewired.finish())
    }

    fn renumbered(&self, parts: &Parts) -> Renumbered {
        let mut next = 0..;
        let functions = parts.functions().map(|alias| match alias {
            Some(alias) if alias.instance == self.shim_instance => None,
            _ => next.next(),
        });
        Renumbered {
            module_gone: self.shim_module,
            instance_gone: self.shim_instance,
            functions: functions.collect(),
        }
    }

    fn write_module(&self, rewired: &mut Component, index: u32, parts: &Parts) -> Option<()> {
        if index == self.fixup_module {
            let places = self.users.values().map(|user| user.places.as_slice());
            rewired.section(&ModuleSection(&self.shim.fixup(places, &self.handlers)?));
        } else if index != self.shim_module {
            let user = self.users.get(&index);
            let module = parts.modules.get(usize::try_from(index).ok()?)?;
            rewired.section(&RawSection {
                id: wasm_encoder::ComponentSectionId::CoreModule.into(),
                data: user.map_or(*module, |user| &user.rewired),
            });
        }
        Some(())
    }

    fn write_instance(
        &self,
        section: &mut InstanceSection,
        renumbered: &mut Renumbered,
        index: u32,
        instance: Instance,
    ) -> Option<()> {
        match instance {
            Instance::FromExports(exports) => {
                let mut kept = Vec::new();
                for export in exports {
                    // Nobody is given the table, or imports what came from the shim.
                    let is_gone = match export.kind {
                        ExternalKind::Table => true,
                        ExternalKind::Func => renumbered.is_gone(export.index),
                        _ => false,
                    };
                    if !is_gone {
                        let place = renumbered.external_index(export.kind, export.index).ok()?;
                        kept.push((export.name, export.kind.into(), place));
                    }
                }
                section.export_items(kept);
            }
            Instance::Instantiate { module_index, .. } if index == self.fixup_instance => {
                let given = std::iter::once((String::new(), self.given_instance));
                let users = self.users.values().enumerate();
                let users = users.map(|(number, user)| (number.to_string(), user.instance));
                let main = self.main_instance.map(|main| (MAIN.to_owned(), main));
                let args = given.chain(users).chain(main);
                let args: Vec<_> = args
                    .map(|(name, instance)| {
                        let instance = renumbered.instance_index(instance);
                        (name, ModuleArg::Instance(instance))
                    })
                    .collect();
                let args = args.iter().map(|(name, arg)| (name.as_str(), *arg));
                section.instantiate(renumbered.module_index(module_index), args);
            }
            other => utils::parse_instance(renumbered, section, other).ok()?,
        }
        Some(())
    }

    fn write_alias(
        &self,
        section: &mut ComponentAliasSection,
        renumbered: &mut Renumbered,
        alias: ComponentAlias,
    ) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport { instance_index, .. }
                if instance_index == self.shim_instance => {}
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func,
                instance_index,
                name,
            } if self.main_instance == Some(instance_index)
                && self.handlers.iter().any(|handler| handler.name == name) =>
            {
                section.alias(Alias::CoreInstanceExport {
                    instance: renumbered.instance_index(self.fixup_instance),
                    kind: ExportKind::Func,
                    name,
                });
            }
            other => {
                section.alias(utils::component_alias(renumbered, other).ok()?);
            }
        }
        Some(())
    }
}

/// The indices of a component without its shim.
struct Renumbered {
    module_gone: u32,
    instance_gone: u32,
    /// Of each core function; those that came from the shim are gone.
    functions: Vec<Option<u32>>,
}

impl Renumbered {
    fn function(&self, function: u32) -> Option<u32> {
        *self.functions.get(usize::try_from(function).ok()?)?
    }

    fn is_gone(&self, function: u32) -> bool {
        self.function(function).is_none()
    }
}

/// Something else than an import has to do with a function of the shim's.
#[derive(Debug)]
struct Gone;

impl Reencode for Renumbered {
    type Error = Gone;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Gone>> {
        self.function(function).ok_or(Error::UserError(Gone))
    }
}

impl ReencodeComponent for Renumbered {
    fn module_index(&mut self, module: u32) -> u32 {
        module - u32::from(module > self.module_gone)
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance - u32::from(instance > self.instance_gone)
    }
}

#[cfg(test)]
mod tests {
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

    fn component() -> Vec<u8> {
        componentize::component(&wat::parse_str(MODULE).unwrap(), None).unwrap()
    }

    /// What a component does with data, and when a timer fires.
    fn calls(bytes: &[u8]) -> Vec<String> {
        let engine = Engine::new(&Config::new()).unwrap();
        let component = Component::from_binary(&engine, bytes).unwrap();
        let mut store = Store::new(&engine, Vec::new());
        let mut linker = Linker::new(&engine);
        type Calls<'a> = StoreContextMut<'a, Vec<String>>;
        let mut transport = linker.instance("wisted:reactor/transport@0.1.0").unwrap();
        transport
            .func_wrap(
                "write",
                |mut store: Calls, (number, data): (u32, Vec<u8>)| {
                    store.data_mut().push(format!("write {number} {data:?}"));
                    Ok(())
                },
            )
            .unwrap();
        transport
            .func_wrap("lose-connection", |mut store: Calls, (number,): (u32,)| {
                store.data_mut().push(format!("lose {number}"));
                Ok(())
            })
            .unwrap();
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let instance = linker.instantiate(&mut store, &component).unwrap();
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
        store.into_data()
    }

    #[test]
    fn a_rewired_component_does_what_it_did() {
        let bytes = component();
        let expected = [
            "write 7 [97, 98]",
            "write 8 []",
            "write 9 [116, 105, 99, 107]",
            "lose 9",
        ];
        assert_eq!(calls(&bytes), expected);
        assert_eq!(calls(&rewired(&bytes).unwrap()), expected);
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
}
