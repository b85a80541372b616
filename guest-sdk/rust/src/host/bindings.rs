//! The generated bindings, and nothing else. Types are this crate's own.
//!
//! The contract's worlds `protocol` and `standalone` share three handler interfaces, and one crate can generate an
//! interface's export macro only once. So the worlds are generated in parts, each interface once, and `export!` and
//! `export_program!` put together the parts that make up either world.
#![allow(unsafe_code, missing_docs, clippy::all, reason = "generated")]

mod imports {
    wit_bindgen::generate!({
        path: "wit",
        world: "imports",
        // Pieces are passed as `&[&[u8]]` this way, and no piece is copied before the host takes it.
        ownership: Borrowing { duplicate_if_necessary: false },
        with: {
            "wisted:reactor/types@0.1.0/address": crate::Address,
            "wisted:reactor/types@0.1.0/close-reason": crate::CloseReason,
            "wisted:reactor/types@0.1.0/wait-error": crate::WaitError,
            "wisted:reactor/web@0.1.0/header": crate::Header,
            "wisted:reactor/web@0.1.0/request": crate::host::RequestParts,
            "wisted:reactor/web@0.1.0/response": crate::Response,
            "wisted:reactor/web@0.1.0/fetch-error": crate::FetchError,
            "wisted:reactor/logging@0.1.0/level": crate::log::Level,
        },
        generate_all,
    });
}

/// What only the world `protocol` exports.
pub mod connections {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package wisted:guest;
            world connections {
                export wisted:reactor/connection-handler@0.1.0;
                export wisted:reactor/half-close-handler@0.1.0;
                export wisted:reactor/flow-handler@0.1.0;
            }",
        with: {
            "wisted:reactor/types@0.1.0": super::imports::wisted::reactor::types,
            "wisted:reactor/types@0.1.0/close-reason": crate::CloseReason,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_connections",
        default_bindings_module: "wisted_guest::host::connections",
    });
}

/// What only the world `stateful-protocol` exports.
pub mod states {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package wisted:guest;
            world states {
                export wisted:reactor/state-handler@0.1.0;
            }",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_states",
        default_bindings_module: "wisted_guest::host::states",
    });
}

/// What both worlds export.
pub mod outcomes {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package wisted:guest;
            world outcomes {
                export wisted:reactor/lifecycle-handler@0.1.0;
                export wisted:reactor/timer-handler@0.1.0;
                export wisted:reactor/page-handler@0.1.0;
            }",
        with: {
            "wisted:reactor/types@0.1.0": super::imports::wisted::reactor::types,
            "wisted:reactor/web@0.1.0": super::imports::wisted::reactor::web,
            "wisted:reactor/web@0.1.0/header": crate::Header,
            "wisted:reactor/web@0.1.0/response": crate::Response,
            "wisted:reactor/web@0.1.0/fetch-error": crate::FetchError,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_outcomes",
        default_bindings_module: "wisted_guest::host::outcomes",
    });
}

/// What only the world `standalone` exports.
pub mod programs {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package wisted:guest;
            world programs {
                export wisted:reactor/program@0.1.0;
            }",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_programs",
        default_bindings_module: "wisted_guest::host::programs",
    });
}

pub(super) use imports::wisted::reactor::*;
