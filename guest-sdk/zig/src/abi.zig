//! The canonical ABI by hand: how the contract's imports are called and its values lie in memory. Knows nothing of what
//! they are for; wit/reactor.wit says it.

const std = @import("std");
const Allocator = std.mem.Allocator;
const host = @import("host.zig");
const types = @import("types.zig");
const Bytes = types.Bytes;
const Header = types.Header;

/// Whose memory the host gets: that of whoever calls an import with an allocator, otherwise the package's own. One is
/// enough, for the host runs one handler at a time.
var landing: Allocator = host.allocator;

/// Set while the host asks for memory: calling it then would trap for a reason that has nothing to do with the cause.
pub var host_is_lowering = false;

/// How the host gets memory for what it hands over.
export fn cabi_realloc(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) [*]u8 {
    if (size == 0) return @ptrFromInt(alignment);
    host_is_lowering = true;
    defer host_is_lowering = false;
    const log2: std.mem.Alignment = .fromByteUnits(alignment);
    const new = landing.rawAlloc(size, log2, @returnAddress()) orelse outOfMemory();
    if (old_size > 0) {
        const rest = old.?[0..old_size];
        @memcpy(new[0..@min(size, old_size)], rest[0..@min(size, old_size)]);
        landing.rawFree(rest, log2, @returnAddress());
    }
    return new;
}

/// Its name in the host's backtrace tells the cause; there is no other way to say it from here.
noinline fn outOfMemory() noreturn {
    @trap();
}

const transport = struct {
    extern "wisted:reactor/transport@0.1.0" fn write(id: u32, ptr: [*]const u8, len: usize) void;
    extern "wisted:reactor/transport@0.1.0" fn @"write-many"(id: u32, ptr: [*]const Bytes, len: usize) void;
    extern "wisted:reactor/transport@0.1.0" fn @"lose-connection"(id: u32) void;
    extern "wisted:reactor/transport@0.1.0" fn @"abort-connection"(id: u32) void;
    extern "wisted:reactor/transport@0.1.0" fn @"shutdown-write"(id: u32) void;
    extern "wisted:reactor/transport@0.1.0" fn @"pause-reading"(id: u32) void;
    extern "wisted:reactor/transport@0.1.0" fn @"resume-reading"(id: u32) void;
    extern "wisted:reactor/transport@0.1.0" fn peer(id: u32, result: *RawAddress) void;
    extern "wisted:reactor/transport@0.1.0" fn host(id: u32, result: *RawAddress) void;
    extern "wisted:reactor/transport@0.1.0" fn @"buffered-bytes"(id: u32) u64;
};

const timers = struct {
    extern "wisted:reactor/timers@0.1.0" fn @"call-later"(delay_ms: u32) u32;
    extern "wisted:reactor/timers@0.1.0" fn sleep(duration_ms: u32, result: *RawWait) void;
    extern "wisted:reactor/timers@0.1.0" fn now() u64;
};

const pending = struct {
    extern "wisted:reactor/pending@0.1.0" fn wait(id: u32, result: *RawWait) void;
    extern "wisted:reactor/pending@0.1.0" fn cancel(id: u32) u32;
};

const web = struct {
    extern "wisted:reactor/web@0.1.0" fn @"get-page"(ptr: [*]const u8, len: usize) u32;
    extern "wisted:reactor/web@0.1.0" fn @"send-request"(
        method_ptr: [*]const u8,
        method_len: usize,
        url_ptr: [*]const u8,
        url_len: usize,
        headers_ptr: [*]const Header,
        headers_len: usize,
        body_ptr: [*]const u8,
        body_len: usize,
        timeout_ms: u32,
    ) u32;
    extern "wisted:reactor/web@0.1.0" fn @"take-page"(id: u32, result: *RawPage) void;
};

const logging = struct {
    extern "wisted:reactor/logging@0.1.0" fn log(level: u32, ptr: [*]const u8, len: usize) void;
};

const random = struct {
    extern "wisted:reactor/random@0.1.0" fn @"get-random-bytes"(length: u32, result: *Bytes) void;
};

