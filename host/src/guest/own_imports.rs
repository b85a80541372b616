//! A core module that calls through its own globals what it imported by way of a shim ([`rewire`](super::rewire) says why). Knows
//! modules in the binary format, not what instantiates them.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, HeapType, ImportSection, InstructionSink, Module, RefType, SectionId, TypeSection,
    ValType,
};
use wasmparser::{Parser, Payload, TypeRef};

/// The exported function that sets the globals, one parameter for each in the order of the imports.
pub(super) const SET: &str = "wisted:set-imports";

/// An import of functions by name: module, name.
pub(super) type ImportName<'a> = (&'a str, &'a str);

/// A module with imports of its own.
#[derive(Debug)]
pub(super) struct OwnImports {
    pub module: Vec<u8>,
    /// The places of these imports, in the order of [`SET`]'s parameters.
    pub places: Vec<usize>,
}

/// The module with functions and globals of its own for the imported functions that have a place. What it exports is kept where
/// `is_taken` says so of its name.
///
/// `None` if there are no such imports, if it cannot be done, or if debug information would no longer fit the code.
pub(super) fn with_own_imports(
    module: &[u8],
    place_of: impl Fn(ImportName) -> Option<usize>,
    is_taken: impl Fn(&str) -> bool,
) -> Option<OwnImports> {
    let mut owning = Owning {
        is_taken,
        functions: Vec::new(),
        goes: Vec::new(),
        forwarders: Vec::new(),
        types: 0,
        functions_count: 0,
        has_globals: false,
    };
    owning.read(module, place_of)?;
    let mut written = Module::new();
    owning
        .parse_core_module(&mut written, Parser::new(0), module)
        .ok()?;
    let places = owning.forwarders.iter().map(|forwarder| forwarder.place);
    Some(OwnImports {
        module: written.finish(),
        places: places.collect(),
    })
}

/// A function in an import's place.
#[derive(Debug)]
struct Forwarder {
    place: usize,
    /// Its type, which is the import's, as an index.
    type_index: u32,
    parameters: usize,
    /// The global through which it calls.
    global: u32,
}

struct Owning<T> {
    is_taken: T,
    /// Where each imported function is now. Those that stay imports come first, then the others in the same order; so no
    /// function behind them moves.
    functions: Vec<u32>,
    /// Whether each import, of whatever kind, goes.
    goes: Vec<bool>,
    forwarders: Vec<Forwarder>,
    types: u32,
    /// All functions there were.
    functions_count: u32,
    has_globals: bool,
}

impl<T: Fn(&str) -> bool> Owning<T> {
    fn read(
        &mut self,
        module: &[u8],
        place_of: impl Fn(ImportName) -> Option<usize>,
    ) -> Option<()> {
        let mut parameters = Vec::new();
        let mut functions = Vec::new();
        let mut globals = 0_u32;
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        parameters.push(ty.ok()?.params().len());
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.ok()?;
                        let is_owned = match import.ty {
                            TypeRef::Func(type_index) => {
                                let place = place_of((import.module, import.name));
                                if let Some(place) = place {
                                    self.forwarders.push(Forwarder {
                                        place,
                                        type_index,
                                        parameters: *parameters
                                            .get(usize::try_from(type_index).ok()?)?,
                                        global: 0,
                                    });
                                }
                                functions.push(place.is_some());
                                place.is_some()
                            }
                            TypeRef::FuncExact(_) => return None,
                            TypeRef::Global(_) => {
                                globals += 1;
                                false
                            }
                            _ => false,
                        };
                        self.goes.push(is_owned);
                    }
                }
                Payload::FunctionSection(section) => self.functions_count = section.count(),
                Payload::GlobalSection(section) => {
                    globals = globals.checked_add(section.count())?;
                    self.has_globals = true;
                }
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    return None;
                }
                _ => {}
            }
        }
        self.types = u32::try_from(parameters.len()).ok()?;
        let own = u32::try_from(self.forwarders.len()).ok()?;
        for (global, forwarder) in (globals..globals.checked_add(own)?).zip(&mut self.forwarders) {
            forwarder.global = global;
        }
        let imported = u32::try_from(functions.len()).ok()?;
        self.functions_count = self.functions_count.checked_add(imported)?;
        let (mut kept, mut owned) = (0.., imported - own..);
        let places = functions.iter();
        let places = places.map(|is_owned| if *is_owned { owned.next() } else { kept.next() });
        self.functions = places.collect::<Option<_>>()?;
        (own > 0).then_some(())
    }

    fn add_globals(&self, globals: &mut GlobalSection) {
        for forwarder in &self.forwarders {
            let place = GlobalType {
                val_type: ValType::Ref(reference(forwarder.type_index, true)),
                mutable: true,
                shared: false,
            };
            let empty = ConstExpr::ref_null(HeapType::Concrete(forwarder.type_index));
            globals.global(place, &empty);
        }
    }
}

