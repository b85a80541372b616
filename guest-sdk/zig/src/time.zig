//! Time: calls to be made later, sleeping, and the clock. Knows nothing of connections. Durations are in milliseconds.

const std = @import("std");
const Allocator = std.mem.Allocator;
const host = @import("host.zig");
const pending = @import("pending.zig");
const WaitError = @import("types.zig").WaitError;

/// Calls `function` with `args` once `delay_ms` are over, after the running handler has returned: Twisted's
/// `reactor.callLater`, with the shape of `std.Thread.spawn`. `function` may return `void` or an error, which is
/// logged. What it needs is kept in `gpa` until then. Traps when more is pending than the service's `pending-max`.
///
/// ```zig
/// _ = try wisted.callLater(gpa, 500, wisted.Transport.resumeReading, .{transport});
/// ```
pub fn callLater(gpa: Allocator, delay_ms: u32, comptime function: anytype, args: anytype) Allocator.Error!Call {
    const closure = try pending.prepare(gpa, void, function, args);
    const id = host.imports.callLater(delay_ms);
    closure.expect(id);
    return .{ .id = id };
}

/// Something to wait for: Twisted's `task.deferLater`. Without a wait nothing happens when the time is over.
pub fn after(delay_ms: u32) Call {
    return .{ .id = host.imports.callLater(delay_ms) };
}

/// Suspends the running handler. The reactor serves everyone else meanwhile, and what was written so far goes out.
pub fn sleep(duration_ms: u32) WaitError!void {
    return host.imports.sleep(duration_ms);
}

/// Milliseconds since an unspecified moment; never goes back. For measuring, not for dates.
pub fn now() u64 {
    return host.imports.now();
}

/// A call that `callLater` or `after` has promised: Twisted's `IDelayedCall`. It may be copied and forgotten.
pub const Call = struct {
    id: u32,

    /// Takes the promise back. Returns whether there was still one: false when the time is over or it was cancelled.
    pub fn cancel(self: Call) bool {
        return pending.cancel(self.id);
    }

    /// Whether its callback is still to be called.
    pub fn isPending(self: Call) bool {
        return pending.isExpected(self.id);
    }

    /// Suspends the running handler until the time is over, and then makes the call, if there is one to be made.
    pub fn wait(self: Call) WaitError!void {
        try host.imports.wait(self.id);
        pending.deliver(self.id, .fired);
    }
};

const testing = @import("testing.zig");

test "calls are made in order of their time" {
    testing.begin();
    defer testing.end();
    const gpa = std.testing.allocator;
    const Notes = struct {
        var text: [16]u8 = undefined;
        var length: usize = 0;

        fn note(letter: u8) void {
            text[length] = letter;
            length += 1;
        }
    };
    _ = try callLater(gpa, 30, Notes.note, .{'c'});
    _ = try callLater(gpa, 10, Notes.note, .{'a'});
    const cancelled = try callLater(gpa, 15, Notes.note, .{'x'});
    try std.testing.expect(cancelled.isPending());
    const waited = try callLater(gpa, 20, Notes.note, .{'b'});
    try std.testing.expect(cancelled.cancel());
    try std.testing.expect(!cancelled.cancel() and !cancelled.isPending());
    testing.advance(10);
    try std.testing.expectEqualStrings("a", Notes.text[0..Notes.length]);
    try waited.wait();
    try std.testing.expectEqual(20, now());
    try std.testing.expectError(error.UnknownId, waited.wait());
    testing.advance(100);
    try std.testing.expectEqualStrings("abc", Notes.text[0..Notes.length]);
}

test "a callback may call later again" {
    testing.begin();
    defer testing.end();
    const Ticker = struct {
        var ticks: u32 = 0;

        fn tick(gpa: Allocator, left: u32) !void {
            ticks += 1;
            if (left > 0) _ = try callLater(gpa, 1000, tick, .{ gpa, left - 1 });
        }
    };
    _ = try callLater(std.testing.allocator, 0, Ticker.tick, .{ std.testing.allocator, 3 });
    testing.advance(10_000);
    try std.testing.expectEqual(4, Ticker.ticks);
}

test "sleeping and waiting put the fake clock forward, and end when the connection is lost" {
    testing.begin();
    defer testing.end();
    try sleep(70);
    try after(30).wait();
    try std.testing.expectEqual(100, now());
    testing.breakWaits(error.ConnectionLost);
    try std.testing.expectError(error.ConnectionLost, sleep(1));
    try std.testing.expectError(error.ConnectionLost, after(1).wait());
}
