//! Protocols and programs for the Wisted reactor, in Zig: this file is the map of the package and knows no more than
//! names.
//!
//! All of an echo server:
//!
//! ```zig
//! const wisted = @import("wisted");
//!
//! const Echo = struct {
//!     pub fn dataReceived(_: *Echo, transport: wisted.Transport, data: []const u8) void {
//!         transport.write(data);
//!     }
//! };
//!
//! comptime {
//!     wisted.exportProtocol(Echo);
//! }
//! ```
//!
//! From the outside to the inside:
//!
//! - `exportProtocol` and `exportProgram` make a guest of a type; its build.zig calls `addGuest` of this package.
//! - A `Transport` is a protocol's handle on its connection: two words, to be copied and kept freely.
//! - What takes time is called back (`callLater`, `Fetch.then`) or waited for (`sleep`, `Fetch.wait`, `Call.wait`),
//! which   suspends this guest and nobody else.
//! - `framing` cuts the stream into lines, netstrings and int32 frames. `std.log` writes the host's log records.
//! - `testing` has the fakes: natively the same code runs against a fake transport, clock and web.
//!
//! The host runs one handler of an instance at a time, also when it waits: no locks are needed. Functions here never
//! call back into a protocol, but for `Fetch.finish` and `Call.wait`, which run the very callback that they wait for.

const std = @import("std");
const builtin = @import("builtin");
const host = @import("host.zig");
const server = @import("server.zig");

pub const Transport = @import("transport.zig").Transport;
pub const Address = @import("types.zig").Address;
pub const CloseReason = @import("types.zig").CloseReason;
pub const WaitError = @import("types.zig").WaitError;

pub const callLater = @import("time.zig").callLater;
pub const after = @import("time.zig").after;
pub const Call = @import("time.zig").Call;
pub const sleep = @import("time.zig").sleep;
pub const now = @import("time.zig").now;

pub const getPage = @import("web.zig").getPage;
pub const request = @import("web.zig").request;
pub const Request = @import("web.zig").Request;
pub const Fetch = @import("web.zig").Fetch;
pub const Header = @import("types.zig").Header;
pub const Response = @import("types.zig").Response;
pub const FetchResult = @import("types.zig").FetchResult;
pub const FetchFailure = @import("types.zig").FetchFailure;
pub const FetchError = @import("types.zig").FetchError;

pub const framing = @import("framing.zig");
pub const config = @import("config.zig");
pub const Config = config.Config;
pub const log = @import("log.zig");
pub const fail = @import("failure.zig").fail;

/// The allocator of an instance, as handlers' `init`, `startFactory` and `start` are given it. Pass it on explicitly.
pub const allocator = host.allocator;

/// Randomness from the operating system, fit for keys, through Zig's own interface.
pub const random: std.Random = .{ .ptr = @constCast(&{}), .fillFn = fillRandom };

/// The fakes for unit tests; natively only.
pub const testing = if (is_guest) @compileError("wisted.testing exists natively only") else @import("testing.zig");

/// Whether this is compiled for the host's sandbox rather than natively for tests.
pub const is_guest = builtin.target.cpu.arch.isWasm();

/// Exports a protocol, or a factory of protocols, as the guest. Call it once, in a `comptime` block of the guest's root
/// file. Natively it only checks the type.
///
/// A protocol is a struct with these declarations, of which only `dataReceived` is mandatory. Each handler may return
/// `void` or `!void`: an error is logged and aborts that connection alone.
///
/// ```zig
/// pub fn init(gpa: std.mem.Allocator) Protocol        // default: `.{}`
/// pub fn connectionMade(self: *Protocol, transport: Transport) !void
/// pub fn dataReceived(self: *Protocol, transport: Transport, data: []const u8) !void
/// pub fn readClosed(self: *Protocol, transport: Transport) !void          // default: closes
/// pub fn drained(self: *Protocol, transport: Transport) !void
/// pub fn connectionLost(self: *Protocol, transport: Transport, reason: CloseReason) !void
/// pub fn deinit(self: *Protocol) void                 // after connectionLost
/// pub fn stopFactory() void                           // after everything else, for want of a factory
/// ```
///
/// `data` is valid until the handler returns, never empty, and cut wherever the network cut it.
///
/// A factory is a struct with a declaration `Protocol`. There is one in each instance: with isolation `connection` one
/// for each connection, with isolation `service` one for all of them, which is where protocols share state.
///
/// ```zig
/// pub const Protocol = ...;
/// pub fn startFactory(gpa: std.mem.Allocator, config: Config) !Factory   // default: `.{}`; see also `fail`
/// pub fn buildProtocol(self: *Factory, peer: Address) !Protocol
/// pub fn stopFactory(self: *Factory) void             // the instance ends in an orderly way; not after a trap
/// ```
///
/// A factory with these two declarations hands its state to the one that takes its place, when there is a new build or
/// its instance has served enough. It is for isolation `service`.
///
/// ```zig
/// pub fn saveState(self: *Factory, gpa: std.mem.Allocator) ![]const u8   // at most 16 MiB; allocated with `gpa`
/// pub fn restoreState(self: *Factory, state: []const u8) !void           // `state` is borrowed; see also `fail`
/// ```
///
/// `saveState` is called once the new instance has started. The old one goes on serving its open connections, but what
/// changes from then on is not handed over. An error of it is a trap. `restoreState` is called after `startFactory` and
/// before the first connection, and with an error the old instance stays in its place. The state may be another build's:
/// say in it which version it is.
pub fn exportProtocol(comptime Handler: type) void {
    const Server = server.Server(Handler);
    if (is_guest) @import("exports.zig").connections(Server) else std.testing.refAllDecls(Server);
}

/// Exports a program, which runs by itself without sockets, as the guest. Otherwise as `exportProtocol`.
///
/// ```zig
/// pub fn start(gpa: std.mem.Allocator, config: Config) !Program          // default: `.{}`; see also `fail`
/// pub fn execute(self: *Program) !void    // once; the host goes on until nothing is pending, then exits with 0 or 1
/// pub fn stop(self: *Program) void
/// ```
pub fn exportProgram(comptime Program: type) void {
    const Runner = server.Runner(Program);
    if (is_guest) @import("exports.zig").program(Runner) else std.testing.refAllDecls(Runner);
}

fn fillRandom(_: *anyopaque, buffer: []u8) void {
    var rest = buffer;
    while (rest.len > 0) {
        // More at once traps.
        const part = rest[0..@min(rest.len, 65_536)];
        host.imports.randomBytes(part);
        rest = rest[part.len..];
    }
}

test {
    std.testing.refAllDecls(@This());
    _ = @import("table.zig");
    _ = @import("pending.zig");
}

test "random bytes fill any buffer" {
    var buffer: [100_000]u8 = @splat(0);
    random.bytes(&buffer);
    try std.testing.expect(!std.mem.allEqual(u8, buffer[90_000..], 0));
}
