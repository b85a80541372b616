//! The conformance guest: does what a line tells it (tests/conformance/PROTOCOL.md). Knows no test.

const std = @import("std");
const wisted = @import("wisted");
const Transport = wisted.Transport;

// zig fmt: off
const Command = enum {
    echo, line, many, lose, abort, shutdown, pause, later, cancel, sleep, wait, fetch, @"fetch-wait", post, flood,
    buffered, peer, host, log, random, config, now, netstring, int32, keep, recall,
    trap,
};
// zig fmt: on

/// What a factory keeps for its successor, in a place of its own: factories are moved before the first connection.
const Kept = std.ArrayList(u8);

const Conformances = struct {
    gpa: std.mem.Allocator,
    kept: *Kept,

    pub const Protocol = Conformance;

    pub fn startFactory(gpa: std.mem.Allocator, _: wisted.Config) !Conformances {
        const kept = try gpa.create(Kept);
        kept.* = .empty;
        return .{ .gpa = gpa, .kept = kept };
    }

    pub fn buildProtocol(self: *Conformances, _: wisted.Address) Conformance {
        return .{ .gpa = self.gpa, .kept = self.kept, .input = .init(self.gpa) };
    }

    pub fn saveState(self: *Conformances, gpa: std.mem.Allocator) ![]const u8 {
        return gpa.dupe(u8, self.kept.items);
    }

    pub fn restoreState(self: *Conformances, state: []const u8) !void {
        if (std.mem.eql(u8, state, "spoilt")) return wisted.fail("the state is spoilt", .{});
        try keep(self.gpa, self.kept, state);
    }

    pub fn stopFactory(self: *Conformances) void {
        self.kept.deinit(self.gpa);
        self.gpa.destroy(self.kept);
        std.log.info("stopped", .{});
    }
};

fn keep(gpa: std.mem.Allocator, kept: *Kept, text: []const u8) !void {
    kept.clearRetainingCapacity();
    try kept.appendSlice(gpa, text);
}

