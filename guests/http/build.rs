//! Links the guest with a small stack: every isolated connection has one of its own. It ends half way through a page
//! (guest-sdk/rust/README.md).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
    }
}

const STACK_BYTES: u32 = 62 << 10;
