//! The data of a store: what one instance's imports work on. Knows nothing of the driver but the exchange.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::code::GuestCode;
use super::exchange::{LimitHit, Shared};
use super::guest_log::LogBudget;
use super::wasi;
use crate::clock;
use crate::limits::{CPU_SLICE, CPU_SLICE_CONTENDED};

/// Who an instance is, for its imports and its log records. One for each service.
pub struct Origin {
    /// The service's name.
    pub service: String,
    /// The guest's name.
    pub guest: String,
    /// The service's configuration values, sorted by key.
    pub config: Vec<(String, String)>,
    /// How much its guests may still log.
    pub(super) log_budget: LogBudget,
    /// The linear memory of all its instances, in bytes.
    pub(super) memory_bytes: AtomicUsize,
}

impl Origin {
    /// A service of this name, whose guest has that one. `config` is sorted by key.
    pub fn new(service: String, guest: String, config: Vec<(String, String)>) -> Self {
        Self {
            service,
            guest,
            config,
            log_budget: LogBudget::default(),
            memory_bytes: AtomicUsize::new(0),
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not its configuration: that may hold secrets.
        f.debug_struct("Origin")
            .field("service", &self.service)
            .field("guest", &self.guest)
            .finish_non_exhaustive()
    }
}

/// It begins with the address of the window, where the guest's shortcuts find it.
#[repr(C)]
pub(super) struct GuestState {
    window: u64,
    pub shared: Shared,
    pub origin: Arc<Origin>,
    pub code: Arc<GuestCode>,
    pub limiter: MemoryLimiter,
    pub started: Instant,
    /// Made when first used: most guests import WASI through their standard library and never call it.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl GuestState {
    pub fn new(shared: Shared, origin: Arc<Origin>, code: Arc<GuestCode>) -> Self {
        const { assert!(offset_of!(Self, window) == 0) };
        Self {
            window: shared.window_address(),
            limiter: MemoryLimiter {
                used_bytes: Arc::default(),
                shared: shared.clone(),
                origin: Arc::clone(&origin),
                refused: None,
            },
            shared,
            origin,
            code,
            started: clock::now(),
            wasi: None,
        }
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| {
            Box::new(Wasi {
                ctx: wasi::nothing_granted(&self.shared, &self.origin),
                table: wasi::resource_table(),
            })
        });
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

/// Counts the linear memory of an instance, all its memories together, and that of its service, and refuses what is above their
/// limits.
pub(super) struct MemoryLimiter {
    /// Read by whoever owns the instance.
    used_bytes: Arc<AtomicUsize>,
    /// Has the limits, which may change.
    shared: Shared,
    origin: Arc<Origin>,
    /// What was refused last: a guest usually traps after it, and the record should say why.
    pub refused: Option<LimitHit>,
}

impl MemoryLimiter {
    pub fn used_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.used_bytes)
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        let used_bytes = self.used_bytes.load(Ordering::Relaxed);
        self.origin
            .memory_bytes
            .fetch_sub(used_bytes, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let used_bytes = self.used_bytes.load(Ordering::Relaxed);
        let growth = desired - current;
        let total = used_bytes.saturating_add(growth);
        let limits = self.shared.limits();
        if total > limits.memory_max_bytes {
            self.refused = Some(LimitHit(format!(
                "its memory would have grown to {total} bytes, above {} (--memory-max)",
                limits.memory_max_bytes
            )));
            return Ok(false);
        }
        let of_service = &self.origin.memory_bytes;
        let service_total = of_service.fetch_add(growth, Ordering::Relaxed) + growth;
        if let Some(max) = limits.service_memory_max_bytes
            && service_total > max.get()
        {
            of_service.fetch_sub(growth, Ordering::Relaxed);
            self.refused = Some(LimitHit(format!(
                "the memory of all the service's instances would have grown to {service_total} bytes, above {max} (service_memory_max)"
            )));
            return Ok(false);
        }
        self.used_bytes.store(total, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let table_max_elements = self.shared.limits().table_max_elements;
        if desired > table_max_elements {
            self.refused = Some(LimitHit(format!(
                "a table would have grown to {desired} elements, above {table_max_elements}"
            )));
            return Ok(false);
        }
        Ok(true)
    }
}

/// Called at each tick of the epoch while the guest computes: ends it when its CPU time is used up, and otherwise lets the
/// others have a turn.
pub(super) fn slice_is_over(store: StoreContextMut<'_, GuestState>) -> Result<UpdateDeadline> {
    let mut exchange = store.data().shared.lock();
    let cpu = clock::thread_cpu();
    // A first slice counts whole; see CpuMeter.
    let is_measured = exchange.cpu.mark.is_some();
    let slice = exchange
        .cpu
        .mark
        .map_or(CPU_SLICE, |mark| cpu.saturating_sub(mark));
    exchange.cpu.used += slice;
    exchange.cpu.mark = Some(cpu);
    exchange.check_cpu()?;
    if slice < CPU_SLICE_CONTENDED / 2 {
        // The epoch went on while this guest was suspended: it has only just begun.
        return Ok(UpdateDeadline::Continue(1));
    }
    if exchange.plainly {
        // Nothing can be done about this call; the next ones will be on fibers. A first slice is no proof: the epoch may
        // have gone on when the call had just begun. Nor is a short one.
        if is_measured && exchange.cpu.used >= CPU_SLICE + CPU_SLICE / 2 {
            store.data().code.has_computed_for_long();
        }
        return Ok(UpdateDeadline::Continue(1));
    }
    exchange.preempted = true;
    Ok(UpdateDeadline::Yield(1))
}
