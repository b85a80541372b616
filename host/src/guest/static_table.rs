//! A core module that calls functions by their numbers without a table ([`rewire`](super::rewire) says why). Knows modules in the
//! binary format, not what instantiates them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder, utils};
use wasm_encoder::{
    BlockType, CodeSection, ElementSection, Function, FunctionSection, Instruction, Module,
    TableSection, TypeSection,
};
use wasmparser::{
    ElementItems, ElementKind, ExternalKind, FuncType, Operator, Parser, Payload, RefType,
    TableInit, TypeRef, ValType,
};

/// What stands in for a table may be so long: branches, one for each place and type that is called with, and parameters that are
/// handed on. A longer table stays, as one that is called through with more types: compiling it costs less.
const INSTRUCTIONS_MAX: usize = 64 << 10;

/// The module without its only table, if that never changes: in its place are functions that branch by the number, one for each type
/// that is called with. A number that has no function of that type traps as before, if with another text.
///
/// `None` if there is no such table, if it could change, or if debug information would no longer fit the code.
pub(super) fn without_table(module: &[u8]) -> Option<Vec<u8>> {
    let mut table = StaticTable::default();
    table.read(module)?;
    table.find_dispatchers()?;
    let mut written = Module::new();
    table
        .parse_core_module(&mut written, Parser::new(0), module)
        .ok()?;
    Some(written.finish())
}

#[derive(Default)]
struct StaticTable {
    types: Vec<FuncType>,
    /// The type of each function, those that are imported first.
    functions: Vec<u32>,
    /// What the table has at each place.
    elements: Vec<Option<u32>>,
    /// By the type that is called with, as an index.
    dispatchers: BTreeMap<u32, Dispatcher>,
}

/// A function that stands in for the table.
#[derive(Default)]
struct Dispatcher {
    /// Its place among the functions, behind all that were there.
    function: u32,
    /// Its type's place among the types, likewise.
    type_index: u32,
    /// The parameters of the functions that it calls, and the number.
    params: Vec<ValType>,
    results: Vec<ValType>,
    /// The functions that it calls, each once.
    targets: Vec<u32>,
    /// Which one, by number.
    branches: Vec<Option<u32>>,
}

impl StaticTable {
    fn read(&mut self, module: &[u8]) -> Option<()> {
        let mut tables = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        self.types.push(ty.ok().filter(compares_by_itself)?);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import.ok()?.ty {
                            TypeRef::Func(ty) => self.functions.push(ty),
                            TypeRef::FuncExact(_) | TypeRef::Table(_) => return None,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        self.functions.push(ty.ok()?);
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        let table = table.ok()?;
                        let length = usize::try_from(table.ty.initial).ok()?;
                        let is_plain = table.ty.element_type == RefType::FUNCREF
                            && !table.ty.table64
                            && !table.ty.shared
                            && matches!(table.init, TableInit::RefNull);
                        if !is_plain || length > INSTRUCTIONS_MAX {
                            return None;
                        }
                        self.elements.resize(length, None);
                        tables += 1;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        if export.ok()?.kind == ExternalKind::Table {
                            return None;
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        self.read_element(element.ok()?)?;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().ok()? {
                        self.read_operator(&operator.ok()?)?;
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    return None;
                }
                _ => {}
            }
        }
        (tables == 1).then_some(())
    }

    fn read_element(&mut self, element: wasmparser::Element) -> Option<()> {
        let ElementKind::Active { offset_expr, .. } = element.kind else {
            return None;
        };
        let ElementItems::Functions(functions) = element.items else {
            return None;
        };
        let mut offset = offset_expr.get_operators_reader();
        let Operator::I32Const { value } = offset.read().ok()? else {
            return None;
        };
        let Operator::End = offset.read().ok()? else {
            return None;
        };
        for (place, function) in (usize::try_from(value).ok()?..).zip(functions) {
            // Past the end, the instance would not be made.
            *self.elements.get_mut(place)? = Some(function.ok()?);
        }
        Some(())
    }

