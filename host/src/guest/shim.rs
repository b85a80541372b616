//! The two modules by which wit-component lets a component's modules import what needs their own memories, as they are made, and what
//! takes the second one's place ([`rewire`](super::rewire) says why). Knows modules in the binary format, not what instantiates them.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ElementSection, Elements, EntityType, ExportKind, ExportSection, FuncType,
    Function, FunctionSection, ImportSection, Module, StartSection, TypeSection, ValType,
};
use wasmparser::{ElementItems, ElementKind, ExternalKind, Operator, Parser, Payload, TypeRef};

use super::own_imports::{SET, forwarding, reference};

/// What the shim exports its table as.
pub(super) const TABLE: &str = "$imports";
/// What the rewired fixup imports the handlers from that it hands on.
pub(super) const MAIN: &str = "main";

/// The shim: functions that call those which the fixup puts into their places. Both name them by their numbers.
#[derive(Debug, Default)]
pub(super) struct Shim {
    types: Vec<FuncType>,
    /// The type of each function, as an index.
    functions: Vec<u32>,
}

/// A handler that the fixup hands on: its core function, by its name and with how many parameters, all `i32`.
#[derive(Debug)]
pub(super) struct Handler {
    pub name: String,
    pub parameters: usize,
}

impl Shim {
    /// The shim, if this module is one: a table, functions that call what is in it, and no more.
    pub fn read(module: &[u8]) -> Option<Self> {
        let mut shim = Self::default();
        let mut tables = 0;
        let mut exports = 0;
        let mut bodies = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(section) => shim.types = function_types(section)?,
                Payload::FunctionSection(section) => {
                    shim.functions = section.into_iter().collect::<Result<_, _>>().ok()?;
                }
                Payload::TableSection(section) => {
                    let places = u64::try_from(shim.functions.len()).ok()?;
                    for table in section {
                        check(table.ok()?.ty.initial == places)?;
                        tables += 1;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        check(match export.kind {
                            ExternalKind::Func => export.name == export.index.to_string(),
                            kind => kind == ExternalKind::Table && export.name == TABLE,
                        })?;
                        exports += 1;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let index = u32::try_from(bodies).ok()?;
                    let (type_index, parameters) = shim.function(bodies)?;
                    let expected = forwarding(parameters, |instructions| {
                        let place = index.cast_signed();
                        instructions.i32_const(place).call_indirect(0, type_index);
                    });
                    check(body.as_bytes() == expected.into_raw_body())?;
                    bodies += 1;
                }
                Payload::Version { .. }
                | Payload::CodeSectionStart { .. }
                | Payload::CustomSection(_)
                | Payload::End(_) => {}
                _ => return None,
            }
        }
        check(tables == 1 && bodies == shim.functions.len() && exports == bodies + 1)?;
        Some(shim)
    }

    /// Whether this module is its fixup: puts what it imports into the places of the table, and does no more.
    pub fn is_fixed_by(&self, module: &[u8]) -> bool {
        self.check_fixup(module).is_some()
    }

    fn check_fixup(&self, module: &[u8]) -> Option<()> {
        let mut types = Vec::new();
        let mut functions = 0;
        let mut tables = 0;
        let mut segments = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(section) => types = function_types(section)?,
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.ok()?;
                        check(import.module.is_empty())?;
                        if let TypeRef::Func(index) = import.ty {
                            let (type_index, _) = self.function(functions)?;
                            check(import.name == functions.to_string())?;
                            check(type_at(&types, index)? == type_at(&self.types, type_index)?)?;
                            functions += 1;
                        } else {
                            check(import.name == TABLE)?;
                            tables += 1;
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        check_segment(&element.ok()?, functions)?;
                        segments += 1;
                    }
                }
                Payload::Version { .. } | Payload::CustomSection(_) | Payload::End(_) => {}
                _ => return None,
            }
        }
        check(functions == self.functions.len() && tables == 1 && segments == 1)
    }

    /// The index of a function's type, and how many parameters it has.
    fn function(&self, index: usize) -> Option<(u32, usize)> {
        let type_index = *self.functions.get(index)?;
        Some((type_index, type_at(&self.types, type_index)?.params().len()))
    }

    /// The fixup in its rewired form: when it starts it hands what it imports to modules with imports of their own, each of which
    /// it knows by its number and gives the functions of these numbers; and it hands handlers on as exports.
    pub fn fixup<'a>(
        &self,
        users: impl Iterator<Item = &'a [usize]>,
        handlers: &[Handler],
    ) -> Option<Module> {
        let mut types = TypeSection::new();
        let mut imports = ImportSection::new();
        let mut exports = ExportSection::new();
        let mut start = Function::new([]);
        for function_type in &self.types {
            types.ty().func_type(function_type);
        }
        for type_index in &self.functions {
            let name = imports.len().to_string();
            imports.import("", &name, EntityType::Function(*type_index));
        }
        let functions = imports.len();
        for (number, places) in users.enumerate() {
            let mut parameters = Vec::new();
            for place in places {
                let (type_index, _) = self.function(*place)?;
                parameters.push(ValType::Ref(reference(type_index, false)));
                start.instructions().ref_func(u32::try_from(*place).ok()?);
            }
            start.instructions().call(imports.len());
            imports.import(&number.to_string(), SET, EntityType::Function(types.len()));
            types.ty().function(parameters, []);
        }
        start.instructions().end();
        // Imported last and exported first, since wasmtime reads and writes both at each call: so they lie side by side.
        for Handler { name, parameters } in handlers {
            exports.export(name, ExportKind::Func, imports.len());
            imports.import(MAIN, name, EntityType::Function(types.len()));
            let parameters = std::iter::repeat_n(ValType::I32, *parameters);
            types.ty().function(parameters, []);
        }
        let mut started = FunctionSection::new();
        started.function(types.len());
        types.ty().function([], []);
        let mut elements = ElementSection::new();
        elements.declared(Elements::Functions((0..functions).collect()));
        let mut code = CodeSection::new();
        code.function(&start);
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&started)
            .section(&exports)
            .section(&StartSection {
                function_index: imports.len(),
            })
            .section(&elements)
            .section(&code);
        Some(module)
    }
}

