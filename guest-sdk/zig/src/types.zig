//! Plain values that pass between host and guest. Their layout in memory is the contract's, so that lists of them are
//! never converted; what calls mean they do not know.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// Bytes or text as the canonical ABI lays them out.
pub const Bytes = extern struct {
    ptr: [*]const u8 = "",
    len: usize = 0,

    pub fn of(text: []const u8) Bytes {
        return .{ .ptr = text.ptr, .len = text.len };
    }

    pub fn slice(self: Bytes) []const u8 {
        return self.ptr[0..self.len];
    }

    pub fn deinit(self: Bytes, gpa: Allocator) void {
        gpa.free(self.slice());
    }
};

/// An HTTP header, or a key and its value in the configuration.
pub const Header = extern struct {
    name_bytes: Bytes,
    value_bytes: Bytes,

    /// Borrows both texts.
    pub fn of(header_name: []const u8, header_value: []const u8) Header {
        return .{ .name_bytes = .of(header_name), .value_bytes = .of(header_value) };
    }

    pub fn name(self: Header) []const u8 {
        return self.name_bytes.slice();
    }

    pub fn value(self: Header) []const u8 {
        return self.value_bytes.slice();
    }

    pub fn freeAll(gpa: Allocator, headers: []const Header) void {
        for (headers) |header| {
            header.name_bytes.deinit(gpa);
            header.value_bytes.deinit(gpa);
        }
        gpa.free(headers);
    }
};

/// One end of a connection. Formatted with `{f}` as `127.0.0.1:8000` or `[::1]:8000`.
pub const Address = struct {
    buffer: [64]u8,
    length: u8,
    /// The TCP port.
    port: u16,

    pub fn of(host_text: []const u8, port: u16) Address {
        var address: Address = .{ .buffer = undefined, .length = @intCast(host_text.len), .port = port };
        @memcpy(address.buffer[0..host_text.len], host_text);
        return address;
    }

    /// An IP address without brackets or port.
    pub fn host(self: *const Address) []const u8 {
        return self.buffer[0..self.length];
    }

    pub fn format(self: Address, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        const is_v6 = std.mem.findScalar(u8, self.host(), ':') != null;
        try if (is_v6) writer.print("[{s}]:{d}", .{ self.host(), self.port }) //
        else writer.print("{s}:{d}", .{ self.host(), self.port });
    }
};

/// Why a connection ended. Texts are valid until the handler returns. Formatted with `{f}` as a sentence.
pub const CloseReason = union(enum) {
    /// Closed in an orderly way, by either side, with everything written handed to the operating system.
    done,
    /// The operating system reported an error, such as a reset by the peer.
    lost: []const u8,
    /// This guest called `abortConnection`.
    aborted,
    /// Too much waited for the peer, or it waited for too long. The text names the limit.
    peer_not_reading: []const u8,
    /// The host is stopping, and the time that connections were given to finish is over.
    stopping,

    /// The contract's name for it, such as `peer-not-reading`.
    pub fn kind(self: CloseReason) []const u8 {
        switch (self) {
            inline else => |_, tag| return dashed(@tagName(tag)),
        }
    }

    pub fn format(self: CloseReason, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        switch (self) {
            .done => try writer.writeAll("the connection was closed"),
            .lost => |text| try writer.print("the connection was lost: {s}", .{text}),
            .aborted => try writer.writeAll("the connection was aborted"),
            .peer_not_reading => |text| try writer.print("the peer did not read: {s}", .{text}),
            .stopping => try writer.writeAll("the host is stopping"),
        }
    }
};

/// Why a wait or a sleep ended early. Return soon then, best with `try`: it is not logged as a fault.
pub const WaitError = error{
    /// The connection whose handler is running was lost. `connectionLost` comes next and tells why; every further wait
    /// in this handler ends with this error at once.
    ConnectionLost,
    /// There is nothing to wait for: it was cancelled, or has been delivered.
    UnknownId,
    /// The host is stopping.
    Stopping,
};

/// Why there is no response, as an error. `FetchFailure` has the texts.
pub const FetchError = error{
    Denied,
    InvalidRequest,
    Dns,
    Connect,
    Tls,
    Protocol,
    Timeout,
    TooLarge,
    TooManyRedirects,
    TooManyRequests,
};