type Encoded = Result<(), Error<Infallible>>;

impl<T: Fn(&str) -> bool> Reencode for Owning<T> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        let place = usize::try_from(function).ok();
        let place = place.and_then(|place| self.functions.get(place));
        Ok(place.copied().unwrap_or(function))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Encoded {
        utils::parse_type_section(self, types, section)?;
        let places = self.forwarders.iter();
        let places = places.map(|forwarder| ValType::Ref(reference(forwarder.type_index, false)));
        types.ty().function(places, []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Encoded {
        for (place, import) in section.into_imports().enumerate() {
            if !self.goes[place] {
                self.parse_import(imports, import?)?;
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Encoded {
        for forwarder in &self.forwarders {
            functions.function(forwarder.type_index);
        }
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Encoded {
        utils::parse_global_section(self, globals, section)?;
        self.add_globals(globals);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Encoded {
        // Where the module has none of its own, they come before the first section that comes behind them.
        let is_behind = !matches!(
            before,
            Some(
                SectionId::Type
                    | SectionId::Import
                    | SectionId::Function
                    | SectionId::Table
                    | SectionId::Memory
                    | SectionId::Tag
                    | SectionId::Global
            )
        );
        if is_behind && !std::mem::replace(&mut self.has_globals, true) {
            let mut globals = GlobalSection::new();
            self.add_globals(&mut globals);
            module.section(&globals);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Encoded {
        for export in section {
            let export = export?;
            if (self.is_taken)(export.name) {
                self.parse_export(exports, export)?;
            }
        }
        exports.export(SET, ExportKind::Func, self.functions_count);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Encoded {
        let mut set = Function::new([]);
        for (index, forwarder) in (0..).zip(&self.forwarders) {
            code.function(&forwarding(forwarder.parameters, |instructions| {
                instructions
                    .global_get(forwarder.global)
                    .call_ref(forwarder.type_index);
            }));
            set.instructions()
                .local_get(index)
                .global_set(forwarder.global);
        }
        utils::parse_code_section(self, code, section)?;
        set.instructions().end();
        code.function(&set);
        Ok(())
    }
}

/// A function that hands its parameters on, by the way in which it calls.
pub(super) fn forwarding(parameters: usize, call: impl FnOnce(&mut InstructionSink)) -> Function {
    let mut function = Function::new([]);
    let mut instructions = function.instructions();
    for parameter in (0..).take(parameters) {
        instructions.local_get(parameter);
    }
    call(&mut instructions);
    instructions.end();
    function
}

/// A reference to a function of this type.
pub(super) fn reference(type_index: u32, nullable: bool) -> RefType {
    RefType {
        nullable,
        heap_type: HeapType::Concrete(type_index),
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Extern, Instance, Module, Store, Val};

    use super::*;

    /// Imports that stay stand before, between and behind those that go; functions are named in every way that there is.
    const MODULE: &str = r#"(module
        (type $unary (func (param i32) (result i32)))
        (import "host" "stays-first" (func $stays_first (type $unary)))
        (import "shim" "double" (func $double (type $unary)))
        (import "host" "memory" (memory 1))
        (import "host" "stays-last" (func $stays_last (type $unary)))
        (import "shim" "negate" (func $negate (type $unary)))
        GLOBALS
        (table 2 funcref)
        (elem (i32.const 0) $double $stays_last)
        (export "negate" (func $negate))
        (func (export "run") (param i32) (result i32)
            (call_indirect (type $unary)
                (call $negate (call $stays_first (call $double (local.get 0))))
                (i32.const 1)))
        (func (export "unused")))"#;

    fn owning(text: &str) -> Option<Vec<u8>> {
        let place_of = |name: ImportName| match name {
            ("shim", "double") => Some(7),
            ("shim", "negate") => Some(3),
            _ => None,
        };
        let is_taken = |name: &str| ["run", "negate"].contains(&name);
        let own = with_own_imports(&wat::parse_str(text).unwrap(), place_of, is_taken)?;
        assert_eq!(own.places, [7, 3]);
        Some(own.module)
    }

    /// What `run` makes of 5 once the globals are set.
    fn run(module: &[u8]) -> i32 {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, module).unwrap();
        let functions = r#"(module
            (memory (export "memory") 1)
            (func (export "stays-first") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func (export "stays-last") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
            (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
            (func (export "negate") (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0))))"#;
        let functions = Module::new(&engine, functions).unwrap();
        let functions = Instance::new(&mut store, &functions, &[]).unwrap();
        let imports: Vec<_> = module.imports().collect();
        let names: Vec<_> = imports.iter().map(wasmtime::ImportType::name).collect();
        assert_eq!(names, ["stays-first", "memory", "stays-last"]);
        let given: Vec<Extern> = names
            .iter()
            .map(|name| functions.get_export(&mut store, name).unwrap())
            .collect();
        let instance = Instance::new(&mut store, &module, &given).unwrap();
        assert!(instance.get_func(&mut store, "unused").is_none());
        let places = ["double", "negate"].map(|name| {
            let function = functions.get_func(&mut store, name);
            Val::FuncRef(function)
        });
        let set = instance.get_func(&mut store, SET).unwrap();
        set.call(&mut store, &places, &mut []).unwrap();
        let negate = instance.get_typed_func::<i32, i32>(&mut store, "negate");
        assert_eq!(negate.unwrap().call(&mut store, 7).unwrap(), -7);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run");
        run.unwrap().call(&mut store, 5).unwrap()
    }

    #[test]
    fn it_does_what_it_did() {
        for globals in [
            "",
            "(global i32 (i32.const 4))",
            "(global funcref (ref.func $negate))",
        ] {
            let module = owning(&MODULE.replace("GLOBALS", globals)).unwrap();
            assert_eq!(run(&module), -33, "{globals}");
        }
    }

    #[test]
    fn before_the_globals_are_set_it_traps() {
        let module = owning(
            &MODULE
                .replace("GLOBALS", "")
                .replace("(import \"host\" \"memory\" (memory 1))", ""),
        );
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, module.unwrap()).unwrap();
        let same = wasmtime::Func::wrap(&mut store, |value: i32| value);
        let given = [same.into(), same.into()];
        let instance = Instance::new(&mut store, &module, &given).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run");
        let trap = run.unwrap().call(&mut store, 5).unwrap_err();
        assert_eq!(trap.downcast_ref(), Some(&wasmtime::Trap::NullReference));
    }

    #[test]
    fn counts_that_cannot_be_do_no_harm() {
        let module = wat::parse_str(MODULE.replace("GLOBALS", "(global i32 (i32.const 4))"));
        let module = module.unwrap();
        for payload in Parser::new(0).parse_all(&module) {
            let payload = payload.unwrap();
            if let Payload::FunctionSection(_) | Payload::GlobalSection(_) = payload {
                let (id, range) = payload.as_section().unwrap();
                let mut damaged = module[..range.start].to_vec();
                // The section's size is one byte before it, and its count becomes the largest there is.
                assert_eq!(damaged[range.start - 2], id);
                damaged.truncate(range.start - 1);
                damaged.extend([5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
                damaged.extend(&module[range.end..]);
                let own = with_own_imports(&damaged, |_| Some(0), |_| true);
                assert!(own.is_none());
            }
        }
    }

    #[test]
    fn what_would_not_fit_any_more_stays_as_it_is() {
        let module = MODULE.replace("GLOBALS", "");
        assert!(owning(&module).is_some());
        for (from, to) in [
            ("(module", "(module (@custom \".debug_line\" \"\")"),
            ("(module", "(module (type (struct))"),
            ("\"shim\"", "\"other\""),
        ] {
            assert!(owning(&module.replace(from, to)).is_none(), "{to}");
        }
    }
}