    /// `None` where a table changes, or a function that is in it is named otherwise.
    fn read_operator(&mut self, operator: &Operator) -> Option<()> {
        match operator {
            Operator::CallIndirect { type_index, .. } => {
                self.dispatchers.entry(*type_index).or_default();
            }
            Operator::ReturnCallIndirect { .. }
            | Operator::RefFunc { .. }
            | Operator::TableGet { .. }
            | Operator::TableSet { .. }
            | Operator::TableSize { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. } => return None,
            _ => {}
        }
        Some(())
    }

    fn find_dispatchers(&mut self) -> Option<()> {
        let mut instructions_left = INSTRUCTIONS_MAX;
        let mut functions = u32::try_from(self.functions.len()).ok()?..;
        let mut type_indices = u32::try_from(self.types.len()).ok()?..;
        let types = &self.types;
        let type_at = |index: u32| types.get(usize::try_from(index).ok()?);
        for (&type_index, dispatcher) in &mut self.dispatchers {
            let ty = type_at(type_index)?;
            dispatcher.function = functions.next()?;
            dispatcher.type_index = type_indices.next()?;
            dispatcher.params = [ty.params(), &[ValType::I32]].concat();
            dispatcher.results = ty.results().to_vec();
            let mut places = BTreeMap::new();
            for element in &self.elements {
                let mut branch = None;
                if let Some(function) = *element {
                    let of = *self.functions.get(usize::try_from(function).ok()?)?;
                    if type_at(of)? == ty {
                        let targets = &mut dispatcher.targets;
                        branch = Some(*places.entry(function).or_insert_with(|| {
                            targets.push(function);
                            // No more than INSTRUCTIONS_MAX.
                            targets.len() as u32 - 1
                        }));
                    }
                }
                dispatcher.branches.push(branch);
            }
            let handed_on = dispatcher.targets.len() * dispatcher.params.len();
            instructions_left =
                instructions_left.checked_sub(dispatcher.branches.len() + handed_on)?;
        }
        Some(())
    }
}

/// Whether its equality is all there is to it: it names no other type by a number, for which another may stand.
fn compares_by_itself(ty: &FuncType) -> bool {
    let plain = [RefType::FUNCREF, RefType::EXTERNREF].map(ValType::Ref);
    let mut types = ty.params().iter().chain(ty.results());
    types.all(|ty| !matches!(ty, ValType::Ref(_)) || plain.contains(ty))
}

impl Dispatcher {
    fn body(&self) -> Function {
        let mut function = Function::new([]);
        let mut instructions = function.instructions();
        // From the inside: a block for each target, behind which it is called, and one for what traps.
        let trap = self.targets.len() as u32;
        for _ in 0..=trap {
            instructions.block(BlockType::Empty);
        }
        let number = self.params.len() as u32 - 1;
        let branches: Vec<_> = self
            .branches
            .iter()
            .map(|branch| branch.unwrap_or(trap))
            .collect();
        instructions.local_get(number).br_table(branches, trap);
        for target in &self.targets {
            instructions.end();
            for parameter in 0..number {
                instructions.local_get(parameter);
            }
            instructions.call(*target).return_();
        }
        instructions.end().unreachable().end();
        function
    }
}

type Encoded = Result<(), Error<Infallible>>;

