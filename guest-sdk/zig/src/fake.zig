//! The fake host of native builds: what a guest asks for, recorded as plain values for `testing` to look at. One for
//! the whole process, as Zig runs a process's tests one after another.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Table = @import("table.zig").Table;
const Level = @import("log.zig").Level;
const types = @import("types.zig");

/// Whose memory the fake uses, so that a leak in it is seen, too.
pub const gpa = std.testing.allocator;

pub var world: World = .{};

/// Everything that the fake host knows.
pub const World = struct {
    now_ms: u64 = 0,
    ids_given: u32 = 0,
    pending: Table(Pending) = .{},
    /// Pages that were waited for and are still to be taken.
    arrived: Table(types.FetchResult) = .{},
    pages: std.ArrayList(Page) = .empty,
    connections: Table(*Connection) = .{},
    broken_waits: ?types.WaitError = null,
    config: std.ArrayList(types.Header) = .empty,
    /// A line for each record: its level, a space, and its message.
    log: std.ArrayList(u8) = .empty,
    /// The last request: method, URL, headers and body.
    request: std.ArrayList(u8) = .empty,
    random: std.Random.SplitMix64 = .init(1),

    pub fn deinit(self: *World) void {
        for (self.connections.entries.items) |entry| {
            entry.value.written.deinit(gpa);
            entry.value.inbox.deinit(gpa);
            gpa.destroy(entry.value);
        }
        self.connections.deinit(gpa);
        self.pending.deinit(gpa);
        self.arrived.deinit(gpa);
        self.pages.deinit(gpa);
        self.config.deinit(gpa);
        self.log.deinit(gpa);
        self.request.deinit(gpa);
        self.* = .{};
    }

    pub fn newId(self: *World) u32 {
        self.ids_given += 1;
        return self.ids_given;
    }

    /// The next outcome that is due by `until_ms`, taken out, and the clock put forward to it.
    pub fn nextDue(self: *World, until_ms: u64) ?struct { u32, Pending } {
        const entries = self.pending.entries.items;
        if (entries.len == 0) return null;
        var first = entries[0];
        for (entries[1..]) |entry| {
            if (entry.value.due_ms < first.value.due_ms) first = entry;
        }
        if (first.value.due_ms > until_ms) return null;
        self.now_ms = @max(self.now_ms, first.value.due_ms);
        _ = self.pending.remove(first.id);
        return .{ first.id, first.value };
    }

    fn open(self: *World, id: u32) ?*Connection {
        const connection = self.connections.get(id) orelse @panic("no connection of this test has this id");
        return if (connection.gone) null else connection;
    }

    fn expect(self: *World, pending: Pending) u32 {
        const id = self.newId();
        self.pending.reserve(gpa) catch @panic("OOM");
        self.pending.put(id, pending);
        return id;
    }
};

/// A timer, or a page when there is one.
pub const Pending = struct { due_ms: u64, page: ?types.FetchResult = null };

/// What a test has laid down for a URL; its texts are the test's.
pub const Page = struct { url: []const u8, delay_ms: u64, result: types.FetchResult };

/// What was done to one connection.
pub const Connection = struct {
    written: std.ArrayList(u8) = .empty,
    losing: bool = false,
    aborted: bool = false,
    write_shut_down: bool = false,
    reading_paused: bool = false,
    /// `connectionLost` was delivered.
    gone: bool = false,
    /// Came from the peer while reading was paused.
    inbox: std.ArrayList(u8) = .empty,

    fn write(self: *Connection, data: []const u8) void {
        if (self.losing or self.aborted or self.write_shut_down) return;
        self.written.appendSlice(gpa, data) catch @panic("OOM");
    }
};

/// A copy in `to`'s memory, as the host would make it.
pub fn copyResult(to: Allocator, result: types.FetchResult) Allocator.Error!types.FetchResult {
    switch (result) {
        .page => |page| {
            const headers = try to.alloc(types.Header, page.headers.len);
            for (headers, page.headers) |*copy, header| {
                copy.* = .of(try to.dupe(u8, header.name()), try to.dupe(u8, header.value()));
            }
            return .{ .page = .{
                .status = page.status,
                .headers = headers,
                .body = try to.dupe(u8, page.body),
                .url = try to.dupe(u8, page.url),
            } };
        },
        .failure => |failure| switch (failure) {
            inline .denied, .invalid_request, .dns, .connect, .tls, .protocol => |text, tag| {
                return .{ .failure = @unionInit(types.FetchFailure, @tagName(tag), try to.dupe(u8, text)) };
            },
            else => return result,
        },
    }
}

