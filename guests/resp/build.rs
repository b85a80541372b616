//! Links the guest with a small stack, so that its memory begins with 2 pages instead of 17. It ends half way through a page
//! (guest-sdk/rust/README.md).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=63488");
    }
}
