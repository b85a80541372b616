//! The door to the host: the real one in a guest, a fake one natively. Nothing else in this package knows which it is.

const std = @import("std");
const is_guest = @import("builtin").target.cpu.arch.isWasm();

/// What a guest may ask of the host; `abi.zig` and `fake.zig` have the same functions.
pub const imports = if (is_guest) @import("abi.zig").imports else @import("fake.zig").imports;

/// Where the host puts what it hands to handlers, and what the package itself keeps. Natively a test's own, so that it
/// notices leaks.
pub const allocator: std.mem.Allocator =
    if (is_guest) std.heap.wasm_allocator else std.testing.allocator;
