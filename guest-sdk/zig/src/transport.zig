//! A connection as its protocol sees it; knows nothing of protocols.

const std = @import("std");
const door = @import("host.zig").imports;
const Address = @import("types.zig").Address;

/// A handle on one connection: Twisted's `ITCPTransport`.
///
/// It is as cheap as a number: copy it and keep it, for instance so that one connection can write to another. It may
/// outlive its connection: on a connection that is lost every method does nothing. Nothing here blocks, fails or calls
/// a protocol back; what happened is told later, through `connectionLost` at the latest.
pub const Transport = struct {
    /// The number of this connection within the instance: 1 for the first, and so on.
    id: u32,

    /// Queues `data` for the peer, in order; it is copied. What cannot be sent is dropped with the connection. More
    /// than the service's `write-buffer-max-bytes` in one handler traps: produce in portions and go on in `drained`.
    pub fn write(self: Transport, data: []const u8) void {
        door.write(self.id, data);
    }

    /// Queues several pieces as if each had been written in turn; costs less than many writes. Twisted's
    /// `writeSequence`.
    pub fn writeMany(self: Transport, pieces: []const []const u8) void {
        door.writeMany(self.id, pieces);
    }

    /// Queues formatted text, of up to 1024 bytes; longer text is cut.
    pub fn print(self: Transport, comptime format: []const u8, args: anytype) void {
        var buffer: [1024]u8 = undefined;
        var writer: std.Io.Writer = .fixed(&buffer);
        writer.print(format, args) catch {};
        self.write(writer.buffered());
    }

    /// Closes the connection once everything written so far is sent. No more data is received, later writes are
    /// ignored, and `connectionLost` follows.
    pub fn loseConnection(self: Transport) void {
        door.loseConnection(self.id);
    }

    /// Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave.
    pub fn abortConnection(self: Transport) void {
        door.abortConnection(self.id);
    }

    /// Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and goes on
    /// receiving. Later writes are ignored.
    pub fn shutdownWrite(self: Transport) void {
        door.shutdownWrite(self.id);
    }

    /// Stops `dataReceived` until `resumeReading`. The peer is slowed down, nothing is lost.
    pub fn pauseReading(self: Transport) void {
        door.pauseReading(self.id);
    }

    /// Undoes `pauseReading`.
    pub fn resumeReading(self: Transport) void {
        door.resumeReading(self.id);
    }

    /// The address of the peer.
    pub fn peer(self: Transport) Address {
        return door.peer(self.id);
    }

    /// The address on this side that the peer connected to.
    pub fn host(self: Transport) Address {
        return door.host(self.id);
    }

    /// How many bytes were written and are not yet with the operating system. To be asked before writing much: a slow
    /// peer's connection is ended when too much waits for it.
    pub fn bufferedBytes(self: Transport) u64 {
        return door.bufferedBytes(self.id);
    }
};
