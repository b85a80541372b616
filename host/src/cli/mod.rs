//! The command line: what people type and read. The only room that names clap; it knows the library's values, not how they
//! are carried out.

mod admin_flags;
mod build;
mod check;
mod compile;
mod figures;
mod guest_file;
mod limit_flags;
mod new;
mod operate;
mod problems;
mod run;
mod serve;
mod table;
mod top;
mod trace_flags;
mod watch;

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use admin_flags::AdminFlags;
use limit_flags::LimitFlags;
use operate::OperateCommand;
use trace_flags::TraceFlags;
use wisted::endpoint::Endpoint;
use wisted::logs::LogFormat;
use wisted::service::{Choice, Isolation, Recycle};
use wisted::units;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A reactor that serves sandboxed WebAssembly protocols.
///
/// A guest is a protocol, or a program, compiled to a WebAssembly component against the contract wit/reactor.wit. Wisted
/// serves it on real sockets; whatever it does, it reaches nothing that it was not granted and hurts no other connection.
#[derive(Debug, Parser)]
#[command(name = "wisted", version, styles = STYLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(NewArgs),
    Build(BuildArgs),
    Run(Box<RunArgs>),
    Serve(ServeArgs),
    Check(CheckArgs),
    Compile(CompileArgs),
    #[command(flatten)]
    Operate(OperateCommand),
}

/// Make a project for a guest: an echo server with a test, and the language's SDK
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wisted new parrot --lang rust")]
struct NewArgs {
    /// The project's name and its folder's, which must not exist or be empty
    name: String,

    #[arg(long = "lang", value_name = "LANGUAGE", help = format!("The language: {}", new::languages()))]
    language: String,
}

/// Build a guest's source folder into a component, and say where it is
///
/// The folder's manifest tells the language. Tools that are missing are installed: pinned by version and hash, from PyPI or
/// npm, into the folder .wisted of the guest's folder, or into the one that the environment variable WISTED_TOOLCHAINS names.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wisted build guests/echo
  wisted build . -o echo.wasm")]
struct BuildArgs {
    /// The folder with the guest's source
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Copy the component to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Serve a guest, or run it if it is a program
///
/// Stops on Ctrl-C or SIGTERM: accepts nobody any more, lets connections finish, and exits with 0. A second signal stops at
/// once.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  wisted run guests/echo
  wisted run chat.wasm --isolation service --listen tcp:8000 --listen tcp:[::1]:8000
  wisted run pages.wasm --allow-fetch www.example.com --config url1=http://www.example.com/"
)]
struct RunArgs {
    #[command(flatten)]
    guest: GuestArg,

    /// Where to listen, in Twisted's notation: tcp:8000, tcp:8000:interface=127.0.0.1, tcp:127.0.0.1:8000, tcp:[::1]:8000.
    /// Port 0 picks a free one. Can be given several times [default: tcp:127.0.0.1:8000]
    #[arg(long = "listen", short = 'l', value_name = "ENDPOINT")]
    endpoints: Vec<Endpoint>,

    /// An instance for each connection, so that a fault is one connection's alone; or one for the whole service, for shared
    /// state such as a chat room
    #[arg(long, value_enum, default_value = "connection")]
    isolation: IsolationArg,

    /// With isolation service: so many instances share the connections, each with its own memory and its own state; they are
    /// dealt out over the reactors [default: 1]
    #[arg(long, value_name = "COUNT", value_parser = instances)]
    instances: Option<NonZero<u16>>,

    /// Which of several instances a new connection gets: the next one in turn, or always the same for the same peer address
    #[arg(long, value_enum, default_value = "round-robin")]
    instances_by: ChoiceArg,

    /// Threads that serve, each with a reactor of its own. With isolation service there are no more than instances [default:
    /// the cores that it may use]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=64))]
    reactors: Option<u8>,

    /// When the guest's source, or its file, changes, build it again: new connections get the new build, and those that are
    /// open end on the old one. A build that fails changes nothing
    #[arg(long)]
    watch: bool,

    /// A configuration value for the guest. Can be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = units::key_value)]
    config: Vec<(String, String)>,

    /// A host that the guest may fetch pages from: a name, *.name, or an address; without a port, 80 for http and 443 for
    /// https. Private and loopback addresses only when given as such. Can be given several times [default: none]
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_fetch: Vec<String>,

    /// Trust the certificates in this PEM file too, besides the system's, when the guest fetches pages. Can be given several
    /// times
    #[arg(long = "ca", value_name = "FILE")]
    ca_files: Vec<PathBuf>,

    /// How long connections may take to finish when the host is asked to stop [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    drain_max: Option<std::time::Duration>,

    #[command(flatten)]
    recycling: RecycleFlags,

    #[command(flatten)]
    limits: LimitFlags,

    #[command(flatten)]
    admin: AdminFlags,

    #[command(flatten)]
    traces: TraceFlags,

    #[command(flatten)]
    logs: LogFlags,
}

/// Serve the services of a configuration, any number of them
///
/// Each service has a component, endpoints, limits, values and grants of its own. docs/configuration.md has every key;
/// `wisted check` says all that is wrong with a file without serving anything.
///
/// Stops on Ctrl-C or SIGTERM as `wisted run` does: accepts nobody any more, lets connections finish, and exits with 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wisted serve wisted.toml
  wisted serve wisted.toml --log info,guest=debug

The least that a configuration has:
  [services.echo]
  component = \"echo.wasm\"
  listen = \"tcp:8000\"")]
