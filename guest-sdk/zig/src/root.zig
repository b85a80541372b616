//! The root of every guest: gives Zig this package's log and panic, and takes the guest itself in as the module
//! `guest`.

const std = @import("std");
const guest = @import("guest");
const wisted = @import("wisted");

/// A guest may declare its own.
pub const std_options: std.Options = if (@hasDecl(guest, "std_options")) guest.std_options else .{
    .logFn = wisted.log.logFn,
    // The host's operator filters.
    .log_level = .debug,
};

pub const panic = std.debug.FullPanic(wisted.log.panic);

comptime {
    _ = guest;
}
