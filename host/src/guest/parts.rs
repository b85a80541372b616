//! The core modules, core instances and core functions of a component, by their indices. Knows the binary format, not what is done
//! with them.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    CanonicalFunction, Chunk, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentTypeRef, Export, ExternalKind, Instance, Parser, Payload,
};

/// What a component consists of, as far as this is about.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub sections: Vec<Payload<'a>>,
    /// What the component imports.
    pub imports: BTreeSet<&'a str>,
    pub modules: Vec<&'a [u8]>,
    pub instances: Vec<Instance<'a>>,
    /// What is taken out of core instances.
    pub aliases: Vec<CoreAlias<'a>>,
    /// For each core function its place among these; none for what the canonical ABI makes.
    functions: Vec<Option<usize>>,
}

/// What is taken out of a core instance.
#[derive(Clone, Copy)]
pub(super) struct CoreAlias<'a> {
    pub instance: u32,
    pub kind: ExternalKind,
    pub name: &'a str,
    /// How many core instances there are before it.
    pub instances: usize,
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
                            parts.functions.push(None);
                        }
                    }
                }
                Payload::ComponentImportSection(section) => {
                    for import in section.clone() {
                        let import = import.ok()?;
                        if matches!(import.ty, ComponentTypeRef::Module(_)) {
                            return None;
                        }
                        parts.imports.insert(import.name.name);
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
                if kind == ExternalKind::Func {
                    self.functions.push(Some(self.aliases.len()));
                }
                self.aliases.push(CoreAlias {
                    instance,
                    kind,
                    name,
                    instances: self.instances.len(),
                });
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

    /// Which instance of which module there is, where a module has one only, and what it is given: names and instances.
    pub fn only_instances(&self) -> BTreeMap<u32, OnlyInstance<'a>> {
        let mut only = BTreeMap::new();
        let mut several = BTreeSet::new();
        for (index, instance) in (0..).zip(&self.instances) {
            if let Instance::Instantiate { module_index, args } = instance {
                let args = args.iter().map(|arg| (arg.name, arg.index)).collect();
                let before = only.insert(*module_index, OnlyInstance { index, args });
                several.extend(before.map(|_| *module_index));
            }
        }
        only.retain(|module, _| !several.contains(module));
        only
    }

    /// The core instances that are given to others as a whole.
    pub fn given(&self) -> BTreeSet<u32> {
        let instances = self.instances.iter();
        let args = instances.filter_map(|instance| match instance {
            Instance::Instantiate { args, .. } => Some(args.iter().map(|arg| arg.index)),
            Instance::FromExports(_) => None,
        });
        args.flatten().collect()
    }

    /// The functions of one instance that others export, each under a name: the names that they have in that instance.
    pub fn exported_from(&self, instance: u32) -> BTreeMap<(u32, &'a str), &'a str> {
        let mut found = BTreeMap::new();
        for (index, other) in (0..).zip(&self.instances) {
            if let Instance::FromExports(exports) = other {
                for export in exports {
                    if let Some(name) = self.taken_from(instance, export) {
                        found.insert((index, export.name), name);
                    }
                }
            }
        }
        found
    }

    /// The core functions in order: how each was taken out of an instance, if it was.
    pub fn functions(&self) -> impl Iterator<Item = Option<&CoreAlias<'a>>> {
        self.functions
            .iter()
            .map(|alias| self.aliases.get((*alias)?))
    }

    /// The name of a function in the instance that it was taken out of, if it is this one.
    fn taken_from(&self, instance: u32, export: &Export) -> Option<&'a str> {
        let alias = *self.functions.get(usize::try_from(export.index).ok()?)?;
        let alias = self.aliases.get(alias?)?;
        let is_its = export.kind == ExternalKind::Func && alias.instance == instance;
        is_its.then_some(alias.name)
    }
}

/// The only instance of a module.
#[derive(Debug)]
pub(super) struct OnlyInstance<'a> {
    pub index: u32,
    /// What it is given: names and instances.
    pub args: BTreeMap<&'a str, u32>,
}

/// Every way in which bytes can be cut short or have one bit wrong.
#[cfg(test)]
pub(super) fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).flat_map(move |place| {
        let flipped = move |bit| {
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 1_u8 << bit;
            damaged
        };
        std::iter::once(bytes[..place].to_vec()).chain((0..8).map(flipped))
    })
}
