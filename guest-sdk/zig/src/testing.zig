//! Fakes for unit tests of guests: native, without wasm, sockets or sleeping. Knows the fake host and no real one.
//!
//! ```zig
//! test "it sends back what it receives" {
//!     testing.begin();
//!     defer testing.end();
//!     var server = try testing.Server(Echo).start(&.{});
//!     defer server.stop();
//!     const peer = server.connect();
//!     peer.sendBytewise("hello");
//!     try std.testing.expectEqualStrings("hello", peer.received());
//! }
//! ```
//!
//! The clock stands still until it is put forward (`advance`, `Server.advance`); waiting and sleeping put it forward at
//! once.

const std = @import("std");
const fake = @import("fake.zig");
const pending = @import("pending.zig");
const server = @import("server.zig");
const types = @import("types.zig");
const Transport = @import("transport.zig").Transport;
const gpa = fake.gpa;

/// Begins afresh: time 0, an empty web, nothing pending.
pub fn begin() void {
    end();
}

/// Frees what the fakes hold; `std.testing.allocator` then sees what the guest has leaked.
pub fn end() void {
    pending.clear();
    fake.world.deinit();
}

/// Sets the configuration; the texts are the test's. `Server.start` does it too.
pub fn configure(values: []const types.Header) void {
    fake.world.config.clearRetainingCapacity();
    fake.world.config.appendSlice(gpa, values) catch @panic("OOM");
    std.mem.sort(types.Header, fake.world.config.items, {}, struct {
        fn lessThan(_: void, a: types.Header, b: types.Header) bool {
            return std.mem.lessThan(u8, a.name(), b.name());
        }
    }.lessThan);
}

/// `url` gives this body with status 200 after `delay_ms`. Texts are kept as they are until `end`.
pub fn respond(url: []const u8, delay_ms: u64, body: []const u8) void {
    addPage(url, delay_ms, .{ .page = .{ .status = 200, .headers = &fake_headers, .body = body, .url = url } });
}

const fake_headers = [_]types.Header{.of("server", "fake")};

/// `url` gives this failure after `delay_ms`. An URL that no test has laid down cannot be connected to.
pub fn fail(url: []const u8, delay_ms: u64, failure: types.FetchFailure) void {
    addPage(url, delay_ms, .{ .failure = failure });
}

fn addPage(url: []const u8, delay_ms: u64, result: types.FetchResult) void {
    const page: fake.Page = .{ .url = url, .delay_ms = delay_ms, .result = result };
    fake.world.pages.append(gpa, page) catch @panic("OOM");
}

/// The last request: method, URL, headers as `name: value`, and body, with spaces between them.
pub fn lastRequest() []const u8 {
    return fake.world.request.items;
}

/// What was logged: a line for each record, with its level (`info`, `error`) and its message.
pub fn logged() []const u8 {
    return fake.world.log.items;
}

/// From now on every wait and sleep ends at once with `err`, as when the handler's connection is lost.
pub fn breakWaits(err: types.WaitError) void {
    fake.world.broken_waits = err;
}

/// Puts the clock forward and delivers what becomes due, timers and pages, in order of time.
pub fn advance(duration_ms: u64) void {
    const until_ms = fake.world.now_ms + duration_ms;
    deliverDue(until_ms);
    fake.world.now_ms = @max(fake.world.now_ms, until_ms);
}

/// More than this many outcomes in one step is taken for an endless loop.
const outcomes_max = 100_000;

fn deliverDue(until_ms: u64) void {
    for (0..outcomes_max) |_| {
        const id, const due = fake.world.nextDue(until_ms) orelse return;
        const template = due.page orelse {
            pending.deliver(id, .fired);
            continue;
        };
        const result = fake.copyResult(gpa, template) catch @panic("OOM");
        defer result.deinit(gpa);
        pending.deliver(id, .{ .page = result });
    }
    @panic("endless outcomes: does a callback ask for itself again without a delay?");
}

/// A connection alone, to call a protocol's handlers by hand: Twisted's `StringTransport`. Until `end`.
pub fn stringTransport() Transport {
    const id = fake.world.newId();
    const connection = gpa.create(fake.Connection) catch @panic("OOM");
    connection.* = .{};
    fake.world.connections.reserve(gpa) catch @panic("OOM");
    fake.world.connections.put(id, connection);
    return .{ .id = id };
}

/// What was done to a connection: what was written and is not taken yet, and whether it was closed, and how.
pub fn connectionOf(transport: Transport) *fake.Connection {
    return fake.world.connections.get(transport.id) orelse @panic("no connection of this test");
}