/// The imports of a guest, answered by the fake. The same functions as those of `abi.zig`.
pub const imports = struct {
    pub fn write(id: u32, data: []const u8) void {
        if (world.open(id)) |connection| connection.write(data);
    }

    pub fn writeMany(id: u32, pieces: []const []const u8) void {
        for (pieces) |piece| write(id, piece);
    }

    pub fn loseConnection(id: u32) void {
        if (world.open(id)) |connection| connection.losing = true;
    }

    pub fn abortConnection(id: u32) void {
        const connection = world.open(id) orelse return;
        connection.aborted = true;
        connection.written.clearRetainingCapacity();
    }

    pub fn shutdownWrite(id: u32) void {
        if (world.open(id)) |connection| connection.write_shut_down = true;
    }

    pub fn pauseReading(id: u32) void {
        if (world.open(id)) |connection| connection.reading_paused = true;
    }

    pub fn resumeReading(id: u32) void {
        if (world.open(id)) |connection| connection.reading_paused = false;
    }

    pub fn peer(id: u32) types.Address {
        // Every connection has its own port, so that tests can tell them apart.
        return .of("127.0.0.1", @intCast(40_000 + id % 20_000));
    }

    pub fn host(_: u32) types.Address {
        return .of("127.0.0.1", 8000);
    }

    pub fn bufferedBytes(id: u32) u64 {
        return if (world.open(id)) |connection| connection.written.items.len else 0;
    }

    pub fn callLater(delay_ms: u32) u32 {
        return world.expect(.{ .due_ms = world.now_ms + delay_ms });
    }

    pub fn sleep(duration_ms: u32) types.WaitError!void {
        if (world.broken_waits) |err| return err;
        world.now_ms += duration_ms;
    }

    pub fn now() u64 {
        return world.now_ms;
    }

    pub fn wait(id: u32) types.WaitError!void {
        if (world.broken_waits) |err| return err;
        const pending = world.pending.remove(id) orelse return error.UnknownId;
        world.now_ms = @max(world.now_ms, pending.due_ms);
        const page = pending.page orelse return;
        world.arrived.reserve(gpa) catch @panic("OOM");
        world.arrived.put(id, page);
    }

    pub fn cancel(id: u32) bool {
        return world.pending.remove(id) != null;
    }

    pub fn getPage(url: []const u8) u32 {
        return sendRequest(.{ .url = url });
    }

    pub fn sendRequest(request: @import("web.zig").Request) u32 {
        world.request.clearRetainingCapacity();
        world.request.print(gpa, "{s} {s}", .{ request.method, request.url }) catch @panic("OOM");
        for (request.headers) |header| {
            world.request.print(gpa, " {s}: {s}", .{ header.name(), header.value() }) catch @panic("OOM");
        }
        world.request.print(gpa, " {s}", .{request.body}) catch @panic("OOM");
        for (world.pages.items) |page| {
            if (!std.mem.eql(u8, page.url, request.url)) continue;
            return world.expect(.{ .due_ms = world.now_ms + page.delay_ms, .page = page.result });
        }
        const failure: types.FetchFailure = .{ .connect = "the test has no such page" };
        return world.expect(.{ .due_ms = world.now_ms, .page = .{ .failure = failure } });
    }

    pub fn takePage(to: Allocator, id: u32) types.FetchResult {
        const result = world.arrived.remove(id) orelse @panic("a page that was not waited for");
        return copyResult(to, result) catch @panic("OOM");
    }

    pub fn log(level: Level, message: []const u8) void {
        world.log.print(gpa, "{t} {s}\n", .{ level, message }) catch @panic("OOM");
    }

    pub fn randomBytes(buffer: []u8) void {
        // The same bytes in every run: what a test wants.
        for (buffer) |*byte| byte.* = @truncate(world.random.next());
    }

    pub fn configGet(to: Allocator, key: []const u8) ?[]const u8 {
        for (world.config.items) |entry| {
            if (std.mem.eql(u8, entry.name(), key)) return to.dupe(u8, entry.value()) catch @panic("OOM");
        }
        return null;
    }

    pub fn configAll(to: Allocator) []const types.Header {
        const copy = to.alloc(types.Header, world.config.items.len) catch @panic("OOM");
        for (copy, world.config.items) |*entry, original| {
            entry.* = .of(
                to.dupe(u8, original.name()) catch @panic("OOM"),
                to.dupe(u8, original.value()) catch @panic("OOM"),
            );
        }
        return copy;
    }
};
