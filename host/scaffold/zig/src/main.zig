//! A protocol: sends back what it receives.

const std = @import("std");
const wisted = @import("wisted");

const Echo = struct {
    pub fn dataReceived(_: *Echo, transport: wisted.Transport, data: []const u8) void {
        transport.write(data);
    }
};

comptime {
    wisted.exportProtocol(Echo);
}

test "it sends back what it receives, wherever it is cut" {
    const testing = wisted.testing;
    testing.begin();
    defer testing.end();
    var server: testing.Server(Echo) = try .start(&.{});
    defer server.stop();
    const peer = server.connect();
    peer.sendBytewise("hello");
    try std.testing.expectEqualStrings("hello", peer.received());
}
