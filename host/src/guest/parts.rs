//! The core modules, core instances and core functions of a component, by their indices. Knows the binary format, not what is done
//! with them.

use std::collections::BTreeMap;

use wasmparser::{
    CanonicalFunction, Chunk, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentTypeRef, Export, ExternalKind, Instance, Parser, Payload,
};

use super::own_imports::ImportName;

/// What a component consists of, as far as this is about.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub sections: Vec<Payload<'a>>,
    pub modules: Vec<&'a [u8]>,
    pub instances: Vec<Instance<'a>>,
    /// What is taken out of core instances, of whatever kind.
    pub aliases: Vec<(u32, ExternalKind, &'a str)>,
    pub functions: Vec<CoreFunction<'a>>,
}

pub(super) enum CoreFunction<'a> {
    /// Taken out of an instance.
    Alias {
        instance: u32,
        name: &'a str,
        /// How many core instances there are before it.
        instances: usize,
    },
    /// Made by the canonical ABI.
    Canonical,
}

impl<'a> Parts<'a> {
    /// `None` if it is damaged, or has core modules from elsewhere.
    pub fn read(component: &'a [u8]) -> Option<Self> {
        let mut parts = Self::default();
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
                    parts.modules.push(component.get(unchecked_range.clone())?);
                    rest = rest.get(unchecked_range.len()..)?;
                }
                Payload::ComponentSection {
                    unchecked_range, ..
                } => rest = rest.get(unchecked_range.len()..)?,
                Payload::InstanceSection(section) => {
                    for instance in section.clone() {
                        parts.instances.push(instance.ok()?);
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section.clone() {
                        parts.pass_alias(alias.ok()?)?;
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section.clone() {
                        if !matches!(function.ok()?, CanonicalFunction::Lift { .. }) {
                            parts.functions.push(CoreFunction::Canonical);
                        }
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
            parts.sections.push(payload);
        }
        Some(parts)
    }

    fn pass_alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index: instance,
                name,
            } => {
                self.aliases.push((instance, kind, name));
                if kind == ExternalKind::Func {
                    self.functions.push(CoreFunction::Alias {
                        instance,
                        name,
                        instances: self.instances.len(),
                    });
                }
            }
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
    pub fn only_instance_of(&self, module: u32) -> Option<(u32, Vec<(&'a str, u32)>)> {
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
    pub fn is_given_to_others(&self, given: u32) -> bool {
        self.instances.iter().any(|instance| match instance {
            Instance::Instantiate { args, .. } => args.iter().any(|arg| arg.index == given),
            Instance::FromExports(_) => false,
        })
    }

    /// What an instance exports as a function: the name of its export, where the function was taken out of this instance.
    fn taken_from(&self, instance: u32, export: &Export) -> Option<&'a str> {
        let index = usize::try_from(export.index).ok()?;
        match self.functions.get(index)? {
            CoreFunction::Alias {
                instance: from,
                name,
                ..
            } if export.kind == ExternalKind::Func && *from == instance => Some(name),
            _ => None,
        }
    }

    /// The imports of a module that come from the shim, and the shim's names for them.
    pub fn imports_from(
        &self,
        shim: u32,
        args: &[(&'a str, u32)],
    ) -> BTreeMap<ImportName<'a>, &'a str> {
        let mut found = BTreeMap::new();
        for (module, given) in args {
            let given = usize::try_from(*given).ok();
            if let Some(Instance::FromExports(exports)) =
                given.and_then(|given| self.instances.get(given))
            {
                for export in exports {
                    if let Some(name) = self.taken_from(shim, export) {
                        found.insert((*module, export.name), name);
                    }
                }
            }
        }
        found
    }
}
