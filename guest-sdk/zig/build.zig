//! How guests are built with this package, and its own tests. Knows no guest.

const std = @import("std");

pub const GuestOptions = struct {
    /// What the file is called: `zig-out/bin/NAME.wasm`.
    name: []const u8,
    /// The file that calls `exportProtocol` or `exportProgram`.
    root_source_file: std.Build.LazyPath,
    /// For a guest that is to be checked at run time: `.safe`. `.small` is half as large and as fast.
    optimize: std.builtin.Optimize = .safe,
};

/// To be called once, by a guest's own build.zig: adds the guest to the install step as a core module, of which
/// `wisted build` makes a component, and its tests, which run natively, as the step `test`.
pub fn addGuest(b: *std.Build, options: GuestOptions) void {
    const package = b.dependencyFromBuildZig(@This(), .{});
    const exe = b.addExecutable(.{
        .name = options.name,
        .root_module = b.createModule(.{
            .root_source_file = package.path("src/root.zig"),
            .target = b.resolveTargetQuery(.{
                .cpu_arch = .wasm32,
                .os_tag = .freestanding,
                // Loops over bytes become several times as fast.
                .cpu_features_add = std.Target.wasm.featureSet(&.{.simd128}),
            }),
            .optimize = b.option(std.builtin.Optimize, "optimize", "How the guest is compiled") orelse options.optimize,
            // Names only: the host prints them when a guest traps.
            .strip = false,
            .single_threaded = true,
        }),
    });
    const wisted = package.module("wisted");
    const guest = b.createModule(.{ .root_source_file = options.root_source_file });
    guest.addImport("wisted", wisted);
    exe.root_module.addImport("wisted", wisted);
    exe.root_module.addImport("guest", guest);
    exe.entry = .disabled;
    exe.rdynamic = true;
    // An instance begins with as little memory as it can.
    exe.stack_size = stack_bytes;
    b.installArtifact(exe);

    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = options.root_source_file,
        .target = b.graph.host,
    }) });
    tests.root_module.addImport("wisted", wisted);
    b.step("test", "Run the guest's tests natively").dependOn(&b.addRunArtifact(tests).step);
}

/// Its last KiB shares a page of 4 KiB with the static data, which every instance touches.
const stack_bytes = 61 * 1024;

pub fn build(b: *std.Build) void {
    const wisted = b.addModule("wisted", .{ .root_source_file = b.path("src/wisted.zig") });
    _ = wisted;
    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = b.path("src/wisted.zig"),
        .target = b.graph.host,
    }) });
    b.step("test", "Run the package's tests natively").dependOn(&b.addRunArtifact(tests).step);
}
