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
use super::shortcut::DATA_RECEIVED_CORE;
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
const OFTEN_CALLED: [OftenCalled; 3] = [
    OftenCalled {
        interface: "connection-handler",
        name: DATA_RECEIVED_CORE,
        parameters: 2,
        import: None,
    },
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

/// What a core instance exports, by its index and the export's name.
type CoreExport<'a> = (u32, &'a str);

/// What core instances export that stands in, by way of a shim, for other core functions, and which these are. `None` if there is no
/// shim.
pub(super) fn shimmed<'a>(parts: &Parts<'a>) -> Option<BTreeMap<CoreExport<'a>, u32>> {
    let rewiring = Rewiring::with_shim(parts, &parts.only_instances())?;
    let given = usize::try_from(rewiring.given_instance).ok()?;
    let Instance::FromExports(given) = parts.instances.get(given)? else {
        return None;
    };
    let given = given.iter();
    let given = given.filter(|export| export.kind == ExternalKind::Func);
    let given: BTreeMap<_, _> = given.map(|export| (export.name, export.index)).collect();
    let from_shim = parts.exported_from(rewiring.shim_instance).into_iter();
    let shimmed = from_shim.filter_map(|(export, place)| Some((export, *given.get(place)?)));
    Some(shimmed.collect())
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
        let instances = parts.only_instances();
        let given = parts.given();
        let mut rewiring = Self::with_shim(parts, &instances)?;
        if given.contains(&rewiring.shim_instance) {
            return None;
        }
        rewiring.find_users(parts, &instances, &given);
        rewiring.find_handlers(parts);
        Some(rewiring)
    }

    /// One that knows the shim and its fixup.
    fn with_shim(parts: &Parts, instances: &BTreeMap<u32, OnlyInstance>) -> Option<Self> {
        let modules = || (0..).zip(&parts.modules);
        let (shim_module, shim) =
            modules().find_map(|(index, module)| Some((index, Shim::read(module)?)))?;
        let (fixup_module, _) = modules().find(|(_, module)| shim.is_fixed_by(module))?;
        let shim_instance = instances.get(&shim_module)?.index;
        let fixup = instances.get(&fixup_module)?;
        let given_instance = *fixup.args.get("")?;
        let tables = parts.aliases.iter();
        let tables = tables.filter(|alias| alias.kind == ExternalKind::Table);
        if !tables
            .map(|table| (table.instance, table.name))
            .eq([(shim_instance, TABLE)])
        {
            return None;
        }
        Some(Self {
            shim,
            shim_module,
            shim_instance,
            fixup_module,
            fixup_instance: fixup.index,
            given_instance,
            users: BTreeMap::new(),
            main_instance: None,
            handlers: Vec::new(),
        })
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
pub(super) mod tests;
