//! How the guest is built and tested; the rest is in wisted-sdk/build.zig.

const std = @import("std");
const wisted = @import("wisted");

pub fn build(b: *std.Build) void {
    wisted.addGuest(b, .{ .name = "{{name}}", .root_source_file = b.path("src/main.zig") });
}
