//! How each server is started for a protocol; it must not know what is measured.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::tools::{NGINX_MODULES, Tool, Tools};
use super::{Contender, Protocol};
use crate::artifacts::Guest;
use crate::children;
use crate::dial::free_addresses;
use crate::lab::Lab;
use crate::server::{Found, Identity, Server};

/// A server of the comparison that runs, with the folder that it may need.
pub struct Running {
    /// The server.
    pub server: Server,
    _folder: Option<TempDir>,
}

impl From<Server> for Running {
    fn from(server: Server) -> Running {
        Running {
            server,
            _folder: None,
        }
    }
}

/// Starts `contender` on the server's core. `size_bytes`: of the messages to come.
pub fn start(
    lab: &Lab,
    tools: &Tools,
    contender: Contender,
    tool: &Tool,
    protocol: Protocol,
    size_bytes: usize,
) -> Result<Running> {
    let mut folder = None;
    let mut found = Found::Announced;
    let script = |name: &str, file: &str| {
        let mut command = Command::new(&tool.program);
        command
            .arg(tools.source(name).join(file))
            .arg(protocol.name());
        command
    };
    let command = match contender {
        Contender::Native => program(&lab.binaries().native, protocol),
        Contender::Tokio => program(&lab.binaries().tokio, protocol),
        Contender::Go => {
            let mut command = program(&tool.program, protocol);
            command.env("GOMAXPROCS", "1");
            command
        }
        Contender::Node => script("node", "server.js"),
        Contender::Twisted => script("twisted", "server.py"),
        Contender::Uvloop => script("uvloop", "server.py"),
        Contender::Haproxy => {
            let address = free_addresses(1)?[0];
            found = Found::At(address);
            haproxy(tools, tool, protocol, size_bytes, address)
        }
        Contender::Nginx => {
            let address = free_addresses(1)?[0];
            found = Found::At(address);
            let own = folder.insert(children::temporary_folder()?);
            let source = tools.source("nginx");
            let fill = [
                ("@SOURCE@", &*source.to_string_lossy()),
                ("@MODULES@", NGINX_MODULES),
                ("@PROTOCOL@", protocol.name()),
            ];
            nginx(tools, tool, "nginx.conf", address, own.path(), &fill)?
        }
        Contender::Wasi => {
            let mut command = Command::new(&lab.binaries().wasi_host);
            command.arg(lab.guest(Guest::Wasi)?).arg(protocol.name());
            command
        }
        Contender::Connection | Contender::Service => {
            let guest = match protocol {
                Protocol::Echo => Guest::Echo,
                Protocol::Line => Guest::Line,
            };
            let isolation = contender.wisted().and_then(|kind| kind.isolation());
            lab.wisted(isolation.unwrap_or_default(), guest, &[])?
        }
    };
    let identity = Identity {
        name: contender.to_string(),
        must_exit_with_zero: contender.wisted().is_some(),
        found,
    };
    Ok(Running {
        server: lab.start_command(command, identity)?,
        _folder: folder,
    })
}

impl Running {
    /// See [`Server::stop`].
    pub fn stop<T>(self, result: Result<T>) -> Result<T> {
        self.server.stop(result)
    }
}

fn program(path: &Path, protocol: Protocol) -> Command {
    let mut command = Command::new(path);
    command.arg(protocol.name());
    command
}

fn haproxy(
    tools: &Tools,
    tool: &Tool,
    protocol: Protocol,
    size_bytes: usize,
    address: SocketAddr,
) -> Command {
    let source = tools.source("haproxy");
    let mut command = Command::new(&tool.program);
    // In the foreground, without a master.
    command.args(["-db", "-f"]).arg(source.join("haproxy.cfg"));
    command
        .env("PEER_ADDRESS", address.to_string())
        .env("PEER_LUA", source.join("server.lua"))
        .env("PEER_PROTOCOL", protocol.name())
        .env("PEER_MESSAGE_BYTES", size_bytes.to_string());
    command
}

/// What runs nginx with a configuration of ours, `template` in its folder of sources: filled in, beside the address and the folder
/// with what `fill` says, and put into `folder`.
pub fn nginx(
    tools: &Tools,
    tool: &Tool,
    template: &str,
    address: SocketAddr,
    folder: &Path,
    fill: &[(&str, &str)],
) -> Result<Command> {
    let mut configuration = fs::read_to_string(tools.source("nginx").join(template))
        .with_context(|| format!("cannot read {template}"))?
        .replace("@ADDRESS@", &address.to_string())
        .replace("@FOLDER@", &folder.to_string_lossy());
    for (place, value) in fill {
        configuration = configuration.replace(place, value);
    }
    let file = folder.join(template);
    fs::write(&file, configuration).with_context(|| format!("cannot write {template}"))?;
    let mut command = Command::new(&tool.program);
    command.arg("-p").arg(folder).arg("-c").arg(file);
    Ok(command)
}
