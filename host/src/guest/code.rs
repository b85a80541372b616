//! A component from bytes to something that can be instantiated. Knows neither services nor connections.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime::{CodeBuilder, Engine};

use super::cache::CodeCache;
use super::contract::{self, ContractError, Exports, Surface};
use super::handlers::{fiber, plain};
use super::host::GuestHost;
use super::rewire;
use super::shortcut;
use super::state::GuestState;
use super::waiting;

/// A component that can be served: compiled, its imports resolved, its handlers found.
pub struct GuestCode {
    pub(super) pre: InstancePre<GuestState>,
    pub(super) fiber: fiber::Indices,
    pub(super) plain: plain::Indices,
    /// Where `data-received` is, for data that are read into the guest's memory.
    pub(super) data_received: Option<ComponentExportIndex>,
    exports: Exports,
    may_wait: bool,
    asks_for_host: bool,
    /// One of its instances has computed for longer than a slice, so that all are called on fibers from then on.
    computes: AtomicBool,
}

/// Why a component cannot be served. Begins with what is wrong; the caller names the file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is a core module.
    #[error(
        "it is a WebAssembly core module, not a component\n  \
         fix: in Rust, build with `--target wasm32-wasip2`; otherwise wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// It is no WebAssembly at all, or damaged.
    #[error("it is not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// The operating system does not let this process run what it has compiled.
    #[error(
        "its machine code cannot be made executable: {0}\n  \
         fix: run wisted where that is allowed (in systemd without MemoryDenyWriteExecute=, see docs/deploy.md)"
    )]
    NotExecutable(String),
    /// It begins with more memory than an instance may have.
    #[error(
        "it needs more memory from the start than an instance may have: {0}\n  fix: give it more with --memory-max"
    )]
    Memory(String),
    /// It imports what this host does not have.
    #[error(
        "{0}\n  \
         fix: build it against wit/reactor.wit and WASI 0.2; `wisted check` lists what it imports"
    )]
    Import(String),
    /// It exports too little.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

impl GuestCode {
    /// Loads a component from a file, binary or text. Takes as long as compiling unless the cache has it; `on_compile` is
    /// called before that, so that it can be said.
    ///
    /// # Errors
    /// When it cannot be served, with what is to be done about it.
    pub fn load(
        host: &GuestHost,
        file: &Path,
        cache: Option<&CodeCache>,
        on_compile: &mut dyn FnMut(),
    ) -> Result<Arc<Self>, LoadError> {
        let component = compile(host, file, cache, on_compile)?;
        let exports = contract::exports_of(&host.engine, &component)?;
        let import = |error: wasmtime::Error| LoadError::Import(chain(&error));
        let may_wait = contract::may_wait(&host.engine, &component);
        let linker = if may_wait {
            &host.linker
        } else {
            &host.plain_linker
        };
        let pre = linker.instantiate_pre(&component).map_err(import)?;
        Ok(Arc::new(Self {
            fiber: fiber::Indices::find(&pre, exports).map_err(import)?,
            plain: plain::Indices::find(&pre, exports).map_err(import)?,
            data_received: waiting::handler_of(&component),
            pre,
            exports,
            may_wait,
            asks_for_host: contract::asks_for_host(&host.engine, &component),
            computes: AtomicBool::new(false),
        }))
    }

    /// Whether an instance can begin with so much memory. Call it with each service's own limit: the pool, which compiling
    /// checks, has that of the most generous one.
    ///
    /// # Errors
    /// When one of its memories is larger from the start.
    pub fn fits(&self, memory_max_bytes: usize) -> Result<(), LoadError> {
        const WASM_PAGE_BYTES: u64 = 64 << 10;
        let required = self.pre.component().resources_required();
        let pages = required.and_then(|required| required.max_initial_memory_size);
        let bytes = pages.unwrap_or(0).saturating_mul(WASM_PAGE_BYTES);
        if usize::try_from(bytes).is_ok_and(|bytes| bytes <= memory_max_bytes) {
            return Ok(());
        }
        let message = format!("{bytes} bytes, above {memory_max_bytes}");
        Err(LoadError::Memory(message))
    }

    /// Which handlers it has.
    pub fn exports(&self) -> Exports {
        self.exports
    }

    /// Whether its handlers can ever be made to wait, by what it imports.
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Whether its instances can ask for the address that a peer has connected to.
    pub(super) fn asks_for_host(&self) -> bool {
        self.asks_for_host
    }