fn check(holds: bool) -> Option<()> {
    holds.then_some(())
}

/// Whether a segment fills the table with so many functions from its first place on, in order.
fn check_segment(element: &wasmparser::Element, functions: usize) -> Option<()> {
    let ElementKind::Active {
        table_index: None | Some(0),
        offset_expr,
    } = &element.kind
    else {
        return None;
    };
    let offset = offset_expr.get_operators_reader().into_iter();
    let offset: Vec<_> = offset.collect::<Result<_, _>>().ok()?;
    check(offset == [Operator::I32Const { value: 0 }, Operator::End])?;
    let ElementItems::Functions(items) = &element.items else {
        return None;
    };
    let items: Vec<_> = items.clone().into_iter().collect::<Result<_, _>>().ok()?;
    check(items.len() == functions && (0..).zip(items).all(|(place, item)| place == item))
}

fn function_types(section: wasmparser::TypeSectionReader) -> Option<Vec<FuncType>> {
    let types = section.into_iter_err_on_gc_types();
    let same = |ty: wasmparser::Result<_>| RoundtripReencoder.func_type(ty.ok()?).ok();
    types.map(same).collect()
}

fn type_at(types: &[FuncType], index: u32) -> Option<&FuncType> {
    types.get(usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIM_TEXT: &str = r#"(module
        (type (func (param i32 i64) (result i32))) (type (func))
        (table 2 2 funcref)
        (export "0" (func 0)) (export "1" (func 1)) (export "$imports" (table 0))
        (func (type 0) local.get 0 local.get 1 i32.const 0 call_indirect (type 0))
        (func (type 1) i32.const 1 call_indirect (type 1)))"#;

    const FIXUP_TEXT: &str = r#"(module
        (type (func)) (type (func (param i32 i64) (result i32)))
        (import "" "0" (func (type 1))) (import "" "1" (func (type 0)))
        (import "" "$imports" (table 2 2 funcref))
        (elem (i32.const 0) func 0 1))"#;

    fn shim(text: &str) -> Option<Shim> {
        Shim::read(&wat::parse_str(text).unwrap())
    }

    fn changed(text: &str, from: &str, to: &str) -> String {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        changed
    }

    #[test]
    fn a_shim_and_its_fixup_are_known_by_what_they_do() {
        let fixup = wat::parse_str(FIXUP_TEXT).unwrap();
        let found = shim(SHIM_TEXT).unwrap();
        assert_eq!(found.functions, [0, 1]);
        assert!(found.is_fixed_by(&fixup));
        assert!(Shim::read(&fixup).is_none());
        assert!(!Shim::default().is_fixed_by(&fixup));
    }

    #[test]
    fn a_module_that_does_anything_else_is_no_shim() {
        for (from, to) in [
            ("(export \"0\"", "(export \"zero\""),
            ("(export \"1\" (func 1))", ""),
            ("(export \"$imports\" (table 0))", ""),
            ("$imports", "imports"),
            ("(table 2 2 funcref)", "(table 1 1 funcref)"),
            ("(table 2 2 funcref)", "(table 2 2 funcref) (memory 1)"),
            (
                "(table 2 2 funcref)",
                "(table 2 2 funcref) (table 1 funcref)",
            ),
            ("local.get 0 local.get 1", "i32.const 7 local.get 1"),
            ("i32.const 1 call", "i32.const 0 call"),
            ("i32.const 1 call", "nop i32.const 1 call"),
            (
                "(func (type 1) i32.const",
                "(func (type 1) (local i32) i32.const",
            ),
            ("(type (func))", "(type (func)) (type (struct))"),
        ] {
            assert!(shim(&changed(SHIM_TEXT, from, to)).is_none(), "{from} {to}");
        }
    }

    #[test]
    fn a_module_that_does_anything_else_is_no_fixup() {
        let shim = shim(SHIM_TEXT).unwrap();
        for (from, to) in [
            ("(import \"\" \"0\"", "(import \"\" \"zero\""),
            ("(import \"\" \"0\"", "(import \"env\" \"0\""),
            ("(import \"\" \"0\" (func (type 1)))", ""),
            ("(func (type 1))) (import", "(func (type 0))) (import"),
            ("$imports", "imports"),
            ("func 0 1)", "func 1 0)"),
            ("func 0 1)", "func 0)"),
            ("(i32.const 0)", "(i32.const 1)"),
            (
                "(elem (i32.const 0)",
                "(elem declare func 0) (elem (i32.const 0)",
            ),
            ("(elem (i32.const 0) func 0 1)", ""),
            ("(elem", "(func) (start 2) (elem"),
        ] {
            let fixup = wat::parse_str(changed(FIXUP_TEXT, from, to)).unwrap();
            assert!(!shim.is_fixed_by(&fixup), "{from} {to}");
        }
    }
}
