//! The exports of a guest under the contract's names; they only turn flat values into this package's and call the
//! server.

const std = @import("std");
const abi = @import("abi.zig");
const failure = @import("failure.zig");
const host = @import("host.zig");
const pending = @import("pending.zig");
const types = @import("types.zig");
const Bytes = types.Bytes;

const prefix = "wisted:reactor/";
const version = "@0.1.0#";

/// The world `protocol`.
pub fn connections(comptime Server: type) void {
    const Handlers = struct {
        var server: Server = .{};

        fn made(id: u32) callconv(.c) void {
            server.connectionMade(id);
        }

        fn received(id: u32, ptr: [*]const u8, len: usize) callconv(.c) void {
            const data = ptr[0..len];
            // `free` would overwrite it first, which costs more than everything else here.
            defer if (len > 0) host.allocator.rawFree(@constCast(data), .of(u8), @returnAddress());
            server.dataReceived(id, data);
        }

        fn lost(id: u32, tag: u32, ptr: [*]const u8, len: usize) callconv(.c) void {
            const has_text = tag == 1 or tag == 3;
            const text: Bytes = if (has_text) .{ .ptr = ptr, .len = len } else .{};
            defer text.deinit(host.allocator);
            server.connectionLost(id, abi.closeReason(tag, text));
        }

        fn readClosed(id: u32) callconv(.c) void {
            server.readClosed(id);
        }

        fn drained(id: u32) callconv(.c) void {
            server.drained(id);
        }

        fn start(config: []const types.Header) anyerror!void {
            return server.start(config);
        }

        fn stop() callconv(.c) void {
            server.stop();
        }

        fn save() callconv(.c) *const Bytes {
            // Until the host has read it, which is before anything else runs here.
            host.allocator.free(saved);
            saved = "";
            saved = server.saveState() catch |err| std.debug.panic("saveState has failed: {t}", .{err});
            saved_area = .of(saved);
            return &saved_area;
        }

        fn restore(ptr: [*]const u8, len: usize) callconv(.c) *const abi.RawResult {
            const state: Bytes = .{ .ptr = ptr, .len = len };
            defer state.deinit(host.allocator);
            return lower(server.restoreState(state.slice()));
        }

        var saved: []const u8 = "";
        var saved_area: Bytes = undefined;
    };
    put(&Handlers.made, "connection-handler", "connection-made");
    put(&Handlers.received, "connection-handler", "data-received");
    put(&Handlers.lost, "connection-handler", "connection-lost");
    put(&Handlers.readClosed, "half-close-handler", "read-closed");
    put(&Handlers.drained, "flow-handler", "drained");
    if (Server.is_stateful) {
        put(&Handlers.save, "state-handler", "save-state");
        put(&Handlers.restore, "state-handler", "restore-state");
    }
    outcomes(Handlers);
}

/// The world `standalone`.
pub fn program(comptime Runner: type) void {
    const Handlers = struct {
        var runner: Runner = .{};

        fn execute() callconv(.c) *const abi.RawResult {
            return lower(runner.execute());
        }

        fn start(config: []const types.Header) anyerror!void {
            return runner.start(config);
        }

        fn stop() callconv(.c) void {
            runner.stop();
        }
    };
    put(&Handlers.execute, "program", "execute");
    outcomes(Handlers);
}

/// What both worlds have.
fn outcomes(comptime Handlers: type) void {
    const Common = struct {
        fn start(ptr: [*]const types.Header, len: usize) callconv(.c) *const abi.RawResult {
            const config = ptr[0..len];
            defer types.Header.freeAll(host.allocator, config);
            return lower(Handlers.start(config));
        }

        fn timerFired(id: u32) callconv(.c) void {
            pending.deliver(id, .fired);
        }

        // The contract's `result<response, fetch-error>` flattened: each place has what either has there.
        fn pageReceived(
            id: u32,
            is_error: u32,
            status_or_tag: u32,
            headers_or_payload: u64,
            headers_or_text_len: u32,
            body_ptr: [*]const u8,
            body_len: u32,
            url_ptr: [*]const u8,
            url_len: u32,
        ) callconv(.c) void {
            const first: usize = @truncate(headers_or_payload);
            const result = if (is_error == 0) abi.response(
                @truncate(status_or_tag),
                @ptrFromInt(first),
                headers_or_text_len,
                .{ .ptr = body_ptr, .len = body_len },
                .{ .ptr = url_ptr, .len = url_len },
            ) else switch (status_or_tag) {
                0...5 => abi.failure(
                    status_or_tag,
                    .{ .ptr = @ptrFromInt(first), .len = headers_or_text_len },
                    0,
                ),
                else => abi.failure(status_or_tag, .{}, headers_or_payload),
            };
            defer result.deinit(host.allocator);
            pending.deliver(id, .{ .page = result });
        }
    };
    put(&Common.start, "lifecycle-handler", "start");
    put(&Handlers.stop, "lifecycle-handler", "stop");
    put(&Common.timerFired, "timer-handler", "timer-fired");
    put(&Common.pageReceived, "page-handler", "page-received");
}

fn put(comptime function: anytype, comptime interface: []const u8, comptime name: []const u8) void {
    @export(function, .{ .name = prefix ++ interface ++ version ++ name });
}

/// The host copies it before anything else runs here, so there is one for all.
var result_area: abi.RawResult = undefined;

fn lower(result: anyerror!void) *const abi.RawResult {
    if (result) {
        result_area = .{ .is_error = 0, .text = .{} };
    } else |err| {
        result_area = .{ .is_error = 1, .text = .of(failure.textOf(err)) };
    }
    return &result_area;
}
