//! Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.

const std = @import("std");
const wisted = @import("wisted");
const Allocator = std.mem.Allocator;

/// What happens at one event: a pointer to any struct with a `name` and, unless it forgets it, an `execute`.
const Handler = struct {
    context: *const anyopaque,
    call: *const fn (*const anyopaque) anyerror!void,

    fn of(handler: anytype) Handler {
        const Type = @typeInfo(@TypeOf(handler)).pointer.child;
        return .{
            .context = handler,
            .call = struct {
                fn call(context: *const anyopaque) anyerror!void {
                    const self: *const Type = @ptrCast(@alignCast(context));
                    // Every handler has its own; one that forgets it is told so.
                    if (@hasDecl(Type, "execute")) return self.execute();
                    return wisted.fail("the handler `{s}` does nothing: you must override execute", .{self.name});
                }
            }.call,
        };
    }
};

/// The handlers, in the order in which they were registered.
const Events = struct {
    handlers: std.ArrayList(Handler) = .empty,

    fn register(self: *Events, gpa: Allocator, handler: anytype) Allocator.Error!void {
        try self.handlers.append(gpa, .of(handler));
    }

    /// Executes each handler in turn. The first error ends the run.
    fn run(self: *const Events) anyerror!void {
        for (self.handlers.items) |handler| try handler.call(handler.context);
    }
};

/// A handler that says its line.
const Say = struct {
    name: []const u8,
    line: []const u8,

    pub fn execute(self: *const Say) void {
        std.log.info("{s}: {s}", .{ self.name, self.line });
    }
};

/// A handler that does not override `execute`.
const Forgetful = struct { name: []const u8 = "forgetful" };

const story = [_]Say{
    .{ .name = "oath", .line = "the guard swears to keep the king" },
    .{ .name = "doubt", .line = "the king calls for fire" },
    .{ .name = "deed", .line = "the guard draws his sword" },
};
const forgetful: Forgetful = .{};

const Kingslayer = struct {
    gpa: Allocator,
    events: Events = .{},

    pub fn start(gpa: Allocator, config: wisted.Config) !Kingslayer {
        var self: Kingslayer = .{ .gpa = gpa };
        for (&story) |*say| try self.events.register(gpa, say);
        const forget = config.get("forget") orelse "false";
        if (std.mem.eql(u8, forget, "true")) try self.events.register(gpa, &forgetful);
        return self;
    }

    pub fn execute(self: *Kingslayer) !void {
        try self.events.run();
    }

    pub fn stop(self: *Kingslayer) void {
        self.events.handlers.deinit(self.gpa);
    }
};

comptime {
    wisted.exportProgram(Kingslayer);
}

test "handlers run in the order of their registration until one fails" {
    const gpa = std.testing.allocator;
    const Note = struct {
        letter: u8,
        notes: *std.ArrayList(u8),

        pub fn execute(self: *const @This()) !void {
            try self.notes.append(std.testing.allocator, self.letter);
        }
    };
    var notes: std.ArrayList(u8) = .empty;
    defer notes.deinit(gpa);
    var events: Events = .{};
    defer events.handlers.deinit(gpa);
    for ([_]*const Note{ &.{ .letter = 'b', .notes = &notes }, &.{ .letter = 'a', .notes = &notes } }) |note| {
        try events.register(gpa, note);
    }
    try events.run();
    try std.testing.expectEqualStrings("ba", notes.items);
    try events.register(gpa, &forgetful);
    try events.register(gpa, &Note{ .letter = 'c', .notes = &notes });
    try std.testing.expectError(error.Failed, events.run());
    try std.testing.expectEqualStrings("baba", notes.items);
}

test "the story is told, and a handler without execute is named" {
    const testing = wisted.testing;
    testing.begin();
    defer testing.end();
    var told = try Kingslayer.start(std.testing.allocator, .{ .entries = &.{} });
    defer told.stop();
    try told.execute();
    var forgotten = try Kingslayer.start(std.testing.allocator, .{ .entries = &.{.of("forget", "true")} });
    defer forgotten.stop();
    try std.testing.expectError(error.Failed, forgotten.execute());
}