/// One instance of a guest that serves connections, as with isolation `service`. It must stay where it is while it has
/// peers. As with the real host, one handler runs at a time; what becomes due meanwhile is delivered when it has
/// returned.
pub fn Server(comptime Handler: type) type {
    return struct {
        inner: server.Server(Handler) = .{},

        const Self = @This();

        /// Starts an instance with these configuration values.
        pub fn start(config: []const types.Header) anyerror!Self {
            configure(config);
            var self: Self = .{};
            try self.inner.start(fake.world.config.items);
            return self;
        }

        /// Connects a peer, and runs `connectionMade`.
        pub fn connect(self: *Self) Peer {
            const transport = stringTransport();
            self.inner.connectionMade(transport.id);
            self.settle();
            return .{ .server = self, .transport = transport };
        }

        /// Puts the clock forward, and then ends the connections that callbacks closed.
        pub fn advance(self: *Self, duration_ms: u64) void {
            fakeAdvance(duration_ms);
            self.settle();
        }

        /// What the instance leaves to the one that takes its place; to be freed with `std.testing.allocator`.
        pub fn saveState(self: *Self) anyerror![]const u8 {
            return self.inner.saveState();
        }

        /// Hands over what another instance has saved, as the host does before the first connection.
        pub fn restoreState(self: *Self, state: []const u8) anyerror!void {
            return self.inner.restoreState(state);
        }

        /// Ends the instance in an orderly way: connections are lost as when the host is stopping, then `stopFactory`.
        pub fn stop(self: *Self) void {
            for (fake.world.connections.entries.items) |entry| self.lose(entry.id, .stopping);
            self.inner.stop();
        }

        /// The other end of a connection.
        pub const Peer = struct {
            server: *Self,
            /// What the guest's handlers are given.
            transport: Transport,

            /// Sends bytes that arrive in one piece. While the guest has paused reading they are kept for it.
            pub fn send(self: Peer, data: []const u8) void {
                self.connection().inbox.appendSlice(gpa, data) catch @panic("OOM");
                self.server.settle();
            }

            /// Sends bytes that arrive one at a time: a protocol must not depend on where the network cuts.
            pub fn sendBytewise(self: Peer, data: []const u8) void {
                for (data) |byte| self.send(&.{byte});
            }

            /// Half close: this peer will send no more, and runs `readClosed`.
            pub fn close(self: Peer) void {
                if (self.isDisconnected()) return;
                self.server.inner.readClosed(self.transport.id);
                self.server.settle();
            }

            /// Resets the connection: runs `connectionLost`.
            pub fn reset(self: Peer) void {
                self.server.lose(self.transport.id, .{ .lost = "reset by the fake peer" });
                self.server.settle();
            }

            /// What has been received and not forgotten.
            pub fn received(self: Peer) []const u8 {
                return self.connection().written.items;
            }

            /// Forgets what was received, which no longer counts as buffered.
            pub fn forget(self: Peer) void {
                self.connection().written.clearRetainingCapacity();
            }

            /// As `forget`, and then runs `drained`: a slow peer has caught up.
            pub fn drain(self: Peer) void {
                self.forget();
                if (self.isDisconnected()) return;
                self.server.inner.drained(self.transport.id);
                self.server.settle();
            }

            /// Whether `connectionLost` has been called.
            pub fn isDisconnected(self: Peer) bool {
                return self.connection().gone;
            }

            /// The guest's side, to see what was done to it.
            pub fn connection(self: Peer) *fake.Connection {
                return connectionOf(self.transport);
            }
        };

        /// After a handler: delivers what waits, until nothing does.
        fn settle(self: *Self) void {
            deliverDue(fake.world.now_ms);
            while (self.step()) deliverDue(fake.world.now_ms);
        }

        fn step(self: *Self) bool {
            for (fake.world.connections.entries.items) |entry| {
                const connection = entry.value;
                if (connection.gone) continue;
                if (connection.aborted) {
                    self.lose(entry.id, .aborted);
                } else if (connection.losing) {
                    self.lose(entry.id, .done);
                } else if (!connection.reading_paused and connection.inbox.items.len > 0) {
                    const data = connection.inbox.toOwnedSlice(gpa) catch @panic("OOM");
                    defer gpa.free(data);
                    self.inner.dataReceived(entry.id, data);
                } else continue;
                return true;
            }
            return false;
        }

        fn lose(self: *Self, id: u32, reason: types.CloseReason) void {
            const connection = fake.world.connections.get(id).?;
            if (connection.gone) return;
            connection.gone = true;
            self.inner.connectionLost(id, reason);
        }
    };
}