    /// Whether its instances can be given short data [through the window](super::window). A guest that exports something under the
    /// shortcut's name itself is called by that, and finds no data.
    pub(super) fn has_shortcut(&self) -> bool {
        self.plain.shortcut.is_some()
    }

    /// Whether its handlers are called without a fiber, which costs less. That is for guests that never wait, and only until
    /// one of them computes for longer than a slice: without a fiber it cannot be made to let the others have a turn.
    pub(super) fn is_called_plainly(&self) -> bool {
        !self.may_wait && !self.computes.load(Ordering::Relaxed)
    }

    pub(super) fn has_computed_for_long(&self) {
        self.computes.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for GuestCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestCode")
            .field("exports", &self.exports)
            .finish_non_exhaustive()
    }
}

/// What a component exports and imports, whether it can be served or not.
///
/// # Errors
/// When the file is no component.
pub fn inspect(
    host: &GuestHost,
    file: &Path,
    cache: Option<&CodeCache>,
    on_compile: &mut dyn FnMut(),
) -> Result<Surface, LoadError> {
    let component = compile(host, file, cache, on_compile)?;
    Ok(contract::surface_of(&host.engine, &component))
}

fn compile(
    host: &GuestHost,
    file: &Path,
    cache: Option<&CodeCache>,
    on_compile: &mut dyn FnMut(),
) -> Result<Component, LoadError> {
    if let Some(cache) = cache
        && let Some(component) = cache.find(&host.engine, File::open(file)?)?
    {
        return Ok(component);
    }
    let bytes = std::fs::read(file)?;
    if is_core_module(&bytes) {
        return Err(LoadError::CoreModule);
    }
    on_compile();
    let component = compile_bytes(&host.engine, &bytes);
    if let (Some(cache), Ok(component)) = (cache, &component) {
        cache.keep(&host.engine, &bytes, component);
    }
    component.map_err(|error| why_not_compiled(chain(&error)))
}

/// With shortcuts and rewired, each if it can be, which makes instances smaller and calls cheaper.
fn compile_bytes(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    if let Ok(bytes) = wat::parse_bytes(bytes) {
        if let Some(bytes) = shortcut::shortened(&bytes)
            && let bytes = rewire::rewired(&bytes).unwrap_or(bytes)
            && let Ok(component) = compile_shortened(engine, &bytes)
        {
            return Ok(component);
        }
        if let Some(bytes) = rewire::rewired(&bytes)
            && let Ok(component) = Component::from_binary(engine, &bytes)
        {
            return Ok(component);
        }
    }
    Component::new(engine, bytes)
}

/// A component with shortcuts of ours.
pub(super) fn compile_shortened(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    let mut builder = CodeBuilder::new(engine);
    builder.wasm_binary(bytes, None)?;
    // SAFETY: it is given to the functions of shortcut_code.rs alone, since no component gets shortcuts that has an import of this
    // name itself; and all stores have a GuestState, which is what these functions go by.
    #[allow(unsafe_code)]
    unsafe {
        builder.expose_unsafe_intrinsics(shortcut::INTRINSICS_IMPORT);
    }
    builder.compile_component()
}

/// What a failure to compile means: the compiler only has texts for that.
fn why_not_compiled(text: String) -> LoadError {
    if text.contains("core wasm module") || text.contains("not a component") {
        LoadError::CoreModule
    } else if let Some(start) = text.find("memory has a minimum byte size") {
        LoadError::Memory(text[start..].to_owned())
    } else if text.contains("make memory executable") {
        LoadError::NotExecutable(text)
    } else {
        LoadError::Invalid(text)
    }
}

/// The preamble of the binary format: magic, then version 1 and layer 0 for a core module, layer 1 for a component.
fn is_core_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\x00\x00\x00")
}

fn chain(error: &wasmtime::Error) -> String {
    let texts: Vec<_> = error.chain().map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_forbids_is_not_the_component_s_fault() {
        let why = |text: &str| why_not_compiled(text.to_owned());
        assert!(matches!(
            why("unable to make memory executable: Permission denied (os error 13)"),
            LoadError::NotExecutable(_)
        ));
        assert!(matches!(why("a core wasm module"), LoadError::CoreModule));
        assert!(matches!(
            why("x: memory has a minimum byte size of 2 which exceeds the limit of 1"),
            LoadError::Memory(text) if text.starts_with("memory has")
        ));
        assert!(matches!(why("unexpected end"), LoadError::Invalid(_)));
    }
}