impl Reencode for StaticTable {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Encoded {
        utils::parse_type_section(self, types, section)?;
        for Dispatcher {
            params, results, ..
        } in self.dispatchers.values()
        {
            let params = RoundtripReencoder.val_types(params.clone())?;
            let results = RoundtripReencoder.val_types(results.clone())?;
            types.ty().function(params, results);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Encoded {
        utils::parse_function_section(self, functions, section)?;
        for dispatcher in self.dispatchers.values() {
            functions.function(dispatcher.type_index);
        }
        Ok(())
    }

    fn parse_table_section(
        &mut self,
        _: &mut TableSection,
        _: wasmparser::TableSectionReader<'_>,
    ) -> Encoded {
        Ok(())
    }

    fn parse_element_section(
        &mut self,
        _: &mut ElementSection,
        _: wasmparser::ElementSectionReader<'_>,
    ) -> Encoded {
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Encoded {
        utils::parse_code_section(self, code, section)?;
        for dispatcher in self.dispatchers.values() {
            code.function(&dispatcher.body());
        }
        Ok(())
    }

    fn instruction<'a>(
        &mut self,
        operator: Operator<'a>,
    ) -> Result<Instruction<'a>, Error<Infallible>> {
        if let Operator::CallIndirect { type_index, .. } = operator
            && let Some(dispatcher) = self.dispatchers.get(&type_index)
        {
            return Ok(Instruction::Call(dispatcher.function));
        }
        utils::instruction(self, operator)
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Instance, Store};

    use super::*;
    use crate::guest::parts::damaged;

    /// Functions of two types, one of them imported and one twice in the table; a place that is empty, one that is overwritten.
    /// `unary` and `same` are two names of one type.
    const MODULE: &str = r#"(module
        (type $unary (func (param i32) (result i32)))
        (type $same (func (param i32) (result i32)))
        (type $pair (func (param i64 f32) (result f32 i64)))
        (import "" "double" (func $double (type $unary)))
        (table 7 7 funcref)
        (elem (i32.const 1) $double $pair $negate $pair)
        (elem (i32.const 4) func $double $same)
        (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
        (func $same (type $same) (local.get 0))
        (func $pair (type $pair) (local.get 1) (local.get 0))
        (func (export "unary") (param i32 i32) (result i32)
            (call_indirect (type $unary) (local.get 0) (local.get 1)))
        (func (export "same") (param i32 i32) (result i32)
            (call_indirect (type $same) (local.get 0) (local.get 1)))
        (func (export "pair") (param i32) (result f32 i64)
            (call_indirect (type $pair) (i64.const 3) (f32.const 0.5) (local.get 0))))"#;

    /// What comes of calling with each number, `None` where it traps.
    fn calls(module: &[u8]) -> Vec<[Option<i32>; 3]> {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let module = wasmtime::Module::new(&engine, module).unwrap();
        let double = wasmtime::Func::wrap(&mut store, |value: i32| value * 2);
        let instance = Instance::new(&mut store, &module, &[double.into()]).unwrap();
        let mut function = |name| instance.get_typed_func::<(i32, i32), i32>(&mut store, name);
        let (unary, same) = (function("unary").unwrap(), function("same").unwrap());
        let pair = instance.get_typed_func::<i32, (f32, i64)>(&mut store, "pair");
        let pair = pair.unwrap();
        [0, 1, 2, 3, 4, 5, 6, 7, 255, -1, i32::MIN]
            .map(|number| {
                let pair = pair.call(&mut store, number).ok();
                [
                    unary.call(&mut store, (21, number)).ok(),
                    same.call(&mut store, (21, number)).ok(),
                    pair.map(|(half, three)| (half * 4.0) as i32 + three as i32),
                ]
            })
            .to_vec()
    }

