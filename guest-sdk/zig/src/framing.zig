//! Framing: cuts a stream into lines, netstrings or int32 frames, and makes such frames. Knows bytes only; what comes
//! of them the protocol decides.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Transport = @import("transport.zig").Transport;

/// The longest line without its end, unless told otherwise.
pub const line_max_bytes = 16 * 1024;
/// The longest payload of a netstring or an int32 frame, unless told otherwise.
pub const frame_max_bytes = 99_999;

/// Why a stream cannot be cut any further: lose the connection then.
pub const Error = error{
    /// More came than a line or a frame may have.
    TooLong,
    /// What came is no netstring.
    Malformed,
};

/// What has been received and is not yet dealt with. A protocol puts data in and takes lines or frames out; it may
/// change between the kinds at any frame's end:
///
/// ```zig
/// try self.input.push(data);
/// while (try self.input.line(.{})) |line| …
/// ```
///
/// What is taken is valid until the next `push`. Take until there is nothing more before the next one: the buffer is
/// bounded by the limits of the taking functions and one `dataReceived`.
pub const Input = struct {
    gpa: Allocator,
    buffer: std.ArrayList(u8) = .empty,
    /// What was taken so far.
    taken: usize = 0,
    /// How much of an incomplete line has been searched for its end.
    searched: usize = 0,

    pub fn init(gpa: Allocator) Input {
        return .{ .gpa = gpa };
    }

    pub fn deinit(self: *Input) void {
        self.buffer.deinit(self.gpa);
    }

    /// Adds what was received.
    pub fn push(self: *Input, data: []const u8) Allocator.Error!void {
        if (self.taken > 0) {
            const rest = self.buffered();
            std.mem.copyForwards(u8, self.buffer.items, rest);
            self.buffer.shrinkRetainingCapacity(rest.len);
            self.taken = 0;
        }
        try self.buffer.appendSlice(self.gpa, data);
    }

    /// What has not been taken yet.
    pub fn buffered(self: *const Input) []const u8 {
        return self.buffer.items[self.taken..];
    }

    /// Takes up to `max` bytes as they are; nothing when there are none.
    pub fn raw(self: *Input, max: usize) []const u8 {
        return self.take(@min(max, self.buffered().len));
    }

    pub const LineOptions = struct {
        delimiter: u8 = '\n',
        /// A carriage return before the delimiter is not part of the line.
        strip_return: bool = true,
        max_bytes: usize = line_max_bytes,
    };

    /// Takes the next line, without its end.
    pub fn line(self: *Input, options: LineOptions) error{TooLong}!?[]const u8 {
        const rest = self.buffered();
        const end = std.mem.findScalarPos(u8, rest, self.searched, options.delimiter) orelse {
            // One more, for the return before a delimiter that is still to come.
            if (rest.len > options.max_bytes +| 1) return error.TooLong;
            self.searched = rest.len;
            return null;
        };
        var text = self.take(end + 1)[0..end];
        if (options.strip_return and std.mem.endsWith(u8, text, "\r")) text = text[0 .. text.len - 1];
        if (text.len > options.max_bytes) return error.TooLong;
        return text;
    }

    /// Takes the next netstring's payload (`5:hello,`).
    pub fn netstring(self: *Input, max_bytes: usize) Error!?[]const u8 {
        const rest = self.buffered();
        // Ten digits are more than any limit.
        const digits = rest[0..@min(rest.len, 10)];
        const colon = std.mem.findScalar(u8, digits, ':') orelse {
            for (digits) |byte| if (!std.ascii.isDigit(byte)) return error.Malformed;
            if (digits.len == 10) return error.TooLong;
            if (digits.len > 1 and digits[0] == '0') return error.Malformed;
            return null;
        };
        if (colon == 0 or (colon > 1 and digits[0] == '0')) return error.Malformed;
        var length: usize = 0;
        for (digits[0..colon]) |byte| {
            if (!std.ascii.isDigit(byte)) return error.Malformed;
            length = length *| 10 +| (byte - '0');
        }
        if (length > max_bytes) return error.TooLong;
        if (rest.len < colon + 1 + length + 1) return null;
        const frame = self.take(colon + 1 + length + 1);
        if (frame[frame.len - 1] != ',') return error.Malformed;
        return frame[colon + 1 ..][0..length];
    }

    /// Takes the next int32 frame's payload: four bytes of length, big endian, and so many bytes.
    pub fn int32(self: *Input, max_bytes: usize) error{TooLong}!?[]const u8 {
        const rest = self.buffered();
        if (rest.len < 4) return null;
        const length = std.mem.readInt(u32, rest[0..4], .big);
        if (length > max_bytes) return error.TooLong;
        if (rest.len - 4 < length) return null;
        return self.take(4 + length)[4..];
    }

    fn take(self: *Input, count: usize) []const u8 {
        const start = self.taken;
        self.taken += count;
        self.searched = 0;
        return self.buffer.items[start..self.taken];
    }
};