struct ServeArgs {
    /// The configuration
    #[arg(value_name = "CONFIG")]
    config: PathBuf,

    /// Reload when the configuration or a component changes; SIGHUP is an order to reload in any case
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    traces: TraceFlags,

    /// The shape of log records, instead of what the configuration says
    #[arg(long, value_enum, help_heading = "Logs")]
    log_format: Option<LogFormatArg>,

    /// Which records are written, instead of what the configuration says: error, warn, info, debug, trace, or for parts,
    /// such as info,guest=debug
    #[arg(long, value_name = "FILTER", help_heading = "Logs")]
    log: Option<String>,
}

/// Say whether and how a guest can be served, or what is wrong with a configuration
///
/// Of a guest it says what it exports and imports. Of a configuration (.toml) it says everything that is wrong, each with its
/// line: what is misspelt, missing, clashes or makes no sense together. Components are loaded for that, and nothing is served.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wisted check echo.wasm
  wisted check wisted.toml
  wisted check --schema > wisted.schema.json")]
struct CheckArgs {
    /// A component (.wasm), its text (.wat), a folder with a guest's source, which is built first; or a configuration (.toml)
    #[arg(value_name = "GUEST|CONFIG", required_unless_present = "schema")]
    path: Option<PathBuf>,

    /// Don't keep compiled code in a cache
    #[arg(long)]
    no_cache: bool,

    /// Print the JSON Schema of configurations, for editors
    #[arg(long)]
    schema: bool,
}

/// Compile a guest for this machine ahead of time, into the user's cache, so that it starts at once
///
/// An entry of the cache is used only if its own digest and the component's fit, and this version of Wisted with this
/// machine's processor made it.
#[derive(Debug, Args)]
struct CompileArgs {
    #[command(flatten)]
    guest: GuestArg,
}

#[derive(Debug, Args)]
struct GuestArg {
    /// A component (.wasm), its text (.wat), or a folder with a guest's source, which is built first
    #[arg(value_name = "GUEST")]
    path: PathBuf,

    /// Don't keep compiled code in the user's cache folder
    #[arg(long)]
    no_cache: bool,
}

// No text for people: it would take the place of the command's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recycling, with --isolation service")]
struct RecycleFlags {
    /// A new instance takes the new connections after so many calls of handlers, and the old one ends when its connections
    /// have ended: for runtimes that leak [default: never]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    recycle_after_calls: Option<u64>,

    /// A new instance takes the new connections after so many connections [default: never]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    recycle_after_connections: Option<u64>,

    /// A new instance takes the new connections when the old one's memory has grown to this [default: never]
    #[arg(long, value_name = "SIZE", value_parser = units::memory_bytes)]
    recycle_memory: Option<usize>,
}

#[derive(Debug, Args)]
struct LogFlags {
    /// The shape of log records, which go to standard error
    #[arg(long, value_enum, default_value = "text", help_heading = "Logs")]
    log_format: LogFormatArg,

    /// Which records are written: error, warn, info, debug, trace, or for parts, such as info,guest=debug. Part
    /// `access` is one record for each connection that has ended
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info,access=off",
        help_heading = "Logs"
    )]
    log: String,
}

impl RecycleFlags {
    fn recycle(&self) -> Recycle {
        Recycle {
            after_calls: self.recycle_after_calls,
            after_connections: self.recycle_after_connections,
            memory_bytes: self.recycle_memory,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IsolationArg {
    Connection,
    Service,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatArg {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChoiceArg {
    RoundRobin,
    Peer,
}

impl From<ChoiceArg> for Choice {
    fn from(choice: ChoiceArg) -> Self {
        match choice {
            ChoiceArg::RoundRobin => Self::RoundRobin,
            ChoiceArg::Peer => Self::Peer,
        }
    }
}

fn instances(text: &str) -> Result<NonZero<u16>, String> {
    /// Each takes memory from the start.
    const INSTANCES_MAX: u16 = 1024;
    let count = text.parse().ok().and_then(NonZero::new);
    let count = count.filter(|count| count.get() <= INSTANCES_MAX);
    count.ok_or_else(|| format!("it is a number from 1 to {INSTANCES_MAX}"))
}

impl From<IsolationArg> for Isolation {
    fn from(arg: IsolationArg) -> Self {
        match arg {
            IsolationArg::Connection => Self::Connection,
            IsolationArg::Service => Self::Service,
        }
    }
}

impl From<LogFormatArg> for LogFormat {
    fn from(arg: LogFormatArg) -> Self {
        match arg {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

/// Runs the command. Exit codes: 0, 1 for what went wrong, 2 for a command line that makes no sense, 128 and its number for
/// a signal that aborted.
pub fn main() -> ExitCode {
    let result: Result<ExitCode> = match Cli::parse().command {
        Command::New(args) => new::new(&args),
        Command::Build(args) => build::build(&args),
        Command::Run(args) => run::run(*args),
        Command::Serve(args) => serve::serve(&args),
        Command::Check(args) => check::check(&args),
        Command::Compile(args) => compile::compile(&args),
        Command::Operate(command) => operate::operate(&command),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{}: {error:#}", error_label());
        ExitCode::FAILURE
    })
}

/// `error`, as clap writes it.
fn error_label() -> String {
    if problems::is_plain() {
        "error".to_owned()
    } else {
        let style = AnsiColor::Red.on_default().bold();
        format!("{style}error{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