const config = struct {
    extern "wisted:reactor/config@0.1.0" fn get(ptr: [*]const u8, len: usize, result: *RawOption) void;
    extern "wisted:reactor/config@0.1.0" fn @"get-all"(result: *RawList) void;
};

const RawAddress = extern struct { host: Bytes, port: u16 };
const RawReason = extern struct { tag: u8, text: Bytes };
const RawWait = extern struct { is_error: u8, tag: u8 align(4), reason: RawReason };
const RawOption = extern struct { is_some: u8, text: Bytes };
const RawList = extern struct { ptr: [*]const Header, len: usize };
const RawResponse = extern struct { status: u16, headers: RawList, body: Bytes, url: Bytes };
const RawFailure = extern struct { tag: u8, of: extern union { text: Bytes, bytes: u64, count: u32 } };
const RawPage = extern struct { is_error: u8, of: extern union { response: RawResponse, failure: RawFailure } };

/// What a `result<_, string>` is returned in.
pub const RawResult = extern struct { is_error: u8, text: Bytes };

comptime {
    const std_assert = std.debug.assert;
    std_assert(@sizeOf(RawWait) == 20 and @offsetOf(RawWait, "tag") == 4 and @offsetOf(RawWait, "reason") == 8);
    std_assert(@sizeOf(RawPage) == 40 and @offsetOf(RawPage, "of") == 8 and @offsetOf(RawFailure, "of") == 8);
    std_assert(@sizeOf(RawAddress) == 12 and @sizeOf(Header) == 16 and @sizeOf(RawResponse) == 28);
}

/// The imports with Zig's types.
pub const imports = struct {
    pub fn write(id: u32, data: []const u8) void {
        transport.write(id, data.ptr, data.len);
    }

    pub fn writeMany(id: u32, pieces: []const []const u8) void {
        // How a slice lies in memory is not promised by the language, so pieces are copied, some at a time.
        var some: [64]Bytes = undefined;
        var rest = pieces;
        while (rest.len > 0) {
            const count = @min(rest.len, some.len);
            for (some[0..count], rest[0..count]) |*copy, piece| copy.* = .of(piece);
            transport.@"write-many"(id, &some, count);
            rest = rest[count..];
        }
    }

    pub fn loseConnection(id: u32) void {
        transport.@"lose-connection"(id);
    }

    pub fn abortConnection(id: u32) void {
        transport.@"abort-connection"(id);
    }

    pub fn shutdownWrite(id: u32) void {
        transport.@"shutdown-write"(id);
    }

    pub fn pauseReading(id: u32) void {
        transport.@"pause-reading"(id);
    }

    pub fn resumeReading(id: u32) void {
        transport.@"resume-reading"(id);
    }

    pub fn peer(id: u32) types.Address {
        return address(id, transport.peer);
    }

    pub fn host(id: u32) types.Address {
        return address(id, transport.host);
    }

    fn address(id: u32, comptime get: fn (u32, *RawAddress) callconv(.c) void) types.Address {
        var buffer: [64]u8 = undefined;
        var fixed: std.heap.FixedBufferAllocator = .init(&buffer);
        landing = fixed.allocator();
        defer landing = @import("host.zig").allocator;
        var raw: RawAddress = undefined;
        get(id, &raw);
        return .of(raw.host.slice(), raw.port);
    }

    pub fn bufferedBytes(id: u32) u64 {
        return transport.@"buffered-bytes"(id);
    }

    pub fn callLater(delay_ms: u32) u32 {
        return timers.@"call-later"(delay_ms);
    }

    pub fn sleep(duration_ms: u32) types.WaitError!void {
        var raw: RawWait = undefined;
        timers.sleep(duration_ms, &raw);
        return liftWait(raw);
    }

    pub fn now() u64 {
        return timers.now();
    }

    pub fn wait(id: u32) types.WaitError!void {
        var raw: RawWait = undefined;
        pending.wait(id, &raw);
        return liftWait(raw);
    }

    pub fn cancel(id: u32) bool {
        return pending.cancel(id) != 0;
    }

    pub fn getPage(url: []const u8) u32 {
        return web.@"get-page"(url.ptr, url.len);
    }

    pub fn sendRequest(request: @import("web.zig").Request) u32 {
        return web.@"send-request"(
            request.method.ptr,
            request.method.len,
            request.url.ptr,
            request.url.len,
            request.headers.ptr,
            request.headers.len,
            request.body.ptr,
            request.body.len,
            request.timeout_ms,
        );
    }

    /// The result is in `gpa`'s memory.
    pub fn takePage(gpa: Allocator, id: u32) types.FetchResult {
        landing = gpa;
        defer landing = @import("host.zig").allocator;
        var raw: RawPage = undefined;
        web.@"take-page"(id, &raw);
        if (raw.is_error == 0) {
            const page = raw.of.response;
            return response(page.status, page.headers.ptr, page.headers.len, page.body, page.url);
        }
        const failure_raw = raw.of.failure;
        return switch (failure_raw.tag) {
            7 => failure(7, .{}, failure_raw.of.bytes),
            8, 9 => failure(failure_raw.tag, .{}, failure_raw.of.count),
            else => failure(failure_raw.tag, failure_raw.of.text, 0),
        };
    }

    pub fn log(level: @import("log.zig").Level, message: []const u8) void {
        logging.log(@backingInt(level), message.ptr, message.len);
    }

    pub fn randomBytes(buffer: []u8) void {
        // The host writes straight into the caller's buffer.
        var fixed: std.heap.FixedBufferAllocator = .init(buffer);
        landing = fixed.allocator();
        defer landing = @import("host.zig").allocator;
        var raw: Bytes = .{};
        random.@"get-random-bytes"(buffer.len, &raw);
    }

    pub fn configGet(gpa: Allocator, key: []const u8) ?[]const u8 {
        landing = gpa;
        defer landing = @import("host.zig").allocator;
        var raw: RawOption = undefined;
        config.get(key.ptr, key.len, &raw);
        return if (raw.is_some != 0) raw.text.slice() else null;
    }

    pub fn configAll(gpa: Allocator) []const Header {
        landing = gpa;
        defer landing = @import("host.zig").allocator;
        var raw: RawList = undefined;
        config.@"get-all"(&raw);
        return raw.ptr[0..raw.len];
    }
};

