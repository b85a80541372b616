//! Makes a component's `data-received` cheaper to call, by a change that the component cannot notice. Knows the binary format,
//! neither engines nor instances.
//!
//! At each call wasmtime looks a lifted function's core function up anew. One that its core instance *defines* is searched for
//! in the tables of its module's code, some 700 instructions and, with many instances, a dozen cache lines that nothing else
//! touches; one that its core instance *imports* is read from that instance. So a core instance is put between, the relay, which
//! imports the function and exports it again. There is no further step at run time: what it hands on is the pointer to the
//! function itself.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils as utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, EntityType, ExportKind,
    ExportSection, ImportSection, InstanceSection, Module, ModuleArg, ModuleSection, RawSection,
    TypeSection, ValType,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentTypeRef, ExternalKind, Parser, Payload,
};

use super::contract::qualified;

/// The handler's parameters: the connection, where the data is and how long it is.
const PARAMETERS: [ValType; 3] = [ValType::I32; 3];

/// The component with a relay. `None` if it has no such handler, or something that the change does not provide for.
pub(super) fn relayed(component: &[u8]) -> Option<Vec<u8>> {
    let mut relaying = Relaying(Plan::find(component).ok().flatten()?);
    let mut relayed = Component::new();
    relaying
        .parse_component(&mut relayed, Parser::new(0), component)
        .ok()?;
    Some(relayed.finish())
}

/// Where the relay goes: before the section that lifts the handler. Indices are counted from the component's beginning, so
/// those of what is defined later move up.
#[derive(Debug, Default)]
struct Plan {
    /// The handler's core function, as the canonical ABI's tools name it.
    name: String,
    /// Its index.
    handler: Option<u32>,
    /// The section's offset in the component.
    before: Option<usize>,
    /// How many of each are defined before it.
    modules: u32,
    core_instances: u32,
    core_functions: u32,
}

impl Plan {
    fn find(component: &[u8]) -> wasmparser::Result<Option<Self>> {
        let mut plan = Self {
            name: format!("{}#data-received", qualified("connection-handler")),
            ..Self::default()
        };
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload?;
            match &payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                }
                | Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    if unchecked_range.end > component.len() {
                        return Ok(None);
                    }
                    let counts = depth == 0 && plan.before.is_none();
                    let is_module = matches!(payload, Payload::ModuleSection { .. });
                    plan.modules += u32::from(counts && is_module);
                    depth += 1;
                }
                Payload::End(_) => depth -= 1,
                // What is nested is copied as it is.
                Payload::ComponentAliasSection(section) if depth > 0 => {
                    for alias in section.clone() {
                        if is_outer_module(&alias?) {
                            return Ok(None);
                        }
                    }
                }
                _ if depth == 0 && plan.before.is_none() => plan.pass(payload)?,
                _ => {}
            }
        }
        Ok(plan.before.is_some().then_some(plan))
    }

    /// Counts what a section defines, unless it is the one that lifts a handler.
    fn pass(&mut self, payload: Payload) -> wasmparser::Result<()> {
        match payload {
            Payload::InstanceSection(section) => self.core_instances += section.count(),
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let is_module = matches!(import?.ty, ComponentTypeRef::Module(_));
                    self.modules += u32::from(is_module);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let is_module = export?.kind == ComponentExternalKind::Module;
                    self.modules += u32::from(is_module);
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.pass_alias(&alias?);
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                let start = section.range().start;
                let mut functions = 0;
                for function in section {
                    match function? {
                        CanonicalFunction::Lift {
                            core_func_index, ..
                        } if self.handler == Some(core_func_index) => {
                            self.before = Some(start);
                            return Ok(());
                        }
                        CanonicalFunction::Lift { .. } => {}
                        _ => functions += 1,
                    }
                }
                self.core_functions += functions;
            }
            _ => {}
        }
        Ok(())
    }

    fn pass_alias(&mut self, alias: &ComponentAlias) {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func,
                name,
                ..
            } => {
                if *name == self.name {
                    self.handler = Some(self.core_functions);
                }
                self.core_functions += 1;
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            } => self.modules += 1,
            alias => self.modules += u32::from(is_outer_module(alias)),
        }
    }

    /// The handler as the only export of a core instance, the relay's instance over it, and what that exports.
    fn add_to(&self, component: &mut Component, handler: u32) {
        let mut types = TypeSection::new();
        types.ty().function(PARAMETERS, []);
        let mut imports = ImportSection::new();
        imports.import("", "", EntityType::Function(0));
        let mut exports = ExportSection::new();
        exports.export("", ExportKind::Func, 0);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&exports);

        let mut instances = InstanceSection::new();
        instances.export_items([("", ExportKind::Func, handler)]);
        instances.instantiate(
            self.modules,
            [("", ModuleArg::Instance(self.core_instances))],
        );
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport {
            instance: self.core_instances + 1,
            kind: ExportKind::Func,
            name: "",
        });
        component
            .section(&ModuleSection(&module))
            .section(&instances)
            .section(&aliases);
    }
}

fn is_outer_module(alias: &ComponentAlias) -> bool {
    let ComponentAlias::Outer { kind, .. } = alias else {
        return false;
    };
    *kind == ComponentOuterAliasKind::CoreModule
}