const fakeAdvance = advance;

/// Does as it is told, letter by letter, and notes in the log what happens.
const Obedient = struct {
    const log = @import("log.zig");

    pub fn connectionMade(_: *Obedient, transport: Transport) void {
        transport.write("hi ");
    }

    pub fn dataReceived(_: *Obedient, transport: Transport, data: []const u8) !void {
        log.write(.info, "data {s}", .{data});
        transport.writeMany(&.{ "<", data, ">" });
        switch (data[0]) {
            'q' => transport.loseConnection(),
            'a' => transport.abortConnection(),
            'h' => transport.shutdownWrite(),
            'e' => return error.Told,
            'p' => {
                transport.pauseReading();
                _ = try @import("time.zig").callLater(gpa, 1000, Transport.resumeReading, .{transport});
            },
            else => {},
        }
        transport.write("!");
    }

    pub fn drained(_: *Obedient, transport: Transport) void {
        log.write(.info, "drained {d}", .{transport.bufferedBytes()});
    }

    pub fn connectionLost(_: *Obedient, transport: Transport, reason: types.CloseReason) void {
        transport.write("nobody reads this");
        log.write(.info, "{f}", .{reason});
    }
};

test "handlers are called in the host's order" {
    begin();
    defer end();
    var one: Server(Obedient) = try .start(&.{});
    const peer = one.connect();
    peer.send("x");
    try std.testing.expectEqualStrings("hi <x>!", peer.received());
    try std.testing.expectEqual(7, peer.transport.bufferedBytes());
    peer.drain();
    peer.send("q");
    try std.testing.expect(peer.isDisconnected());
    try std.testing.expectEqualStrings("<q>", peer.received());
    peer.send("ignored");
    peer.close();
    _ = one.connect();
    one.stop();
    try std.testing.expectEqualStrings(
        "info data x\ninfo drained 0\ninfo data q\ninfo the connection was closed\ninfo the host is stopping\n",
        logged(),
    );
}

test "abort drops what is unsent, half close goes on receiving, an error aborts" {
    begin();
    defer end();
    var one: Server(Obedient) = try .start(&.{});
    defer one.stop();
    const aborted, const half, const told = .{ one.connect(), one.connect(), one.connect() };
    aborted.send("a");
    try std.testing.expect(aborted.isDisconnected() and aborted.connection().aborted);
    try std.testing.expectEqualStrings("", aborted.received());
    half.send("h");
    half.send("more");
    try std.testing.expectEqualStrings("hi <h>", half.received());
    half.close();
    try std.testing.expect(half.isDisconnected());
    told.send("e");
    try std.testing.expect(told.connection().aborted);
    try std.testing.expect(std.mem.find(u8, logged(), "error dataReceived has failed: Told\n") != null);
}

test "paused data arrives in one piece after resuming" {
    begin();
    defer end();
    var one: Server(Obedient) = try .start(&.{});
    defer one.stop();
    const peer = one.connect();
    peer.sendBytewise("pxy");
    try std.testing.expectEqualStrings("info data p\n", logged());
    one.advance(1000);
    try std.testing.expectEqualStrings("info data p\ninfo data xy\n", logged());
    peer.reset();
    peer.reset();
    try std.testing.expect(std.mem.endsWith(u8, logged(), "lost: reset by the fake peer\n"));
}

test "state is handed over" {
    const Counter = struct {
        visits: u8 = 0,

        pub const Protocol = Obedient;

        pub fn buildProtocol(self: *@This(), _: types.Address) Obedient {
            self.visits += 1;
            return .{};
        }

        pub fn saveState(self: *@This(), to: std.mem.Allocator) ![]const u8 {
            return to.dupe(u8, &.{ 1, self.visits });
        }

        pub fn restoreState(self: *@This(), state: []const u8) !void {
            if (state.len != 2 or state[0] != 1) return error.OtherVersion;
            self.visits = state[1];
        }
    };
    begin();
    defer end();
    var old: Server(Counter) = try .start(&.{});
    _ = old.connect();
    const state = try old.saveState();
    defer gpa.free(state);
    old.stop();
    var new: Server(Counter) = try .start(&.{});
    defer new.stop();
    try std.testing.expectError(error.OtherVersion, new.restoreState(""));
    try new.restoreState(state);
    _ = new.connect();
    try std.testing.expectEqual(2, new.inner.factory.?.visits);
    try std.testing.expect(!server.Server(Obedient).is_stateful);
}
