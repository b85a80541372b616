//! Rewires a component's core instances, so that an instance of it is smaller and its handlers cost less to call; a change that
//! the component cannot notice. Knows the binary format, neither engines nor instances.
//!
//! Toolchains make a component of a core module by way of the same tool, wit-component. Part of what the main module imports needs
//! that module's own memory, which is there only when the module is. So another module, the *shim*, stands in for these imports with
//! functions that call through a table, and a third one, the *fixup*, fills that table when the memory is there.
//!
//! - The shim gets globals instead of the table. A table takes a page of memory for each instance, however short it is; globals lie
//!   in what the instance takes anyway, and to call through one is less work.
//! - The fixup imports the handlers that run most and exports them again. At each call wasmtime looks a lifted function's core
//!   function up anew: one that its core instance *defines* is searched for in the tables of its module's code, some 700
//!   instructions and, with many instances, a dozen cache lines that nothing else touches; one that its core instance *imports* is
//!   read from that instance. There is no further step at run time: what it hands on is the pointer to the function itself.
//!
//! What is not made exactly so stays as it is. No index changes: the table has none behind it.

use wasm_encoder::reencode::{RoundtripReencoder, component_utils as utils};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ExportKind, InstanceSection, ModuleArg, ModuleSection,
    RawSection,
};
use wasmparser::{
    Chunk, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentTypeRef,
    ExternalKind, Instance, Parser, Payload,
};

use super::contract::qualified;
use super::shim::{Handler, MAIN, SHIM, Shim, TABLE};

/// The handlers that run most: interface, name, and how many parameters their core functions have.
const OFTEN_CALLED: [(&str, &str, usize); 2] = [
    ("connection-handler", "data-received", 3),
    ("timer-handler", "timer-fired", 1),
];

/// The component, rewired. `None` if it is made otherwise, or damaged.
pub(super) fn rewired(component: &[u8]) -> Option<Vec<u8>> {
    let contents = Contents::read(component)?;
    Rewiring::of(&contents)?.write(component, &contents)
}

/// What a component consists of, as far as this is about.
#[derive(Default)]
struct Contents<'a> {
    sections: Vec<Payload<'a>>,
    modules: Vec<&'a [u8]>,
    instances: Vec<Instance<'a>>,
    /// The core tables, each from an instance by a name.
    tables: Vec<(u32, &'a str)>,
    functions: Vec<AliasedFunction<'a>>,
}

/// A core function by which something is lifted.
struct AliasedFunction<'a> {
    instance: u32,
    name: &'a str,
    /// How many core instances there are before it.
    instances: usize,
}

impl<'a> Contents<'a> {
    /// `None` if it is damaged, or has core modules from elsewhere.
    fn read(component: &'a [u8]) -> Option<Self> {
        let mut contents = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = component;
        while !rest.is_empty() {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
                return None;
            };
            rest = rest.get(consumed..)?;
            match &payload {
                Payload::Version { .. } | Payload::End(_) => continue,
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    contents
                        .modules
                        .push(component.get(unchecked_range.clone())?);
                    rest = rest.get(unchecked_range.len()..)?;
                }
                Payload::ComponentSection {
                    unchecked_range, ..
                } => rest = rest.get(unchecked_range.len()..)?,
                Payload::InstanceSection(section) => {
                    for instance in section.clone() {
                        contents.instances.push(instance.ok()?);
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section.clone() {
                        contents.pass_alias(alias.ok()?)?;
                    }
                }
                Payload::ComponentImportSection(section) => {
                    for import in section.clone() {
                        if matches!(import.ok()?.ty, ComponentTypeRef::Module(_)) {
                            return None;
                        }
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section.clone() {
                        if export.ok()?.kind == ComponentExternalKind::Module {
                            return None;
                        }
                    }
                }
                _ => {}
            }
            contents.sections.push(payload);
        }
        Some(contents)
    }

    fn pass_alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Table,
                instance_index,
                name,
            } => self.tables.push((instance_index, name)),
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func,
                instance_index: instance,
                name,
            } => self.functions.push(AliasedFunction {
                instance,
                name,
                instances: self.instances.len(),
            }),
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            }
            | ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::CoreModule,
                ..
            } => return None,
            _ => {}
        }
        Some(())
    }

    /// The only instance of a module, and what it is given: names and instances.
    fn only_instance_of(&self, module: u32) -> Option<(u32, Vec<(&'a str, u32)>)> {
        let mut found = None;
        for (index, instance) in (0..).zip(&self.instances) {
            if let Instance::Instantiate { module_index, args } = instance
                && *module_index == module
            {
                let args = args.iter().map(|arg| (arg.name, arg.index)).collect();
                if found.replace((index, args)).is_some() {
                    return None;
                }
            }
        }
        found
    }

    /// Whether a core instance as a whole is given to others, not only what it exports.
    fn is_given_to_others(&self, given: u32) -> bool {
        self.instances.iter().any(|instance| match instance {
            Instance::Instantiate { args, .. } => args.iter().any(|arg| arg.index == given),
            Instance::FromExports(_) => false,
        })
    }
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
    /// What exports the handlers that are handed on.
    main_instance: Option<u32>,
    handlers: Vec<Handler>,
}

