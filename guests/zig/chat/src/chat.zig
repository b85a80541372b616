//! A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.

const std = @import("std");
const wisted = @import("wisted");
const Transport = wisted.Transport;

/// Nobody may have the room remember more than this.
const line_max_bytes = 1024;

/// Who is there, by number.
const Room = std.array_hash_map.Auto(u32, Transport);

const Chat = struct {
    gpa: std.mem.Allocator,
    /// Of its own place in memory, for factories are moved before the first connection and rooms are pointed to.
    room: *Room,
    numbers_given: u32 = 0,

    pub const Protocol = Speaker;

    pub fn startFactory(gpa: std.mem.Allocator, _: wisted.Config) !Chat {
        const room = try gpa.create(Room);
        room.* = .empty;
        return .{ .gpa = gpa, .room = room };
    }

    pub fn buildProtocol(self: *Chat, _: wisted.Address) !Speaker {
        self.numbers_given += 1;
        return .{ .gpa = self.gpa, .room = self.room, .number = self.numbers_given, .input = .init(self.gpa) };
    }

    /// A new build goes on counting, so that no number is given twice while old connections are still there.
    pub fn saveState(self: *Chat, gpa: std.mem.Allocator) ![]const u8 {
        return gpa.dupe(u8, &std.mem.toBytes(self.numbers_given));
    }

    pub fn restoreState(self: *Chat, state: []const u8) !void {
        if (state.len != @sizeOf(u32)) return wisted.fail("the state is not the number of those who came", .{});
        self.numbers_given = std.mem.bytesToValue(u32, state);
    }

    pub fn stopFactory(self: *Chat) void {
        self.room.deinit(self.gpa);
        self.gpa.destroy(self.room);
    }
};

const Speaker = struct {
    gpa: std.mem.Allocator,
    room: *Room,
    number: u32,
    input: wisted.framing.Input,

    pub fn connectionMade(self: *Speaker, transport: Transport) !void {
        transport.print("* you are {d}, with {d} others here\n", .{ self.number, self.room.count() });
        try self.room.put(self.gpa, self.number, transport);
        self.tellOthers("* {d} joined\n", .{self.number}, "");
    }

    pub fn dataReceived(self: *Speaker, transport: Transport, data: []const u8) !void {
        try self.input.push(data);
        // The limit is for the line with its end, as peers count it.
        while (self.input.line(.{ .max_bytes = line_max_bytes - 1, .strip_return = false }) catch {
            transport.print("* a line may have {d} bytes\n", .{line_max_bytes});
            return transport.loseConnection();
        }) |line| {
            // Control characters would let one peer write over another's screen.
            var clean: [line_max_bytes + 1]u8 = undefined;
            var length: usize = 0;
            for (line) |byte| {
                if (std.ascii.isControl(byte)) continue;
                clean[length] = byte;
                length += 1;
            }
            clean[length] = '\n';
            self.tellOthers("{d}: ", .{self.number}, clean[0 .. length + 1]);
        }
    }

    pub fn connectionLost(self: *Speaker, _: Transport, _: wisted.CloseReason) void {
        _ = self.room.orderedRemove(self.number);
        self.tellOthers("* {d} left\n", .{self.number}, "");
    }

    pub fn deinit(self: *Speaker) void {
        self.input.deinit();
    }

    fn tellOthers(self: *Speaker, comptime format: []const u8, args: anytype, text: []const u8) void {
        var buffer: [64]u8 = undefined;
        const head = std.mem.print(&buffer, format, args) catch unreachable;
        for (self.room.keys(), self.room.values()) |number, member| {
            if (number != self.number) member.writeMany(&.{ head, text });
        }
    }
};

comptime {
    wisted.exportProtocol(Chat);
}

const testing = wisted.testing;

fn expectHeard(expected: []const u8, peer: testing.Server(Chat).Peer) !void {
    try std.testing.expectEqualStrings(expected, peer.received());
    peer.forget();
}

test "everyone hears everyone line by line, and who has left hears nothing" {
    testing.begin();
    defer testing.end();
    var server: testing.Server(Chat) = try .start(&.{});
    defer server.stop();
    const one, const two = .{ server.connect(), server.connect() };
    try expectHeard("* you are 1, with 0 others here\n* 2 joined\n", one);
    try expectHeard("* you are 2, with 1 others here\n", two);
    one.sendBytewise("hello\r\nhal");
    two.send("a\nb\x1b[2J\n");
    one.send("f\n");
    try expectHeard("2: a\n2: b[2J\n", one);
    try expectHeard("1: hello\n1: half\n", two);
    one.close();
    two.send("anybody?\n");
    try expectHeard("* 1 left\n", two);
    try expectHeard("", one);
}

test "a line is bounded" {
    testing.begin();
    defer testing.end();
    var server: testing.Server(Chat) = try .start(&.{});
    defer server.stop();
    const peer = server.connect();
    peer.send(&@as([line_max_bytes]u8, @splat('x')));
    try std.testing.expect(!peer.isDisconnected());
    peer.send("\n");
    try std.testing.expect(peer.isDisconnected());
    try std.testing.expect(std.mem.endsWith(u8, peer.received(), "* a line may have 1024 bytes\n"));
}

test "a new build goes on counting" {
    testing.begin();
    defer testing.end();
    var old: testing.Server(Chat) = try .start(&.{});
    _ = old.connect();
    const state = try old.saveState();
    defer std.testing.allocator.free(state);
    old.stop();
    var new: testing.Server(Chat) = try .start(&.{});
    defer new.stop();
    try std.testing.expectError(error.Failed, new.restoreState("odd"));
    try new.restoreState(state);
    try expectHeard("* you are 2, with 0 others here\n", new.connect());
}
