//! What wasmtime generates from the WIT contract, and nothing else: imports, and exports to be called on a fiber.

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package wisted:host;
        world host {
            include wisted:reactor/imports@0.1.0;
            export wisted:reactor/connection-handler@0.1.0;
            export wisted:reactor/half-close-handler@0.1.0;
            export wisted:reactor/flow-handler@0.1.0;
            export wisted:reactor/lifecycle-handler@0.1.0;
            export wisted:reactor/program@0.1.0;
            export wisted:reactor/timer-handler@0.1.0;
            export wisted:reactor/page-handler@0.1.0;
            export wisted:reactor/state-handler@0.1.0;
        }
    ",
    world: "wisted:host/host",
    imports: {
        "wisted:reactor/timers.sleep": async | trappable,
        "wisted:reactor/pending.wait": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

/// The same exports, to be called without a fiber.
pub mod plain {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package wisted:host;
            world plain {
                export wisted:reactor/connection-handler@0.1.0;
                export wisted:reactor/half-close-handler@0.1.0;
                export wisted:reactor/flow-handler@0.1.0;
                export wisted:reactor/lifecycle-handler@0.1.0;
                export wisted:reactor/program@0.1.0;
                export wisted:reactor/timer-handler@0.1.0;
                export wisted:reactor/page-handler@0.1.0;
                export wisted:reactor/state-handler@0.1.0;
            }
        ",
        world: "wisted:host/plain",
        with: {
            "wisted:reactor/types@0.1.0": super::wisted::reactor::types,
            "wisted:reactor/web@0.1.0": super::wisted::reactor::web,
        },
    });
}
