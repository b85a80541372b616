//! The core modules, core instances and core functions of a component, by their indices. Knows the binary format, not what is done
//! with them.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    CanonicalFunction, CanonicalOption, Chunk, ComponentAlias, ComponentExternalKind,
    ComponentOuterAliasKind, ComponentTypeRef, Export, ExternalKind, Instance, Parser, Payload,
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
    functions: Vec<CoreFunction>,
    /// What is lifted.
    pub lifts: Vec<Lift>,
    /// The component's own functions: how each was taken out of an instance, if it was.
    component_functions: Vec<Option<(u32, &'a str)>>,
    /// The component's own instances: as what each was imported, if it was.
    component_instances: Vec<Option<&'a str>>,
    component_types: u32,
    /// What there was before the first core instance.
    pub before_instances: Option<Counts>,
}

/// How many there are of what is numbered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub types: u32,
    pub component_functions: u32,
    pub component_instances: u32,
    pub functions: u32,
    pub instances: u32,
}

/// Where a core function comes from.
#[derive(Clone, Copy, Debug)]
enum CoreFunction {
    /// It was taken out of a core instance: its place among the aliases.
    Alias(usize),
    /// The canonical ABI makes it of one of the component's functions, whose data lie in that memory.
    Lowered { function: u32, memory: Option<u32> },
    /// The canonical ABI makes it of something else.
    Made,
}

/// A core function that becomes one of the component's.
#[derive(Clone, Debug)]
pub(super) struct Lift {
    pub function: u32,
    pub options: Box<[CanonicalOption]>,
}

/// A function that the component imports, as a core function.
pub(super) struct LoweredImport<'a> {
    pub interface: &'a str,
    pub name: &'a str,
    /// Where its data lie.
    pub memory: Option<CoreAlias<'a>>,
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
                    let counts = parts.counts()?;
                    parts.before_instances.get_or_insert(counts);
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
                        parts.pass_canonical(function.ok()?);
                    }
                }
                Payload::ComponentImportSection(section) => {
                    for import in section.clone() {
                        let import = import.ok()?;
                        match import.ty {
                            ComponentTypeRef::Module(_) => return None,
                            ComponentTypeRef::Func(_) => parts.component_functions.push(None),
                            ComponentTypeRef::Type(_) => parts.pass_types(1)?,
                            ComponentTypeRef::Instance(_) => {
                                parts.component_instances.push(Some(import.name.name));
                            }
                            ComponentTypeRef::Value(_) | ComponentTypeRef::Component(_) => {}
                        }
                        parts.imports.insert(import.name.name);
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section.clone() {
                        // Under its other name it has another number.
                        match export.ok()?.kind {
                            ComponentExternalKind::Module => return None,
                            ComponentExternalKind::Func => parts.component_functions.push(None),
                            ComponentExternalKind::Type => parts.pass_types(1)?,
                            ComponentExternalKind::Instance => {
                                parts.component_instances.push(None);
                            }
                            ComponentExternalKind::Value | ComponentExternalKind::Component => {}
                        }
                    }
                }
                Payload::ComponentTypeSection(section) => {
                    parts.pass_types(section.count())?;
                }
                Payload::ComponentInstanceSection(section) => {
                    for instance in section.clone() {
                        instance.ok()?;
                        parts.component_instances.push(None);
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
                    let alias = CoreFunction::Alias(self.aliases.len());
                    self.functions.push(alias);
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
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => match kind {
                ComponentExternalKind::Func => {
                    self.component_functions.push(Some((instance_index, name)));
                }
                ComponentExternalKind::Type => self.pass_types(1)?,
                ComponentExternalKind::Instance => self.component_instances.push(None),
                _ => {}
            },
            ComponentAlias::Outer { kind, .. } => {
                if kind == ComponentOuterAliasKind::Type {
                    self.pass_types(1)?;
                }
            }
        }
        Some(())
    }

    fn pass_canonical(&mut self, function: CanonicalFunction) {
        self.functions.push(match function {
            CanonicalFunction::Lift {
                core_func_index: function,
                options,
                ..
            } => {
                self.component_functions.push(None);
                self.lifts.push(Lift { function, options });
                return;
            }
            CanonicalFunction::Lower {
                func_index: function,
                options,
            } => {
                let memory = options.iter().find_map(|option| match option {
                    CanonicalOption::Memory(memory) => Some(*memory),
                    _ => None,
                });
                CoreFunction::Lowered { function, memory }
            }
            _ => CoreFunction::Made,
        });
    }

    fn pass_types(&mut self, count: u32) -> Option<()> {
        self.component_types = self.component_types.checked_add(count)?;
        Some(())
    }

    /// How many there are of each kind, as far as it was read.
    pub fn counts(&self) -> Option<Counts> {
        Some(Counts {
            types: self.component_types,
            component_functions: u32::try_from(self.component_functions.len()).ok()?,
            component_instances: u32::try_from(self.component_instances.len()).ok()?,
            functions: u32::try_from(self.functions.len()).ok()?,
            instances: u32::try_from(self.instances.len()).ok()?,
        })
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
        (0..self.functions.len()).map(|index| self.function(index))
    }

    fn function(&self, index: usize) -> Option<&CoreAlias<'a>> {
        match self.functions.get(index)? {
            CoreFunction::Alias(alias) => self.aliases.get(*alias),
            _ => None,
        }
    }

    /// How a core function was taken out of an instance, if it was.
    pub fn alias_of(&self, function: u32) -> Option<&CoreAlias<'a>> {
        self.function(usize::try_from(function).ok()?)
    }

    /// How a core memory was taken out of an instance.
    pub fn memory(&self, index: u32) -> Option<&CoreAlias<'a>> {
        let is_memory = |alias: &&CoreAlias| alias.kind == ExternalKind::Memory;
        let index = usize::try_from(index).ok()?;
        self.aliases.iter().filter(is_memory).nth(index)
    }

    /// What a core function is in the component's imports, if the canonical ABI makes it of one of them.
    pub fn lowered_import(&self, function: u32) -> Option<LoweredImport<'a>> {
        let at = |index: u32| usize::try_from(index).ok();
        let CoreFunction::Lowered { function, memory } = *self.functions.get(at(function)?)? else {
            return None;
        };
        let (instance, name) = (*self.component_functions.get(at(function)?)?)?;
        let interface = (*self.component_instances.get(at(instance)?)?)?;
        Some(LoweredImport {
            interface,
            name,
            memory: memory.and_then(|memory| self.memory(memory)).copied(),
        })
    }

    /// The name of a function in the instance that it was taken out of, if it is this one.
    fn taken_from(&self, instance: u32, export: &Export) -> Option<&'a str> {
        let alias = self.alias_of(export.index)?;
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