/// The contract's `close-reason` from its flat form.
pub fn closeReason(tag: u32, text: Bytes) types.CloseReason {
    return switch (tag) {
        0 => .done,
        1 => .{ .lost = text.slice() },
        2 => .aborted,
        3 => .{ .peer_not_reading = text.slice() },
        else => .stopping,
    };
}

pub fn response(status: u16, headers: [*]const Header, headers_len: usize, body: Bytes, url: Bytes) types.FetchResult {
    return .{ .page = .{
        .status = status,
        .headers = headers[0..headers_len],
        .body = body.slice(),
        .url = url.slice(),
    } };
}

/// The contract's `fetch-error` of its case, with the payload that the case has.
pub fn failure(tag: u32, text: Bytes, number: u64) types.FetchResult {
    return .{ .failure = switch (tag) {
        0 => .{ .denied = text.slice() },
        1 => .{ .invalid_request = text.slice() },
        2 => .{ .dns = text.slice() },
        3 => .{ .connect = text.slice() },
        4 => .{ .tls = text.slice() },
        5 => .{ .protocol = text.slice() },
        6 => .timeout,
        7 => .{ .too_large = number },
        8 => .{ .too_many_redirects = @truncate(number) },
        else => .{ .too_many_requests = @truncate(number) },
    } };
}

fn liftWait(raw: RawWait) types.WaitError!void {
    if (raw.is_error == 0) return;
    switch (raw.tag) {
        0 => {
            // `connectionLost` tells the reason again.
            if (raw.reason.tag == 1 or raw.reason.tag == 3) raw.reason.text.deinit(host.allocator);
            return error.ConnectionLost;
        },
        1 => return error.UnknownId,
        else => return error.Stopping,
    }
}