const Conformance = struct {
    gpa: std.mem.Allocator,
    kept: *Kept,
    input: wisted.framing.Input,
    mode: enum { lines, raw, netstring, int32, over } = .lines,
    raw_left: usize = 0,
    is_flooding: bool = false,

    pub fn dataReceived(self: *Conformance, transport: Transport, data: []const u8) !void {
        try self.input.push(data);
        while (self.step(transport) catch |err| switch (err) {
            error.TooLong, error.Malformed => return transport.loseConnection(),
            else => return err,
        }) {}
    }

    /// Deals with one line, frame or piece; false when there is none.
    fn step(self: *Conformance, transport: Transport) !bool {
        const max = wisted.framing.frame_max_bytes;
        switch (self.mode) {
            .lines => try self.obey(transport, try self.input.line(.{ .strip_return = false }) orelse return false),
            .raw => {
                const piece = self.input.raw(self.raw_left);
                transport.write(piece);
                self.raw_left -= piece.len;
                if (self.raw_left == 0) self.mode = .lines else return false;
            },
            .netstring => wisted.framing.writeNetstring(transport, try self.input.netstring(max) orelse return false),
            .int32 => wisted.framing.writeInt32(transport, try self.input.int32(max) orelse return false),
            .over => return false,
        }
        return true;
    }

    fn obey(self: *Conformance, transport: Transport, line: []const u8) !void {
        const name, const args = std.mem.cutScalar(u8, line, ' ') orelse .{ line, "" };
        const command = std.meta.stringToEnum(Command, name) orelse {
            return transport.writeMany(&.{ "error unknown command: ", name, "\n" });
        };
        self.run(transport, command, args) catch |err| switch (err) {
            error.InvalidCharacter, error.Overflow => transport.writeMany(&.{ "error bad arguments: ", args, "\n" }),
            else => return err,
        };
    }

    // zig fmt: off
    fn run(self: *Conformance, transport: Transport, command: Command, args: []const u8) !void {
        const gpa = self.gpa;
        var arena_state: std.heap.ArenaAllocator = .init(gpa);
        defer arena_state.deinit();
        const arena = arena_state.allocator();
        const first, const rest = std.mem.cutScalar(u8, args, ' ') orelse .{ args, "" };
        var words = std.mem.tokenizeScalar(u8, args, ' ');
        switch (command) {
            .echo => { self.raw_left = try number(args); self.mode = .raw; },
            .line => transport.writeMany(&.{ args, "\n" }),
            .many => {
                const pieces = try arena.alloc([]const u8, try number(args));
                for (pieces, 0..) |*piece, index| piece.* = try arena.print("{d}\n", .{index});
                transport.writeMany(pieces);
            },
            .lose => { transport.write("bye\n"); transport.loseConnection(); self.mode = .over; },
            .abort => { transport.abortConnection(); self.mode = .over; },
            .shutdown => { transport.write("half\n"); transport.shutdownWrite(); },
            .pause => {
                _ = try wisted.callLater(gpa, try number(args), resumeReading, .{transport});
                transport.pauseReading();
            },
            .later => {
                _ = try wisted.callLater(gpa, try number(first), later, .{ gpa, transport, try gpa.dupe(u8, rest) });
            },
            .cancel => {
                const call = try wisted.callLater(gpa, try number(args), resumeReading, .{transport});
                for (0..2) |_| transport.print("cancelled {}\n", .{call.cancel()});
            },
            .sleep => { try wisted.sleep(try number(args)); transport.write("slept\n"); },
            .wait => { try wisted.after(try number(args)).wait(); transport.write("waited\n"); },
            .fetch => while (words.next()) |url| try wisted.getPage(url).then(gpa, arrived, .{transport}),
            .@"fetch-wait" => {
                var pages: std.ArrayList(wisted.Fetch) = .empty;
                while (words.next()) |url| try pages.append(arena, wisted.getPage(url));
                for (pages.items) |page| arrived(try page.wait(arena), transport);
            },
            .post => {
                const headers = [_]wisted.Header{.of("x-wisted", "1")};
                const request: wisted.Request = .{ .method = "POST", .url = first, .headers = &headers, .body = rest };
                try wisted.request(request).then(gpa, arrived, .{transport});
            },
            .flood => {
                var left: usize = try number(args);
                while (left > 0) : (left -|= piece_of_flood.len) {
                    transport.write(piece_of_flood[0..@min(left, piece_of_flood.len)]);
                }
                self.is_flooding = true;
            },
            .buffered => transport.print("buffered {d}\n", .{transport.bufferedBytes()}),
            .peer, .host => {
                const address = if (command == .peer) transport.peer() else transport.host();
                transport.print("{t} {s} {d}\n", .{ command, address.host(), address.port });
            },
            .log => {
                const level = std.meta.stringToEnum(wisted.log.Level, first) orelse return error.InvalidCharacter;
                wisted.log.write(level, "{s}", .{rest});
                transport.write("logged\n");
            },
            .random => {
                const bytes = try arena.alloc(u8, try number(args));
                wisted.random.bytes(bytes);
                transport.write(try arena.print("{x}\n", .{bytes}));
            },
            .config => {
                const value = wisted.config.get(arena, args);
                transport.writeMany(&.{ if (value == null) "config" else "config ", value orelse "", "\n" });
            },
            .now => transport.print("now {d}\n", .{wisted.now() * std.time.ns_per_ms}),
            .netstring => self.mode = .netstring,
            .int32 => self.mode = .int32,
            .keep => { try keep(gpa, self.kept, args); transport.write("kept\n"); },
            .recall => {
                const kept = self.kept.items;
                transport.writeMany(&.{ if (kept.len == 0) "recalled" else "recalled ", kept, "\n" });
            },
            .trap => @panic("told to trap"),
        }
    }
    // zig fmt: on

    pub fn readClosed(_: *Conformance, transport: Transport) void {
        transport.write("read-closed\n");
        transport.loseConnection();
    }

    pub fn drained(self: *Conformance, transport: Transport) void {
        if (self.is_flooding) transport.write("drained\n");
        self.is_flooding = false;
    }

    pub fn connectionLost(_: *Conformance, _: Transport, reason: wisted.CloseReason) void {
        std.log.info("lost {s}", .{reason.kind()});
    }

    pub fn deinit(self: *Conformance) void {
        self.input.deinit();
    }
};

const piece_of_flood: [64 * 1024]u8 = @splat('x');

fn number(text: []const u8) std.fmt.ParseIntError!u32 {
    const value = try std.fmt.parseInt(u32, text, 10);
    return if (value <= 1 << 31) value else error.Overflow;
}

fn later(gpa: std.mem.Allocator, transport: Transport, name: []const u8) void {
    defer gpa.free(name);
    transport.writeMany(&.{ "later ", name, "\n" });
}

fn resumeReading(transport: Transport) void {
    transport.resumeReading();
    transport.write("resumed\n");
}

fn arrived(result: wisted.FetchResult, transport: Transport) void {
    switch (result) {
        .page => |page| transport.print("page {d} {d}\n", .{ page.status, page.body.len }),
        .failure => |failure| transport.print("page error {s}\n", .{failure.kind()}),
    }
}

comptime {
    wisted.exportProtocol(Conformances);
}
