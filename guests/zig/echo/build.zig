//! How the echo guest is built; everything else is the package's.

const std = @import("std");
const wisted = @import("wisted");

pub fn build(b: *std.Build) void {
    wisted.addGuest(b, .{ .name = "echo", .root_source_file = b.path("src/echo.zig") });
}
