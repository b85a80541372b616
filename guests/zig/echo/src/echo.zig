//! Twisted's Echo server: sends back what it receives, and knows nothing else.

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

test "it sends back what it receives, wherever it is cut, and closes when the peer does" {
    const testing = wisted.testing;
    testing.begin();
    defer testing.end();
    var server: testing.Server(Echo) = try .start(&.{});
    defer server.stop();
    const one, const two = .{ server.connect(), server.connect() };
    one.sendBytewise("hello");
    two.send("\x00\xff");
    try std.testing.expectEqualStrings("hello", one.received());
    try std.testing.expectEqualStrings("\x00\xff", two.received());
    one.close();
    try std.testing.expect(one.isDisconnected());
}
