//! The operator's configuration values (`--config KEY=VALUE`); knows nothing of what they mean.

const std = @import("std");
const Allocator = std.mem.Allocator;
const host = @import("host.zig");
const Header = @import("types.zig").Header;

/// The value of `key`, if the operator gave one; it is the caller's, in `gpa`'s memory. To be called from anywhere, at
/// any time: the values don't change while an instance lives.
pub fn get(gpa: Allocator, key: []const u8) ?[]const u8 {
    return host.imports.configGet(gpa, key);
}

/// All values, sorted by key; the caller's: `deinit` them.
pub fn all(gpa: Allocator) Config {
    return .{ .entries = host.imports.configAll(gpa) };
}

/// The configuration as `startFactory` and `start` are given it, valid until they return.
pub const Config = struct {
    /// Keys and values in the order of the keys.
    entries: []const Header,

    /// The value of `key`, if there is one.
    pub fn get(self: Config, key: []const u8) ?[]const u8 {
        for (self.entries) |entry| {
            if (std.mem.eql(u8, entry.name(), key)) return entry.value();
        }
        return null;
    }

    /// Frees what `all` has allocated with `gpa`.
    pub fn deinit(self: Config, gpa: Allocator) void {
        Header.freeAll(gpa, self.entries);
    }
};

test "values are found by key" {
    const testing = @import("testing.zig");
    testing.begin();
    defer testing.end();
    const gpa = std.testing.allocator;
    testing.configure(&.{ .of("b", "2"), .of("a", "1") });
    const value = get(gpa, "a").?;
    defer gpa.free(value);
    try std.testing.expectEqualStrings("1", value);
    try std.testing.expectEqual(null, get(gpa, "c"));
    const values = all(gpa);
    defer values.deinit(gpa);
    try std.testing.expectEqualStrings("2", values.get("b").?);
    try std.testing.expectEqualStrings("a", values.entries[0].name());
}
