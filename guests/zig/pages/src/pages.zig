//! The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody
//! else.

const std = @import("std");
const wisted = @import("wisted");
const Transport = wisted.Transport;

/// A longer line ends its connection.
const line_max_bytes = 256;
const limits: wisted.framing.Input.LineOptions = .{ .max_bytes = line_max_bytes - 1, .strip_return = false };
const default_urls = [2][]const u8{ "http://www.example.com/", "http://www.example.org/" };

const PagesFactory = struct {
    gpa: std.mem.Allocator,
    urls: [2][]const u8,

    pub const Protocol = Pages;

    pub fn startFactory(gpa: std.mem.Allocator, config: wisted.Config) !PagesFactory {
        return .{ .gpa = gpa, .urls = .{
            try gpa.dupe(u8, config.get("url1") orelse default_urls[0]),
            try gpa.dupe(u8, config.get("url2") orelse default_urls[1]),
        } };
    }

    pub fn buildProtocol(self: *PagesFactory, _: wisted.Address) Pages {
        return .{ .gpa = self.gpa, .urls = self.urls, .input = .init(self.gpa) };
    }

    pub fn stopFactory(self: *PagesFactory) void {
        for (self.urls) |url| self.gpa.free(url);
    }
};

const Pages = struct {
    gpa: std.mem.Allocator,
    urls: [2][]const u8,
    input: wisted.framing.Input,
    /// Kept only so that a peer that has closed its side gets its pages before we close ours.
    under_way: std.ArrayList(wisted.Fetch) = .empty,

    pub fn dataReceived(self: *Pages, transport: Transport, data: []const u8) !void {
        try self.input.push(data);
        while (self.input.line(limits) catch return transport.loseConnection()) |line| {
            if (std.mem.startsWith(u8, line, "echo ")) {
                // For whoever wants to see that a sleeping neighbour delays nobody.
                transport.writeMany(&.{ line, "\n" });
            } else self.fetchAndSleep(transport, std.mem.startsWith(u8, line, "wait")) catch |err| {
                return std.log.info("{f} gave up: {s}", .{ Clock{}, @errorName(err) });
            };
        }
    }

    fn fetchAndSleep(self: *Pages, transport: Transport, waits: bool) !void {
        while (self.under_way.items.len > 0 and !self.under_way.items[0].isPending()) {
            _ = self.under_way.orderedRemove(0);
        }
        for (self.urls) |url| {
            const page = wisted.getPage(url);
            try page.then(self.gpa, showPage, .{ url, transport });
            try self.under_way.append(self.gpa, page);
        }
        // The sequential style: go on when the pages are there. The callback style: they run after this handler.
        if (waits) try self.finish();
        for (1..3) |nap| {
            std.log.info("{f} sleeping, {d} of 2", .{ Clock{}, nap });
            try wisted.sleep(1000);
        }
        std.log.info("{f} awake", .{Clock{}});
        transport.write("done\n");
    }

    pub fn readClosed(self: *Pages, transport: Transport) !void {
        try self.finish();
        transport.loseConnection();
    }

    pub fn deinit(self: *Pages) void {
        self.input.deinit();
        self.under_way.deinit(self.gpa);
    }

    /// Waits for the pages that are still to come.
    fn finish(self: *Pages) !void {
        defer self.under_way.clearRetainingCapacity();
        for (self.under_way.items) |page| if (page.isPending()) try page.finish();
    }
};

/// A page is there: prints it and tells the peer.
fn showPage(result: wisted.FetchResult, url: []const u8, transport: Transport) void {
    switch (result) {
        .page => |page| {
            const start = page.body[0..@min(page.body.len, 100)];
            std.log.info("{f} {s}: {d} bytes: \"{f}\"", .{ Clock{}, url, page.body.len, std.zig.fmtString(start) });
            transport.print("{s} {d}\n", .{ url, page.body.len });
        },
        .failure => |failure| {
            std.log.info("{f} {s}: {f}", .{ Clock{}, url, failure });
            transport.print("{s} error: {f}\n", .{ url, failure });
        },
    }
}

/// The time since an unspecified moment: the contract has no time of day, but the host writes it before each record.
const Clock = struct {
    pub fn format(_: Clock, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        const seconds = wisted.now() / 1000;
        try writer.print("{d:0>2}:{d:0>2}:{d:0>2}", .{ seconds / 3600, seconds / 60 % 60, seconds % 60 });
    }
};

comptime {
    wisted.exportProtocol(PagesFactory);
}

const testing = wisted.testing;
const urls = [_]wisted.Header{ .of("url1", "http://one/"), .of("url2", "http://two/") };

test "callbacks run after the handler in order of arrival, waiting has the pages first" {
    testing.begin();
    defer testing.end();
    testing.respond("http://one/", 300, &@as([1000]u8, @splat('x')));
    testing.respond("http://two/", 100, "two");
    var server: testing.Server(PagesFactory) = try .start(&urls);
    defer server.stop();
    const peer = server.connect();
    peer.sendBytewise("go\n");
    try std.testing.expectEqualStrings("done\nhttp://two/ 3\nhttp://one/ 1000\n", peer.received());
    peer.forget();
    peer.sendBytewise("wait\necho hello\n");
    try std.testing.expectEqualStrings("http://one/ 1000\nhttp://two/ 3\ndone\necho hello\n", peer.received());
    try std.testing.expectEqual(4300, wisted.now());
}

test "errors are told, and a peer that closes gets its pages" {
    testing.begin();
    defer testing.end();
    testing.fail("http://one/", 0, .timeout);
    testing.respond("http://two/", 9000, "2");
    var server: testing.Server(PagesFactory) = try .start(&urls);
    defer server.stop();
    const peer = server.connect();
    peer.send("\n");
    peer.close();
    const expected = "done\nhttp://one/ error: the request timed out\nhttp://two/ 1\n";
    try std.testing.expectEqualStrings(expected, peer.received());
    try std.testing.expect(peer.isDisconnected());
}
