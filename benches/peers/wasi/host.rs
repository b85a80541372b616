//! The host of the peer `wasi`: the least that runs a WASI 0.2 command with wasmtime and lets it use sockets, on one thread.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, component, protocol] = arguments.as_slice() else {
        bail!("usage: wasi-host COMPONENT PROTOCOL");
    };
    let component = PathBuf::from(component);
    let mut config = Config::new();
    // WASI 0.3's machinery, which this command does not need and which makes every call dearer.
    config.concurrency_support(false);
    let engine = Engine::new(&config)?;
    let component = Component::from_file(&engine, &component)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("cannot load {}", component.display()))?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let wasi = WasiCtx::builder()
        .inherit_stdout()
        .inherit_stderr()
        .inherit_network()
        .allow_tcp(true)
        .args(&["wasi-peer", protocol])
        .build();
    let mut store = Store::new(
        &engine,
        State {
            wasi,
            table: ResourceTable::new(),
        },
    );
    let command = Command::instantiate_async(&mut store, &component, &linker).await?;
    // Tokio's budget would make a poll of many ready sockets seem to find none.
    let run = tokio::task::unconstrained(command.wasi_cli_run().call_run(&mut store));
    match run.await? {
        Ok(()) => Ok(()),
        Err(()) => bail!("the command failed"),
    }
}
