//! What all guests of a process share: the engine with its pool, the linker, the ticker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
    WasmBacktraceDetails,
};

use super::imports;
use super::instance::Instance;
use super::packed::Pagemap;
use super::reaper::Reaper;
use super::state::GuestState;
use super::ticker::Ticker;

/// How much the pool of instances holds.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Live instances, and up to [`REAPED_MAX`](super::REAPED_MAX) that are being dropped.
    pub instances_max: u32,
    /// Stacks. An instance that is called on fibers keeps one from its first call on; without one, an instance that could be
    /// called plainly is, and any other fails. Each takes 2 µs to reserve, and two maps.
    pub stacks_max: u32,
    /// Linear memory of one instance, in bytes.
    pub memory_max_bytes: usize,
    /// Elements of one table.
    pub table_max_elements: usize,
    /// Instances begin as copy-on-write images of the component's data, instead of a copy of it. For components with much of
    /// it: see [`memory_images_suit`](super::memory_images_suit).
    pub memory_images: bool,
}

/// Core instances that one component may consist of. The pool only counts them: so many for each instance.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 32;
const TABLES_PER_COMPONENT_MAX: u32 = 16;
/// In the pool, so many tables for each instance: what a component takes that is not rewired, and one to spare.
const TABLES_PER_INSTANCE: u32 = 3;
/// Metadata of one instance, in bytes.
const INSTANCE_MAX_BYTES: usize = 1 << 20;
/// The guest's part of a fiber's stack, in bytes; beyond it the guest traps.
const WASM_STACK_MAX_BYTES: usize = 512 << 10;
/// A fiber's whole stack: the guest's part and what our imports need on top of it.
const FIBER_STACK_BYTES: usize = 1 << 20;

/// See the file's header.
pub struct GuestHost {
    pub(super) engine: Engine,
    /// For guests that may wait.
    pub(super) linker: Linker<GuestState>,
    /// For guests that never do.
    pub(super) plain_linker: Linker<GuestState>,
    pub(super) ticker: Ticker,
    pub(super) stacks: Arc<Stacks>,
    /// None where the operating system does not say; then memory is not packed.
    pub(super) pagemap: Option<Pagemap>,
    reaper: Reaper,
}

/// How many instances may still begin to be called on fibers.
#[derive(Debug)]
pub(super) struct Stacks(AtomicU32);

/// A place among them, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Stack(Arc<Stacks>);

impl Stacks {
    pub fn take(self: &Arc<Self>) -> Option<Stack> {
        let less_one = |left: u32| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one);
        taken.is_ok().then(|| Stack(Arc::clone(self)))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl GuestHost {
    /// Makes the engine and reserves the pool's address space, for so many reactors. Call it once in a process.
    ///
    /// # Errors
    /// When the address space cannot be had or a thread cannot be started.
    pub fn new(pool: &PoolSize, reactors: usize) -> Result<Arc<Self>> {
        let engine = Engine::new(&config(pool))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        imports::add_to_linker(&mut linker)?;
        let mut plain_linker = Linker::new(&engine);
        // It would block the thread in what waits; the guests that are linked with it have nothing to wait for.
        wasmtime_wasi::p2::add_to_linker_sync(&mut plain_linker)?;
        imports::add_to_linker(&mut plain_linker)?;
        let ticker = Ticker::start(engine.weak(), reactors)?;
        Ok(Arc::new(Self {
            engine,
            linker,
            plain_linker,
            ticker,
            stacks: Arc::new(Stacks(AtomicU32::new(pool.stacks_max))),
            pagemap: Pagemap::open().ok(),
            reaper: Reaper::start()?,
        }))
    }

    /// Drops an instance, without making the reactor wait for that where it takes long.
    pub fn drop_instance(&self, instance: Instance) {
        self.reaper.drop_instance(instance);
    }

    /// An instance could not be made since the operating system gave no memory ([`FaultKind::Memory`](super::FaultKind::Memory)).
    pub fn memory_is_short(&self) {
        self.reaper.memory_is_short();
    }

    /// Guests may run on this reactor, counted from 0, until [`turn_ends`](Self::turn_ends). Call it at the beginning of each
    /// turn.
    pub fn turn_begins(&self, reactor: usize) {
        self.ticker.turn_begins(reactor);
    }

    /// No guest runs on this reactor until the next turn. Call it before waiting.
    pub fn turn_ends(&self, reactor: usize) {
        self.ticker.turn_ends(reactor);
    }

    /// A guest has used up its slice of CPU, and is not done: from here on slices are shorter for a while.
    pub fn slice_was_used_up(&self) {
        self.ticker.slice_was_used_up();
    }
}

impl std::fmt::Debug for GuestHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestHost").finish_non_exhaustive()
    }
}

