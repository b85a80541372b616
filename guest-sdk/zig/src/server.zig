//! One instance's factory and its protocols by connection: calls the user's handlers, knows nothing of where calls come
//! from. The exports drive it in a guest, `testing` natively.

const std = @import("std");
const host = @import("host.zig");
const log = @import("log.zig");
const Table = @import("table.zig").Table;
const Config = @import("config.zig").Config;
const Transport = @import("transport.zig").Transport;
const types = @import("types.zig");

/// What an exported factory runs as, or a protocol that is its own factory.
pub fn Server(comptime Handler: type) type {
    const Factory = if (@hasDecl(Handler, "Protocol")) Handler else Own(Handler);
    const Protocol = Factory.Protocol;
    if (!@hasDecl(Protocol, "dataReceived")) {
        @compileError(@typeName(Protocol) ++ " is no protocol: it has no `pub fn dataReceived`");
    }
    if (@hasDecl(Factory, "saveState") != @hasDecl(Factory, "restoreState")) {
        @compileError(@typeName(Factory) ++ " has one of `saveState` and `restoreState`, and needs both or neither");
    }

    return struct {
        factory: ?Factory = null,
        protocols: Table(*Protocol) = .{},

        /// Whether what it serves outlives a build.
        pub const is_stateful = @hasDecl(Factory, "saveState");

        const Self = @This();

        pub fn start(self: *Self, config: []const types.Header) anyerror!void {
            self.factory = try begin(Factory, "startFactory", .{ .entries = config });
        }

        pub fn stop(self: *Self) void {
            if (self.factory) |*factory| {
                if (@hasDecl(Factory, "stopFactory")) factory.stopFactory();
            }
            self.factory = null;
            self.protocols.deinit(host.allocator);
        }

        /// For whoever calls it to free, with the instance's allocator.
        pub fn saveState(self: *Self) anyerror![]const u8 {
            if (!is_stateful) return "";
            return self.factory.?.saveState(host.allocator);
        }

        pub fn restoreState(self: *Self, state: []const u8) anyerror!void {
            if (!is_stateful) return;
            return self.factory.?.restoreState(state);
        }

        pub fn connectionMade(self: *Self, id: u32) void {
            const transport: Transport = .{ .id = id };
            const protocol = self.build(transport) catch |err| {
                return give(transport, "buildProtocol", @as(anyerror!void, err));
            };
            if (@hasDecl(Protocol, "connectionMade")) {
                give(transport, "connectionMade", protocol.connectionMade(transport));
            }
        }

        pub fn dataReceived(self: *Self, id: u32, data: []const u8) void {
            const protocol = self.protocols.get(id) orelse return;
            const transport: Transport = .{ .id = id };
            give(transport, "dataReceived", protocol.dataReceived(transport, data));
        }

        pub fn readClosed(self: *Self, id: u32) void {
            const transport: Transport = .{ .id = id };
            if (!@hasDecl(Protocol, "readClosed")) return transport.loseConnection();
            const protocol = self.protocols.get(id) orelse return;
            give(transport, "readClosed", protocol.readClosed(transport));
        }

        pub fn drained(self: *Self, id: u32) void {
            if (!@hasDecl(Protocol, "drained")) return;
            const protocol = self.protocols.get(id) orelse return;
            const transport: Transport = .{ .id = id };
            give(transport, "drained", protocol.drained(transport));
        }

        pub fn connectionLost(self: *Self, id: u32, reason: types.CloseReason) void {
            const protocol = self.protocols.remove(id) orelse return;
            defer host.allocator.destroy(protocol);
            const transport: Transport = .{ .id = id };
            if (@hasDecl(Protocol, "connectionLost")) {
                give(transport, "connectionLost", protocol.connectionLost(transport, reason));
            }
            if (@hasDecl(Protocol, "deinit")) protocol.deinit();
        }

        fn build(self: *Self, transport: Transport) !*Protocol {
            const gpa = host.allocator;
            try self.protocols.reserve(gpa);
            const protocol = try gpa.create(Protocol);
            errdefer gpa.destroy(protocol);
            // What a factory cannot fail at is no error union.
            const built: anyerror!Protocol = self.factory.?.buildProtocol(transport.peer());
            protocol.* = try built;
            self.protocols.put(transport.id, protocol);
            return protocol;
        }
    };
}

/// What an exported program runs as.
pub fn Runner(comptime Program: type) type {
    if (!@hasDecl(Program, "execute")) {
        @compileError(@typeName(Program) ++ " is no program: it has no `pub fn execute`");
    }

    return struct {
        program: ?Program = null,

        const Self = @This();

        pub fn start(self: *Self, config: []const types.Header) anyerror!void {
            self.program = try begin(Program, "start", .{ .entries = config });
        }

        pub fn execute(self: *Self) anyerror!void {
            return self.program.?.execute();
        }

        pub fn stop(self: *Self) void {
            if (self.program) |*program| {
                if (@hasDecl(Program, "stop")) program.stop();
            }
            self.program = null;
        }
    };
}

/// A protocol that is its own factory: a new one for each connection.
fn Own(comptime P: type) type {
    return struct {
        pub const Protocol = P;

        pub fn buildProtocol(_: *@This(), _: types.Address) anyerror!P {
            return if (@hasDecl(P, "init")) P.init(host.allocator) else .{};
        }

        pub fn stopFactory(_: *@This()) void {
            if (@hasDecl(P, "stopFactory")) P.stopFactory();
        }
    };
}

fn begin(comptime Type: type, comptime name: []const u8, config: Config) anyerror!Type {
    return if (@hasDecl(Type, name)) @field(Type, name)(host.allocator, config) else .{};
}

/// A handler's error ends its own connection and nobody else's.
fn give(transport: Transport, comptime handler: []const u8, result: anytype) void {
    if (@typeInfo(@TypeOf(result)) != .error_union) return;
    result catch |err| {
        log.handlerFailed(handler, err);
        transport.abortConnection();
    };
}
