//! A small map by id, for ids that the host gives in ascending order. Knows nothing of what it holds.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// Pairs sorted by id: inserting appends, finding is a binary search. An instance with one connection touches a few
/// bytes.
pub fn Table(comptime Value: type) type {
    return struct {
        entries: std.ArrayList(Entry) = .empty,

        const Self = @This();
        const Entry = struct { id: u32, value: Value };

        pub fn get(self: *const Self, id: u32) ?Value {
            const at = self.place(id);
            return if (self.has(at, id)) self.entries.items[at].value else null;
        }

        /// Makes room, so that the next `put` cannot fail.
        pub fn reserve(self: *Self, gpa: Allocator) Allocator.Error!void {
            try self.entries.ensureUnusedCapacity(gpa, 1);
        }

        /// Adds a value under an id that is not in use.
        pub fn put(self: *Self, id: u32, value: Value) void {
            self.entries.insertAssumeCapacity(self.place(id), .{ .id = id, .value = value });
        }

        pub fn remove(self: *Self, id: u32) ?Value {
            const at = self.place(id);
            return if (self.has(at, id)) self.entries.orderedRemove(at).value else null;
        }

        pub fn deinit(self: *Self, gpa: Allocator) void {
            self.entries.deinit(gpa);
            self.* = .{};
        }

        fn has(self: *const Self, at: usize, id: u32) bool {
            return at < self.entries.items.len and self.entries.items[at].id == id;
        }

        fn place(self: *const Self, id: u32) usize {
            var low: usize = 0;
            var high = self.entries.items.len;
            while (low < high) {
                const middle = low + (high - low) / 2;
                if (self.entries.items[middle].id < id) low = middle + 1 else high = middle;
            }
            return low;
        }
    };
}

test "what is put is found until it is removed" {
    const gpa = std.testing.allocator;
    var table: Table(u32) = .{};
    defer table.deinit(gpa);
    for ([_]u32{ 1, 2, 5, 9, 3 }) |id| {
        try table.reserve(gpa);
        table.put(id, id * 10);
    }
    try std.testing.expectEqual(20, table.remove(2));
    try std.testing.expectEqual(null, table.remove(2));
    for ([_]u32{ 1, 3, 5, 9 }) |id| try std.testing.expectEqual(id * 10, table.get(id));
    for ([_]u32{ 0, 2, 4, 10 }) |id| try std.testing.expectEqual(null, table.get(id));
}