/// Writes a netstring.
pub fn writeNetstring(transport: Transport, payload: []const u8) void {
    var buffer: [24]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    writer.print("{d}:", .{payload.len}) catch unreachable;
    transport.writeMany(&.{ writer.buffered(), payload, "," });
}

/// Writes an int32 frame.
pub fn writeInt32(transport: Transport, payload: []const u8) void {
    var length: [4]u8 = undefined;
    std.mem.writeInt(u32, &length, @intCast(payload.len), .big);
    transport.writeMany(&.{ &length, payload });
}

const testing = std.testing;

fn expectLines(expected: []const []const u8, data: []const u8, step: usize) !void {
    var input: Input = .init(testing.allocator);
    defer input.deinit();
    var count: usize = 0;
    var rest = data;
    while (rest.len > 0) {
        const piece = rest[0..@min(step, rest.len)];
        rest = rest[piece.len..];
        try input.push(piece);
        while (try input.line(.{})) |text| : (count += 1) try testing.expectEqualStrings(expected[count], text);
    }
    try testing.expectEqual(expected.len, count);
}

test "lines come out whole wherever they are cut" {
    for ([_]usize{ 1, 2, 3, 100 }) |step| {
        try expectLines(&.{ "one", "", "two", "\rthree" }, "one\n\r\ntwo\r\n\rthree\nrest", step);
    }
}

test "a line is bounded, with its end or without" {
    var input: Input = .init(testing.allocator);
    defer input.deinit();
    try input.push("abcd\r\nabcde\n");
    try testing.expectEqualStrings("abcd", (try input.line(.{ .max_bytes = 4 })).?);
    try testing.expectError(error.TooLong, input.line(.{ .max_bytes = 4 }));
    var endless: Input = .init(testing.allocator);
    defer endless.deinit();
    try endless.push("abcde");
    try testing.expectEqual(null, try endless.line(.{ .max_bytes = 4 }));
    try endless.push("f");
    try testing.expectError(error.TooLong, endless.line(.{ .max_bytes = 4 }));
}

test "netstrings are strict and bounded" {
    var input: Input = .init(testing.allocator);
    defer input.deinit();
    for ("5:hello,0:,3:a") |byte| try input.push(&.{byte});
    try testing.expectEqualStrings("hello", (try input.netstring(9)).?);
    try testing.expectEqualStrings("", (try input.netstring(9)).?);
    try testing.expectEqual(null, try input.netstring(9));
    for ([_][]const u8{ "x", ":", "01:a,", "00", "1:ab", "1x:a," }) |bad| {
        var other: Input = .init(testing.allocator);
        defer other.deinit();
        try other.push(bad);
        try testing.expectError(error.Malformed, other.netstring(9));
    }
    for ([_][]const u8{ "10:", "99999999999999" }) |long| {
        var other: Input = .init(testing.allocator);
        defer other.deinit();
        try other.push(long);
        try testing.expectError(error.TooLong, other.netstring(9));
    }
}

test "int32 frames are big endian and bounded, and kinds may change between frames" {
    var input: Input = .init(testing.allocator);
    defer input.deinit();
    for ("\x00\x00\x00\x02hi\x00\x00\x00\x00line\nrest") |byte| try input.push(&.{byte});
    try testing.expectEqualStrings("hi", (try input.int32(9)).?);
    try testing.expectEqualStrings("", (try input.int32(9)).?);
    try testing.expectEqualStrings("line", (try input.line(.{})).?);
    try testing.expectEqualStrings("re", input.raw(2));
    try testing.expectEqualStrings("st", input.raw(100));
    try input.push("\x00\x00\x00\x0a");
    try testing.expectError(error.TooLong, input.int32(9));
}
