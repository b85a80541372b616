//! Errors with a text, for `startFactory`, `start` and `execute`, whose errors the operator reads.

const std = @import("std");

/// The longest text; the rest is cut.
const text_max_bytes = 1024;

var buffer: [text_max_bytes]u8 = undefined;
var text: []const u8 = "";

/// Makes an error that says something: `return wisted.fail("no such file: {s}", .{name});`. The text replaces that of
/// an earlier `fail`. Other errors are told by their names.
pub fn fail(comptime format: []const u8, args: anytype) error{Failed} {
    var writer: std.Io.Writer = .fixed(&buffer);
    writer.print(format, args) catch {};
    text = writer.buffered();
    return error.Failed;
}

/// What to tell the operator of an error. Valid until the next `fail`.
pub fn textOf(err: anyerror) []const u8 {
    return if (err == error.Failed and text.len > 0) text else @errorName(err);
}

test "an error has its text" {
    try std.testing.expectEqualStrings("OutOfMemory", textOf(error.OutOfMemory));
    try std.testing.expectEqualStrings("no 7", textOf(fail("no {d}", .{7})));
    const long: [2000]u8 = @splat('x');
    try std.testing.expectEqual(text_max_bytes, textOf(fail("{s}", .{long})).len);
}