fn config(pool: &PoolSize) -> Config {
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(pool.instances_max)
        .total_core_instances(
            pool.instances_max
                .saturating_mul(CORE_INSTANCES_PER_COMPONENT_MAX),
        )
        .total_memories(pool.instances_max)
        .total_tables(pool.instances_max.saturating_mul(TABLES_PER_INSTANCE))
        .total_stacks(pool.stacks_max)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_component_instance_size(INSTANCE_MAX_BYTES)
        .max_core_instance_size(INSTANCE_MAX_BYTES)
        .table_elements(pool.table_max_elements)
        .max_memory_size(pool.memory_max_bytes)
        // With it, what the system had swapped out, or was about to move, when an instance ended would be the next one's
        // (mended in wasmtime 50, where it costs more than it saves; docs/performance.md).
        .pagemap_scan(Enabled::No);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling))
        // WASI 0.3's machinery, off for this contract (and its feature not compiled in): with it a call costs more than
        // twice as much.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_MAX_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // Each copy-on-write image is a memory map of its own, and Linux allows 65,530 maps: they would run out near 11,000
        // instances. Where there is little data, copying it is no slower.
        .memory_init_cow(pool.memory_images)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_instances_fit_of_a_component_with_many_core_instances() {
        let engine = Engine::new(&config(&PoolSize {
            instances_max: 2,
            stacks_max: 0,
            memory_max_bytes: 1 << 16,
            table_max_elements: 1,
            memory_images: false,
        }))
        .unwrap();
        let core_instances = "(core instance (instantiate $m))".repeat(31);
        let text = format!("(component (core module $m) {core_instances})");
        let component = wasmtime::component::Component::new(&engine, text).unwrap();
        let linker = wasmtime::component::Linker::new(&engine);
        let mut stores = [(); 3].map(|()| wasmtime::Store::new(&engine, ()));
        let fits = stores
            .each_mut()
            .map(|store| linker.instantiate(store, &component).is_ok());
        assert_eq!(fits, [true, true, false]);
    }

    /// Neither in memory nor swapped out: whoever is given its place afterwards would find it there.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_an_instance_wrote_is_gone_with_it() {
        let engine = Engine::new(&config(&PoolSize {
            instances_max: 1,
            stacks_max: 0,
            memory_max_bytes: 1 << 20,
            table_max_elements: 1,
            memory_images: false,
        }))
        .unwrap();
        let module =
            wasmtime::Module::new(&engine, r#"(module (memory (export "memory") 2))"#).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let written = 70_000;
        memory.data_mut(&mut store)[written] = 1;
        let place = memory.data_ptr(&store).addr() + written;
        assert!(has_contents(place));
        drop(store);
        assert!(!has_contents(place));
    }

    /// Whether the page at an address of this process is in memory or swapped out (proc_pid_pagemap(5)).
    #[cfg(target_os = "linux")]
    fn has_contents(address: usize) -> bool {
        use std::os::unix::fs::FileExt;

        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        let page = address / page_size::get();
        let mut entry = [0; 8];
        let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
        pagemap.read_exact_at(&mut entry, page as u64 * 8).unwrap();
        u64::from_ne_bytes(entry) & (PRESENT | SWAPPED) != 0
    }

    #[test]
    fn a_stack_is_free_again_when_its_instance_is_gone() {
        let stacks = Arc::new(Stacks(AtomicU32::new(2)));
        let taken = (stacks.take(), stacks.take());
        assert!(taken.0.is_some() && taken.1.is_some());
        assert!(stacks.take().is_none());
        drop(taken.0);
        assert!(stacks.take().is_some());
    }
}
