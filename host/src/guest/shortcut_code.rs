//! A core module with two functions more, which read and write a window of the host's memory instead of having the host copy short
//! data ([`shortcut`](super::shortcut) says why). Knows modules in the binary format and where the window has what, not who opens it.

use std::convert::Infallible;
use std::mem::offset_of;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstructionSink, MemArg, Module, NameMap, NameSection, TypeSection, ValType,
};
use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef};

use super::own_imports::ImportName;
use super::window::{SHORT_MAX_BYTES, Window};

/// What the module imports the [intrinsics](INTRINSICS) from.
pub(super) const INTRINSICS_MODULE: &str = "wisted:intrinsics";

/// wasmtime's functions that reach into the host's memory, as they are needed here, with their types: how many parameters of 64 bits
/// each has, and whether it has such a result.
pub(super) const INTRINSICS: [(&str, &[&str], bool); 3] = [
    ("store-data-address", &[], true),
    ("u64-native-load", &["pointer"], true),
    ("u64-native-store", &["pointer", "value"], false),
];
const ADDED_IMPORTS: u32 = INTRINSICS.len() as u32;

/// What the shortcuts of a module stand for.
#[derive(Debug)]
pub(super) struct Original<'a> {
    /// The import of the contract's `write`.
    pub write: ImportName<'a>,
    /// The exported `data-received`.
    pub data_received: &'a str,
    /// The exported function that allocates its data.
    pub realloc: &'a str,
    /// The exported memory that the data of both lie in.
    pub memory: &'a str,
}

/// The module with shortcuts: what called `write` calls one that writes to the window, while it has room, and `data-received`, exported
/// under a further name, takes its data from there.
///
/// `None` if it has no such functions, if it cannot be done, or if debug information would no longer fit the code.
pub(super) fn with_shortcuts(
    module: &[u8],
    original: &Original,
    received: &str,
) -> Option<Vec<u8>> {
    let found = Found::read(module, original)?;
    let mut written = Module::new();
    Shortening { found, received }
        .parse_core_module(&mut written, Parser::new(0), module)
        .ok()?;
    Some(written.finish())
}

/// The functions that are to have shortcuts, and how many there are of what is numbered.
#[derive(Debug)]
struct Found {
    write: u32,
    write_type: u32,
    realloc: u32,
    data_received: u32,
    types: u32,
    imports: u32,
    functions: u32,
}

impl Found {
    fn read(module: &[u8], original: &Original) -> Option<Self> {
        let mut write = None;
        let (mut types, mut imports, mut functions) = (0, 0_u32, 0);
        let mut memories = Vec::new();
        let (mut realloc, mut data_received, mut memory) = (None, None, None);
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        ty.ok()?;
                        types += 1;
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.ok()?;
                        match import.ty {
                            TypeRef::Func(type_index) => {
                                if (import.module, import.name) == original.write {
                                    write = Some((imports, type_index));
                                }
                                imports += 1;
                            }
                            TypeRef::FuncExact(_) => return None,
                            TypeRef::Memory(memory) => memories.push(memory),
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => functions = section.count(),
                Payload::MemorySection(section) => {
                    for memory in section {
                        memories.push(memory.ok()?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        match export.kind {
                            ExternalKind::Func if export.name == original.realloc => {
                                realloc = Some(export.index);
                            }
                            ExternalKind::Func if export.name == original.data_received => {
                                data_received = Some(export.index);
                            }
                            ExternalKind::Memory if export.name == original.memory => {
                                memory = Some(export.index);
                            }
                            _ => {}
                        }
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    return None;
                }
                _ => {}
            }
        }
        let (write, write_type) = write?;
        let is_plain = |memory: &MemoryType| {
            !memory.memory64 && !memory.shared && memory.page_size_log2.is_none()
        };
        if !matches!(memories.as_slice(), [memory] if is_plain(memory)) || memory? != 0 {
            return None;
        }
        let functions = imports.checked_add(functions)?;
        // Nobody else's index runs over.
        functions.checked_add(ADDED_IMPORTS + 2)?;
        Some(Self {
            write,
            write_type,
            realloc: realloc?,
            data_received: data_received?,
            types,
            imports,
            functions,
        })
    }

    /// Where a function is with the further imports behind the module's own.
    fn moved(&self, function: u32) -> u32 {
        if function < self.imports {
            function
        } else {
            function.saturating_add(ADDED_IMPORTS)
        }
    }

    fn intrinsics(&self) -> Intrinsics {
        Intrinsics {
            store_data_address: self.imports,
            load: self.imports + 1,
            store: self.imports + 2,
        }
    }

    /// The function that stands in for the import.
    fn short_write(&self) -> u32 {
        self.functions + ADDED_IMPORTS
    }
}

struct Shortening<'a> {
    found: Found,
    received: &'a str,
}

