//! The peer `wasi`: echo or lines as a command on WASI 0.2 sockets, all connections in one instance and one loop.

#[cfg(target_arch = "wasm32")]
mod server;

#[cfg(target_arch = "wasm32")]
fn main() {
    let lines = std::env::args().nth(1).as_deref() == Some("line");
    if let Err(error) = server::run(lines) {
        eprintln!("cannot serve: {error:?}");
        std::process::exit(1);
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("this is a guest: build it for wasm32-wasip2 and run it with wasi-host");
}