/// Writes the component anew, with the relay in its place.
struct Relaying(Plan);

impl Reencode for Relaying {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(function + u32::from(function >= self.0.core_functions))
    }
}

impl ReencodeComponent for Relaying {
    fn module_index(&mut self, module: u32) -> u32 {
        module + u32::from(module >= self.0.modules)
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance + 2 * u32::from(instance >= self.0.core_instances)
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), Error> {
        match &payload {
            Payload::ComponentCanonicalSection(section) => {
                if self.0.before == Some(section.range().start)
                    && let Some(handler) = self.0.handler
                {
                    self.0.add_to(component, handler);
                }
            }
            // Those that name what may move up.
            Payload::Version { .. }
            | Payload::InstanceSection(_)
            | Payload::ComponentAliasSection(_)
            | Payload::ComponentInstanceSection(_)
            | Payload::ComponentExportSection(_)
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    let data = &whole[range];
                    component.section(&RawSection { id, data });
                }
                return Ok(());
            }
        }
        utils::parse_component_payload(self, component, payload, whole)
    }

    fn parse_component_canonical(
        &mut self,
        section: &mut CanonicalFunctionSection,
        function: CanonicalFunction,
    ) -> Result<(), Error> {
        if let CanonicalFunction::Lift {
            core_func_index,
            type_index,
            options,
        } = &function
            && self.0.handler == Some(*core_func_index)
        {
            let options = options.iter().map(|option| self.canonical_option(*option));
            let options = options.collect::<Result<Vec<_>, _>>()?;
            section.lift(self.0.core_functions, *type_index, options);
            return Ok(());
        }
        utils::parse_component_canonical(self, section, function)
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};
    use wasmtime::{Engine, Store};

    use super::*;

    /// Before and behind the lift of `data-received` is one of everything that moves up.
    const COMPONENT: &str = r#"(component
        (core module $main
            (memory (export "memory") 1)
            (global $sum (mut i32) (i32.const 0))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            (func (export "wisted:reactor/connection-handler@0.1.0#data-received") (param i32 i32 i32)
                (global.set $sum (i32.add (local.get 0) (i32.load8_u (local.get 1)))))
            (func (export "sum") (result i32) global.get $sum))
        (core module $other (func (export "five") (result i32) i32.const 5))
        (core instance $main (instantiate $main))
        (alias core export $main "wisted:reactor/connection-handler@0.1.0#data-received" (core func $data))
        (alias core export $main "realloc" (core func $realloc))
        (func $received (param "connection" u32) (param "data" (list u8))
            (canon lift (core func $data) (memory (core memory $main "memory")) (realloc (core func $realloc))))
        (core module $later (import "" "five" (func (result i32)))
            (func (export "six") (result i32) (i32.add (call 0) (i32.const 1))))
        (core instance $other (instantiate $other))
        (core instance $later (instantiate $later (with "" (instance $other))))
        (func $sum (result u32) (canon lift (core func $main "sum")))
        (func $six (result u32) (canon lift (core func $later "six")))
        (export "received" (func $received)) (export "sum" (func $sum)) (export "six" (func $six)))"#;

    fn answers(engine: &Engine, component: &Component) -> (u32, u32) {
        let mut store = Store::new(engine, ());
        let linker = Linker::new(engine);
        let instance = linker.instantiate(&mut store, component).unwrap();
        let received = instance
            .get_typed_func::<(u32, &[u8]), ()>(&mut store, "received")
            .unwrap();
        received.call(&mut store, (1000, &[7, 8])).unwrap();
        let mut answer = |name: &str| {
            let function = instance.get_typed_func::<(), (u32,)>(&mut store, name);
            function.unwrap().call(&mut store, ()).unwrap().0
        };
        (answer("sum"), answer("six"))
    }

    #[test]
    fn a_component_with_a_relay_does_what_it_did() {
        let engine = Engine::default();
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let relayed = relayed(&bytes).unwrap();
        for bytes in [&bytes, &relayed] {
            let component = Component::new(&engine, bytes).unwrap();
            assert_eq!(answers(&engine, &component), (1007, 6));
        }
        let plan = Plan::find(&bytes).unwrap().unwrap();
        assert_eq!(plan.handler, Some(0));
        assert_eq!((plan.modules, plan.core_instances), (2, 1));
        assert!(Plan::find(&relayed).unwrap().is_none());
    }

    #[test]
    fn what_is_built_otherwise_is_left_alone() {
        let changed = |from: &str, to: &str| {
            let text = COMPONENT.replace(from, to);
            assert_ne!(text, COMPONENT);
            relayed(&wat::parse_str(text).unwrap())
        };
        assert!(changed("connection-handler@0.1.0#data", "other#data").is_none());
        let nested = "(component (alias outer 1 $other (core module))) (core module $later";
        assert!(changed("(core module $later", nested).is_none());
        let bytes = wat::parse_str(COMPONENT).unwrap();
        for place in 0..bytes.len() {
            relayed(&bytes[..place]);
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                relayed(&damaged);
            }
        }
        assert!(relayed(b"\0asm\x01\0\0\0").is_none());
    }
}