type Encoded = Result<(), Error<Infallible>>;

impl Reencode for Shortening<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(if function == self.found.write {
            self.found.short_write()
        } else {
            self.found.moved(function)
        })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Encoded {
        utils::parse_type_section(self, types, section)?;
        for (_, parameters, has_result) in INTRINSICS {
            let parameters = parameters.iter().map(|_| ValType::I64);
            types
                .ty()
                .function(parameters, has_result.then_some(ValType::I64));
        }
        types.ty().function([ValType::I32; 2], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Encoded {
        utils::parse_import_section(self, imports, section)?;
        for (type_index, (name, ..)) in (self.found.types..).zip(INTRINSICS) {
            imports.import(INTRINSICS_MODULE, name, EntityType::Function(type_index));
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Encoded {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.found.write_type);
        functions.function(self.found.types + ADDED_IMPORTS);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Encoded {
        utils::parse_export_section(self, exports, section)?;
        let received = self.found.short_write() + 1;
        exports.export(self.received, ExportKind::Func, received);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Encoded {
        utils::parse_code_section(self, code, section)?;
        code.function(&write(&self.found));
        code.function(&received(&self.found));
        Ok(())
    }

    /// Backtraces show what the functions are, too.
    fn parse_custom_name_subsection(
        &mut self,
        names: &mut NameSection,
        section: wasmparser::Name<'_>,
    ) -> Encoded {
        let wasmparser::Name::Function(namings) = section else {
            return utils::parse_custom_name_subsection(self, names, section);
        };
        let mut functions = NameMap::new();
        for naming in namings {
            let naming = naming?;
            functions.append(self.found.moved(naming.index), naming.name);
        }
        let short_write = self.found.short_write();
        functions.append(short_write, "wisted:write");
        functions.append(short_write + 1, "wisted:data-received");
        names.functions(&functions);
        Ok(())
    }
}

/// The intrinsics by their indices.
#[derive(Clone, Copy)]
struct Intrinsics {
    store_data_address: u32,
    load: u32,
    store: u32,
}

/// Code that has a local variable for the address of the window.
struct WindowCode<'a> {
    code: InstructionSink<'a>,
    intrinsics: Intrinsics,
    window: u32,
}

impl WindowCode<'_> {
    /// Its address is what the store's data begin with.
    fn find(&mut self) {
        self.code
            .call(self.intrinsics.store_data_address)
            .call(self.intrinsics.load)
            .local_set(self.window);
    }

    fn address_of(&mut self, field: usize) {
        self.code.local_get(self.window);
        self.add(field as u64);
    }

    fn load(&mut self, field: usize) {
        self.address_of(field);
        self.code.call(self.intrinsics.load);
    }

    fn store(&mut self, field: usize, value: impl FnOnce(&mut InstructionSink)) {
        self.address_of(field);
        value(&mut self.code);
        self.code.call(self.intrinsics.store);
    }

    fn add(&mut self, offset: u64) {
        if offset != 0 {
            self.code.i64_const(offset.cast_signed()).i64_add();
        }
    }
}

/// `write(connection, pointer, length)`: to the window, if that is open for the connection and has room; else by the import.
fn write(found: &Found) -> Function {
    let [connection, pointer, length] = [0, 1, 2];
    let [window, to, value, shift] = [3, 4, 5, 6];
    let mut function = Function::new([(4, ValType::I64)]);
    let mut short = WindowCode {
        code: function.instructions(),
        intrinsics: found.intrinsics(),
        window,
    };
    short
        .code
        .block(BlockType::Empty)
        .local_get(length)
        .i32_const(SHORT_MAX_BYTES.cast_signed())
        .i32_gt_u()
        .br_if(0);
    short.find();
    short.load(offset_of!(Window, connection));
    short
        .code
        .local_get(connection)
        .i64_extend_i32_u()
        .i64_ne()
        .br_if(0);
    short.load(offset_of!(Window, end));
    short.load(offset_of!(Window, at));
    short
        .code
        .local_tee(to)
        .i64_sub()
        .local_get(length)
        .i64_extend_i32_u()
        .i64_lt_u()
        .br_if(0);
    short.store(offset_of!(Window, from), |code| {
        code.local_get(pointer).i64_extend_i32_u();
    });
    short.store(offset_of!(Window, memory_pages), |code| {
        code.memory_size(0).i64_extend_i32_u();
    });
    let places = Places {
        guest: pointer,
        host: to,
        length,
    };
    places.copy(&mut short, Places::to_host);
    places.rest_to_host(&mut short, value, shift);
    // Not before all of it is there: reading the guest's memory may trap.
    short.store(offset_of!(Window, at), |code| {
        code.local_get(to)
            .local_get(length)
            .i32_const(WORD_BYTES.cast_signed() - 1)
            .i32_and()
            .i64_extend_i32_u()
            .i64_add();
    });
    short
        .code
        .return_()
        .end()
        .local_get(connection)
        .local_get(pointer)
        .local_get(length)
        .call(found.write)
        .end();
    function
}

/// `data-received(connection, length)`, with data from the window: traps unless it has just these, and they were not taken before.
fn received(found: &Found) -> Function {
    let [connection, length] = [0, 1];
    let [pointer, to] = [2, 3];
    let [window, from] = [4, 5];
    let mut function = Function::new([(2, ValType::I32), (2, ValType::I64)]);
    let mut short = WindowCode {
        code: function.instructions(),
        intrinsics: found.intrinsics(),
        window,
    };
    short
        .code
        .i32_const(0)
        .i32_const(0)
        .i32_const(1)
        .local_get(length)
        .call(found.moved(found.realloc))
        .local_tee(pointer)
        .local_set(to);
    short.find();
    short.load(offset_of!(Window, data_bytes));
    short
        .code
        .local_get(length)
        .i64_extend_i32_u()
        .i64_ne()
        .if_(BlockType::Empty)
        .unreachable()
        .end();
    short.store(offset_of!(Window, data_bytes), |code| {
        code.i64_const(0);
    });
    short.load(offset_of!(Window, data));
    short.code.local_set(from);
    let places = Places {
        guest: to,
        host: from,
        length,
    };
    places.copy(&mut short, Places::to_guest);
    places.rest_to_guest(&mut short);
    short
        .code
        .local_get(connection)
        .local_get(pointer)
        .local_get(length)
        .call(found.moved(found.data_received))
        .end();
    function
}

const WORD_BYTES: u32 = 8;

/// One for each bit of a length that is whole words.
const PIECES_BYTES: [u32; 8] = [1024, 512, 256, 128, 64, 32, 16, WORD_BYTES];
const _: () = assert!(SHORT_MAX_BYTES == 2 * PIECES_BYTES[0] - 1);

/// The local variables of something that is copied.
struct Places {
    guest: u32,
    host: u32,
    length: u32,
}

impl Places {
    /// Whole words, in pieces for each bit of the length: a loop would ask at each turn whether the slice of CPU is over, and what
    /// goes on after a slice may find the window elsewhere. What is left of the length is [less than a word](WORD_BYTES).
    fn copy(&self, short: &mut WindowCode, word: fn(&Self, &mut WindowCode, u32)) {
        for piece in PIECES_BYTES {
            self.if_length_has(short, piece);
            for offset in (0..piece).step_by(WORD_BYTES as usize) {
                word(self, short, offset);
            }
            self.pass(short, piece);
            short.code.end();
        }
    }

    fn if_length_has(&self, short: &mut WindowCode, bit: u32) {
        short
            .code
            .local_get(self.length)
            .i32_const(bit.cast_signed())
            .i32_and()
            .if_(BlockType::Empty);
    }

    fn pass_guest(&self, short: &mut WindowCode, bytes: u32) {
        short
            .code
            .local_get(self.guest)
            .i32_const(bytes.cast_signed())
            .i32_add()
            .local_set(self.guest);
    }

    fn pass(&self, short: &mut WindowCode, bytes: u32) {
        self.pass_guest(short, bytes);
        self.host_at(short, bytes);
        short.code.local_set(self.host);
    }

    fn host_at(&self, short: &mut WindowCode, offset: u32) {
        short.code.local_get(self.host);
        short.add(u64::from(offset));
    }

    fn to_host(&self, short: &mut WindowCode, offset: u32) {
        self.host_at(short, offset);
        short
            .code
            .local_get(self.guest)
            .i64_load(unaligned(offset))
            .call(short.intrinsics.store);
    }

    fn to_guest(&self, short: &mut WindowCode, offset: u32) {
        short.code.local_get(self.guest);
        self.host_at(short, offset);
        short
            .code
            .call(short.intrinsics.load)
            .i64_store(unaligned(offset));
    }

    /// The last bytes, as a word: what it has besides lies behind them, in memory that the window has for it.
    fn rest_to_host(&self, short: &mut WindowCode, value: u32, shift: u32) {
        short
            .code
            .i64_const(0)
            .local_set(value)
            .i64_const(0)
            .local_set(shift);
        for (bytes, load) in [
            (4, |code| code.i64_load32_u(unaligned(0))),
            (2, |code| code.i64_load16_u(unaligned(0))),
            (1, |code| code.i64_load8_u(unaligned(0))),
        ] as [(u32, Access); 3]
        {
            self.if_length_has(short, bytes);
            load(short.code.local_get(self.guest))
                .local_get(shift)
                .i64_shl()
                .local_get(value)
                .i64_or()
                .local_set(value)
                .local_get(shift)
                .i64_const(i64::from(bytes * 8))
                .i64_add()
                .local_set(shift);
            self.pass_guest(short, bytes);
            short.code.end();
        }
        short
            .code
            .local_get(self.host)
            .local_get(value)
            .call(short.intrinsics.store);
    }

    /// The last bytes, of a word that is read as a whole.
    fn rest_to_guest(&self, short: &mut WindowCode) {
        for (bytes, store) in [
            (4, |code| code.i64_store32(unaligned(0))),
            (2, |code| code.i64_store16(unaligned(0))),
            (1, |code| code.i64_store8(unaligned(0))),
        ] as [(u32, Access); 3]
        {
            self.if_length_has(short, bytes);
            let load = short.intrinsics.load;
            store(
                short
                    .code
                    .local_get(self.guest)
                    .local_get(self.host)
                    .call(load),
            );
            self.pass(short, bytes);
            short.code.end();
        }
    }
}

type Access = for<'a, 'b> fn(&'a mut InstructionSink<'b>) -> &'a mut InstructionSink<'b>;

fn unaligned(offset: u32) -> MemArg {
    MemArg {
        offset: u64::from(offset),
        align: 0,
        memory_index: 0,
    }
}

#[cfg(test)]
mod tests;
