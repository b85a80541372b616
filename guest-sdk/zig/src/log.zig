//! Log records. The host adds the names of the service and the guest and the connection whose handler is running. A
//! guest uses `std.log`; this is what stands behind it.

const std = @import("std");
const host = @import("host.zig");
const is_guest = @import("builtin").target.cpu.arch.isWasm();

/// How much a record matters; the contract's `level`. `std.log` lacks the first.
pub const Level = enum(u32) { trace, debug, info, warn, @"error" };

/// The host cuts there.
const message_max_bytes = 8 * 1024;

var buffer: [message_max_bytes]u8 = undefined;

/// Writes one record. A message longer than 8 KiB is cut.
pub fn write(level: Level, comptime format: []const u8, args: anytype) void {
    var writer: std.Io.Writer = .fixed(&buffer);
    writer.print(format, args) catch {};
    host.imports.log(level, writer.buffered());
}

/// What `std.log` calls in a guest.
pub fn logFn(
    comptime level: std.log.Level,
    comptime scope: @EnumLiteral(),
    comptime format: []const u8,
    args: anytype,
) void {
    const prefix = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    write(switch (level) {
        .err => .@"error",
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, prefix ++ format, args);
}

/// What a handler that has returned an error comes to. A wait that was broken off is no fault.
pub fn handlerFailed(what: []const u8, err: anyerror) void {
    const level: Level = switch (err) {
        error.ConnectionLost, error.Stopping => .debug,
        else => .@"error",
    };
    write(level, "{s} has failed: {s}", .{ what, @errorName(err) });
}

/// What Zig calls when a guest panics: the message, and then the trap, whose backtrace the host adds.
pub fn panic(message: []const u8, first_trace_address: ?usize) noreturn {
    @branchHint(.cold);
    _ = first_trace_address;
    if (is_guest and !@import("abi.zig").host_is_lowering) write(.@"error", "panic: {s}", .{message});
    @trap();
}