/// Why there is no response, with its texts and numbers. Formatted with `{f}` as a sentence.
pub const FetchFailure = union(enum) {
    /// The operator has not granted this host; the text says what to grant.
    denied: []const u8,
    /// The URL, the method or a header is malformed, or the scheme is not `http` or `https`.
    invalid_request: []const u8,
    /// The name could not be resolved.
    dns: []const u8,
    /// No connection could be made, or it broke.
    connect: []const u8,
    /// The certificate could not be verified, or the TLS handshake failed.
    tls: []const u8,
    /// The peer does not speak HTTP properly.
    protocol: []const u8,
    /// It took longer than it may.
    timeout,
    /// The body is longer than this many bytes, the service's `page-max-bytes`.
    too_large: u64,
    /// More redirects than this.
    too_many_redirects: u32,
    /// More requests wait than this service may have; try later.
    too_many_requests: u32,

    /// The contract's name for it, such as `invalid-request`.
    pub fn kind(self: FetchFailure) []const u8 {
        switch (self) {
            inline else => |_, tag| return dashed(@tagName(tag)),
        }
    }

    pub fn toError(self: FetchFailure) FetchError {
        return switch (self) {
            .denied => error.Denied,
            .invalid_request => error.InvalidRequest,
            .dns => error.Dns,
            .connect => error.Connect,
            .tls => error.Tls,
            .protocol => error.Protocol,
            .timeout => error.Timeout,
            .too_large => error.TooLarge,
            .too_many_redirects => error.TooManyRedirects,
            .too_many_requests => error.TooManyRequests,
        };
    }

    pub fn deinit(self: FetchFailure, gpa: Allocator) void {
        switch (self) {
            .denied, .invalid_request, .dns, .connect, .tls, .protocol => |text| gpa.free(text),
            .timeout, .too_large, .too_many_redirects, .too_many_requests => {},
        }
    }

    pub fn format(self: FetchFailure, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        switch (self) {
            .denied => |text| try writer.print("denied: {s}", .{text}),
            .invalid_request => |text| try writer.print("invalid request: {s}", .{text}),
            .dns => |text| try writer.print("the name could not be resolved: {s}", .{text}),
            .connect => |text| try writer.print("no connection: {s}", .{text}),
            .tls => |text| try writer.print("TLS: {s}", .{text}),
            .protocol => |text| try writer.print("not proper HTTP: {s}", .{text}),
            .timeout => try writer.writeAll("the request timed out"),
            .too_large => |bytes| try writer.print("the page is longer than {d} bytes", .{bytes}),
            .too_many_redirects => |count| try writer.print("more than {d} redirects", .{count}),
            .too_many_requests => |count| try writer.print("more than {d} requests are waiting", .{count}),
        }
    }
};

/// A response of any status: a 404 is a page, not an error.
pub const Response = struct {
    /// The HTTP status, such as 200.
    status: u16,
    /// The headers as they came.
    headers: []const Header,
    /// At most the service's `page-max-bytes`.
    body: []const u8,
    /// Where the page came from, after redirects.
    url: []const u8,

    /// Whether the status is in the 200s.
    pub fn isSuccess(self: Response) bool {
        return self.status / 100 == 2;
    }

    /// The value of the first header of this name, whatever its case.
    pub fn header(self: Response, name: []const u8) ?[]const u8 {
        for (self.headers) |candidate| {
            if (std.ascii.eqlIgnoreCase(candidate.name(), name)) return candidate.value();
        }
        return null;
    }
};

/// What a fetch ends with.
pub const FetchResult = union(enum) {
    page: Response,
    failure: FetchFailure,

    /// The page, or the error. The failure's text stays in `failure`.
    pub fn get(self: FetchResult) FetchError!Response {
        return switch (self) {
            .page => |page| page,
            .failure => |failure| failure.toError(),
        };
    }

    /// Frees what `Fetch.wait` has allocated with `gpa`. Callbacks do not call it: what they are given is the
    /// package's.
    pub fn deinit(self: FetchResult, gpa: Allocator) void {
        switch (self) {
            .page => |page| {
                Header.freeAll(gpa, page.headers);
                gpa.free(page.body);
                gpa.free(page.url);
            },
            .failure => |failure| failure.deinit(gpa),
        }
    }
};

/// Tags are in Zig's style, the contract's names have dashes.
fn dashed(comptime tag: []const u8) []const u8 {
    const name = comptime name: {
        var name: [tag.len]u8 = undefined;
        for (&name, tag) |*to, from| to.* = if (from == '_') '-' else from;
        break :name name;
    };
    return &name;
}

test "names are the contract's" {
    const expectEqualStrings = std.testing.expectEqualStrings;
    try expectEqualStrings("peer-not-reading", (CloseReason{ .peer_not_reading = "" }).kind());
    try expectEqualStrings("lost", (CloseReason{ .lost = "" }).kind());
    try expectEqualStrings("too-many-redirects", (FetchFailure{ .too_many_redirects = 3 }).kind());
    try expectEqualStrings("too-many-requests", (FetchFailure{ .too_many_requests = 3 }).kind());
    try expectEqualStrings("timeout", FetchFailure.kind(.timeout));
}

test "values format as people read them" {
    try std.testing.expectFmt("[::1]:80", "{f}", .{Address.of("::1", 80)});
    try std.testing.expectFmt("127.0.0.1:80", "{f}", .{Address.of("127.0.0.1", 80)});
    try std.testing.expectFmt("the connection was lost: reset", "{f}", .{CloseReason{ .lost = "reset" }});
    try std.testing.expectFmt("denied: no", "{f}", .{FetchFailure{ .denied = "no" }});
}