impl Rewiring {
    fn of(contents: &Contents) -> Option<Self> {
        let modules = || (0..).zip(&contents.modules);
        let (shim_module, shim) =
            modules().find_map(|(index, module)| Some((index, Shim::read(module)?)))?;
        let (fixup_module, _) = modules().find(|(_, module)| shim.is_fixed_by(module))?;
        let (shim_instance, _) = contents.only_instance_of(shim_module)?;
        let (fixup_instance, given) = contents.only_instance_of(fixup_module)?;
        let [("", given_instance)] = *given else {
            return None;
        };
        if contents.tables != [(shim_instance, TABLE)] || contents.is_given_to_others(shim_instance)
        {
            return None;
        }
        let mut rewiring = Self {
            shim,
            shim_module,
            shim_instance,
            fixup_module,
            fixup_instance,
            given_instance,
            main_instance: None,
            handlers: Vec::new(),
        };
        rewiring.find_handlers(contents);
        Some(rewiring)
    }

    /// Those that the fixup can hand on: of one instance, which is there before it, and lifted behind it.
    fn find_handlers(&mut self, contents: &Contents) {
        for (interface, name, parameters) in OFTEN_CALLED {
            let name = format!("{}#{name}", qualified(interface));
            let is_its = |function: &&AliasedFunction| function.name == name;
            let Some(function) = contents.functions.iter().find(is_its) else {
                continue;
            };
            let main = self.main_instance.unwrap_or(function.instance);
            let is_behind =
                usize::try_from(self.fixup_instance).is_ok_and(|fixup| fixup < function.instances);
            if function.instance == main && main < self.fixup_instance && is_behind {
                self.main_instance = Some(main);
                self.handlers.push(Handler { name, parameters });
            }
        }
    }

    fn write(&self, component: &[u8], contents: &Contents) -> Option<Vec<u8>> {
        let mut rewired = Component::new();
        let mut modules = 0;
        let mut instances = 0;
        for section in &contents.sections {
            match section {
                Payload::ModuleSection { .. } if modules == self.shim_module => {
                    rewired.section(&ModuleSection(&self.shim.with_globals()?));
                }
                Payload::ModuleSection { .. } if modules == self.fixup_module => {
                    rewired.section(&ModuleSection(&self.shim.fixup(&self.handlers)));
                }
                Payload::InstanceSection(section) => {
                    let mut section_rewired = InstanceSection::new();
                    for instance in section.clone() {
                        self.write_instance(&mut section_rewired, instances, instance.ok()?)?;
                        instances += 1;
                    }
                    rewired.section(&section_rewired);
                }
                Payload::ComponentAliasSection(section) => {
                    let mut section_rewired = ComponentAliasSection::new();
                    for alias in section.clone() {
                        self.write_alias(&mut section_rewired, alias.ok()?)?;
                    }
                    rewired.section(&section_rewired);
                }
                other => {
                    let (id, range) = other.as_section()?;
                    let data = component.get(range)?;
                    rewired.section(&RawSection { id, data });
                }
            }
            modules += u32::from(matches!(section, Payload::ModuleSection { .. }));
        }
        Some(rewired.finish())
    }

    fn write_instance(
        &self,
        section: &mut InstanceSection,
        index: u32,
        instance: Instance,
    ) -> Option<()> {
        match instance {
            Instance::FromExports(exports) if index == self.given_instance => {
                let exports = exports.into_iter().filter(|export| export.name != TABLE);
                let exports: Vec<_> = exports
                    .map(|export| (export.name, export.kind.into(), export.index))
                    .collect();
                section.export_items(exports);
            }
            Instance::Instantiate { module_index, .. } if index == self.fixup_instance => {
                let given = [("", self.given_instance), (SHIM, self.shim_instance)];
                let main = self.main_instance.map(|main| (MAIN, main));
                let args = given.into_iter().chain(main);
                let args = args.map(|(name, index)| (name, ModuleArg::Instance(index)));
                section.instantiate(module_index, args.collect::<Vec<_>>());
            }
            other => utils::parse_instance(&mut RoundtripReencoder, section, other).ok()?,
        }
        Some(())
    }

    fn write_alias(
        &self,
        section: &mut ComponentAliasSection,
        alias: ComponentAlias,
    ) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Table,
                ..
            } => {}
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func,
                instance_index,
                name,
            } if self.main_instance == Some(instance_index)
                && self.handlers.iter().any(|handler| handler.name == name) =>
            {
                section.alias(Alias::CoreInstanceExport {
                    instance: self.fixup_instance,
                    kind: ExportKind::Func,
                    name,
                });
            }
            other => {
                section.alias(utils::component_alias(&mut RoundtripReencoder, other).ok()?);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};
    use wasmtime::{Config, Engine, Store, StoreContextMut};

    use super::*;
    use crate::build::componentize;

    /// Writes what it receives, and four bytes on a timer.
    const MODULE: &str = r#"(module
        (import "wisted:reactor/transport@0.1.0" "write" (func $write (param i32 i32 i32)))
        (import "wisted:reactor/transport@0.1.0" "lose-connection" (func $lose (param i32)))
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
        let rewiring = Rewiring::of(&Contents::read(&bytes).unwrap()).unwrap();
        let rewired_bytes = rewired(&bytes).unwrap();
        let contents = Contents::read(&rewired_bytes).unwrap();
        assert!(contents.tables.is_empty());
        let handed_on = contents.functions.iter();
        let handed_on = handed_on.filter(|function| function.instance == rewiring.fixup_instance);
        let names: Vec<_> = handed_on.map(|function| function.name).collect();
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
        for place in 0..bytes.len() {
            rewired(&bytes[..place]);
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                rewired(&damaged);
            }
        }
    }
}
