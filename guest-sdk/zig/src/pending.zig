//! The instance's pending things and who is to be told of their outcomes; knows nothing of pages or of time.

const std = @import("std");
const Allocator = std.mem.Allocator;
const host = @import("host.zig");
const log = @import("log.zig");
const Table = @import("table.zig").Table;
const FetchResult = @import("types.zig").FetchResult;

/// What something pending ends with.
pub const Outcome = union(enum) { fired, page: FetchResult };

/// Who is to be told: the head of a `Closure`.
const Listener = struct {
    call: *const fn (*Listener, Outcome) void,
    destroy: *const fn (*Listener) void,
};

/// Bounded by the host, which traps above the service's `pending-max`. Listeners are always taken out before they are
/// called: they are user code and come back to this table.
var listeners: Table(*Listener) = .{};

/// Room for a callback, to be made before the host is asked, so that nothing can fail once it has been.
pub fn prepare(
    gpa: Allocator,
    comptime Leading: type,
    comptime function: anytype,
    args: anytype,
) Allocator.Error!*Closure(Leading, function, @TypeOf(args)) {
    try listeners.reserve(host.allocator);
    const closure = try gpa.create(Closure(Leading, function, @TypeOf(args)));
    closure.* = .{ .gpa = gpa, .args = args };
    return closure;
}

/// A function and the values that it is to be called with, as `std.Thread.spawn` takes them. `Leading` is what the
/// outcome puts before them: nothing, or the page.
fn Closure(comptime Leading: type, comptime function: anytype, comptime Args: type) type {
    return struct {
        listener: Listener = .{ .call = call, .destroy = destroy },
        gpa: Allocator,
        args: Args,

        const Self = @This();

        /// Has the function called with the outcome of `id`.
        pub fn expect(self: *Self, id: u32) void {
            listeners.put(id, &self.listener);
        }

        fn call(listener: *Listener, outcome: Outcome) void {
            const self: *Self = @fieldParentPtr("listener", listener);
            const args = self.args;
            self.gpa.destroy(self);
            const result = if (Leading == void) @call(.auto, function, args) else switch (outcome) {
                .page => |page| @call(.auto, function, .{page} ++ args),
                .fired => return,
            };
            if (@typeInfo(@TypeOf(result)) == .error_union) {
                result catch |err| log.handlerFailed("a callback", err);
            }
        }

        fn destroy(listener: *Listener) void {
            const self: *Self = @fieldParentPtr("listener", listener);
            self.gpa.destroy(self);
        }
    };
}

/// The outcome of `id` is there: tells whoever still expects it.
pub fn deliver(id: u32, outcome: Outcome) void {
    const listener = listeners.remove(id) orelse return;
    listener.call(listener, outcome);
}

/// Gives `id` up. Returns whether there was something to give up.
pub fn cancel(id: u32) bool {
    if (listeners.remove(id)) |listener| listener.destroy(listener);
    return host.imports.cancel(id);
}

/// Whether a callback for `id` is still to be called.
pub fn isExpected(id: u32) bool {
    return listeners.get(id) != null;
}

/// Forgets everything, as at the beginning of an instance; for tests.
pub fn clear() void {
    for (listeners.entries.items) |entry| entry.value.destroy(entry.value);
    listeners.deinit(host.allocator);
}