    fn static_table(text: &str) -> Option<Vec<u8>> {
        without_table(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn it_calls_what_the_table_had() {
        let expected = [
            [None, None, None],
            [Some(42), Some(42), None],
            [None, None, Some(5)],
            [Some(-21), Some(-21), None],
            [Some(42), Some(42), None],
            [Some(21), Some(21), None],
        ];
        let expected = [expected.as_slice(), &[[None; 3]; 5]].concat();
        assert_eq!(calls(&wat::parse_str(MODULE).unwrap()), expected);
        let without = static_table(MODULE).unwrap();
        assert_eq!(calls(&without), expected);
        for payload in Parser::new(0).parse_all(&without) {
            match payload.unwrap() {
                Payload::TableSection(section) => assert_eq!(section.count(), 0),
                Payload::ElementSection(section) => assert_eq!(section.count(), 0),
                _ => {}
            }
        }
        // It has none left.
        assert!(without_table(&without).is_none());
    }

    #[test]
    fn a_table_that_could_change_or_is_seen_stays() {
        let last = "(func $same (type $same) (local.get 0))";
        let operator = |operator: &str| format!("{last} (func {operator})");
        for (from, to) in [
            ("(module", "(module (@custom \".debug_line\" \"\")"),
            ("(module", "(module (type (struct))"),
            ("(table 7 7 funcref)", "(table (export \"t\") 7 7 funcref)"),
            (
                "(table 7 7 funcref)",
                "(import \"\" \"t\" (table 7 funcref))",
            ),
            (
                "(table 7 7 funcref)",
                "(table 7 7 funcref) (table 1 funcref)",
            ),
            (
                "(table 7 7 funcref)",
                "(table 7 7 funcref (ref.func $negate))",
            ),
            ("(table 7 7 funcref)", "(table i64 7 7 funcref)"),
            ("(elem (i32.const 1)", "(elem (i32.const 6)"),
            ("(elem (i32.const 1)", "(elem (i32.const -1)"),
            ("(elem (i32.const 1)", "(elem func"),
            ("(elem (i32.const 1)", "(elem declare func"),
            (
                "$double $pair $negate $pair)",
                "funcref (ref.func $double))",
            ),
            (last, &operator("(drop (table.get (i32.const 0)))")),
            (last, &operator("(table.set (i32.const 0) (ref.null func))")),
            (last, &operator("(drop (table.size))")),
            (
                last,
                &operator("(drop (table.grow (ref.null func) (i32.const 1)))"),
            ),
            (
                last,
                &operator("(table.fill (i32.const 0) (ref.null func) (i32.const 1))"),
            ),
            (
                last,
                &operator("(table.copy (i32.const 0) (i32.const 1) (i32.const 1))"),
            ),
            (last, &operator("(drop (ref.func $negate))")),
            (last, &operator("(elem.drop 0)")),
        ] {
            let changed = MODULE.replacen(from, to, 1);
            assert_ne!(changed, MODULE);
            assert!(static_table(&changed).is_none(), "{to}");
        }
    }

    #[test]
    fn one_whose_stand_in_would_be_too_long_stays() {
        let with_length = |length: usize| {
            let table = format!("(table {length} {length} funcref)");
            static_table(&MODULE.replace("(table 7 7 funcref)", &table))
        };
        // Called with three types: three functions of one parameter and the number, by both of that type's names, one of two.
        let handed_on = 3 * 2 + 3 * 2 + 3;
        let length = (INSTRUCTIONS_MAX - handed_on) / 3;
        assert!(with_length(length).is_some());
        assert!(with_length(length + 1).is_none());
        assert!(with_length(10_000_000).is_none());
        let with_functions = |count: usize| {
            let parameters = "i32 ".repeat(500);
            let functions = "(func (type $t)) ".repeat(count);
            let elements: String = (1..=count).map(|index| format!("{index} ")).collect();
            let arguments = "(i32.const 0) ".repeat(500);
            static_table(&format!(
                "(module (type $t (func (param {parameters}))) (table {count} {count} funcref)
                    (elem (i32.const 0) {elements})
                    (func (call_indirect (type $t) {arguments} (i32.const 0))) {functions})"
            ))
        };
        assert!(with_functions(130).is_some());
        assert!(with_functions(131).is_none());
    }

    #[test]
    fn what_is_damaged_does_no_harm() {
        let module = wat::parse_str(MODULE).unwrap();
        for damaged in damaged(&module) {
            without_table(&damaged);
        }
    }
}
