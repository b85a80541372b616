//! Web pages: requests, and how to be called back or wait for them. Knows nothing of how pages are fetched.

const std = @import("std");
const Allocator = std.mem.Allocator;
const host = @import("host.zig");
const pending = @import("pending.zig");
const types = @import("types.zig");
const FetchResult = types.FetchResult;
const WaitError = types.WaitError;

/// Fetches `url` with GET and returns at once: Twisted's `getPage`. The operator must have granted the host. Traps when
/// more is pending than the service's `pending-max`.
pub fn getPage(url: []const u8) Fetch {
    return .{ .id = host.imports.getPage(url) };
}

/// Sends any request and returns at once; like `getPage` in everything else.
pub fn request(what: Request) Fetch {
    return .{ .id = host.imports.sendRequest(what) };
}

/// A request; everything is borrowed until `request` returns.
pub const Request = struct {
    /// Upper case by convention.
    method: []const u8 = "GET",
    /// Absolute, `http` or `https`.
    url: []const u8,
    headers: []const types.Header = &.{},
    body: []const u8 = "",
    /// How long the whole request may take, redirects included, in milliseconds. 0: the service's limit, which is also
    /// the most that can be had.
    timeout_ms: u32 = 0,
};

/// A page that is not there yet: attach a callback and return from the handler, or wait. It may be copied and
/// forgotten.
pub const Fetch = struct {
    id: u32,

    /// Has `function` called with the `FetchResult` and then `args` when the page is there, or it is certain that it
    /// never will be. The result is valid until it returns. It may return `void` or an error, which is logged. What it
    /// needs is kept in `gpa` until then. To be called once, in the handler that asked for the page.
    ///
    /// ```zig
    /// try wisted.getPage(url).then(gpa, arrived, .{transport});
    /// fn arrived(result: wisted.FetchResult, transport: wisted.Transport) void { … }
    /// ```
    pub fn then(self: Fetch, gpa: Allocator, comptime function: anytype, args: anytype) Allocator.Error!void {
        const closure = try pending.prepare(gpa, FetchResult, function, args);
        closure.expect(self.id);
    }

    /// Suspends the running handler until the page is there. The result is the caller's, in `gpa`'s memory: `deinit`
    /// it. For a fetch without a callback.
    pub fn wait(self: Fetch, gpa: Allocator) WaitError!FetchResult {
        try host.imports.wait(self.id);
        return host.imports.takePage(gpa, self.id);
    }

    /// Suspends the running handler until the page is there, and then calls the callback.
    pub fn finish(self: Fetch) WaitError!void {
        const result = try self.wait(host.allocator);
        defer result.deinit(host.allocator);
        pending.deliver(self.id, .{ .page = result });
    }

    /// Gives up: a request under way is aborted, and its callback is not called. Returns whether there was something to
    /// give up.
    pub fn cancel(self: Fetch) bool {
        return pending.cancel(self.id);
    }

    /// Whether its callback is still to be called.
    pub fn isPending(self: Fetch) bool {
        return pending.isExpected(self.id);
    }
};

const testing = @import("testing.zig");

const Seen = struct {
    var length: ?usize = null;

    fn arrived(result: FetchResult, slot: *?usize) !void {
        const page = try result.get();
        slot.* = page.body.len;
    }
};

test "a page is called back, waited for, or both" {
    testing.begin();
    defer testing.end();
    const gpa = std.testing.allocator;
    testing.respond("http://one/", 1000, "hello");
    var length: ?usize = null;
    try getPage("http://one/").then(gpa, Seen.arrived, .{&length});
    testing.advance(999);
    try std.testing.expectEqual(null, length);
    testing.advance(1);
    try std.testing.expectEqual(5, length);

    const result = try getPage("http://one/").wait(gpa);
    defer result.deinit(gpa);
    try std.testing.expectEqualStrings("hello", (try result.get()).body);
    try std.testing.expectEqualStrings("fake", (try result.get()).header("SERVER").?);

    length = null;
    const both = getPage("http://one/");
    try both.then(gpa, Seen.arrived, .{&length});
    try both.finish();
    try std.testing.expectEqual(5, length);
    try std.testing.expectError(error.UnknownId, both.finish());
}

test "failures have an error and a text, and an error of a callback is logged" {
    testing.begin();
    defer testing.end();
    const gpa = std.testing.allocator;
    testing.fail("http://late/", 0, .timeout);
    const result = try request(.{
        .method = "POST",
        .url = "http://late/",
        .headers = &.{.of("a", "b")},
        .body = "x",
    }).wait(gpa);
    defer result.deinit(gpa);
    try std.testing.expectError(error.Timeout, result.get());
    try std.testing.expectEqualStrings("POST http://late/ a: b x", testing.lastRequest());

    const unknown = try getPage("http://unknown/").wait(gpa);
    defer unknown.deinit(gpa);
    try std.testing.expectError(error.Connect, unknown.get());

    var length: ?usize = null;
    try getPage("http://late/").then(gpa, Seen.arrived, .{&length});
    testing.advance(0);
    try std.testing.expect(std.mem.find(u8, testing.logged(), "Timeout") != null);
    const given_up = getPage("http://late/");
    try given_up.then(gpa, Seen.arrived, .{&length});
    try std.testing.expect(given_up.cancel());
    try std.testing.expect(!given_up.cancel());
}
