//! How an instance ended against its will, as a value for the log.

use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::exchange::LimitHit;

/// Why an instance is no more.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What kind of end it was.
    pub kind: FaultKind,
    /// In words.
    pub message: String,
    /// The wasm frames, innermost first, one a line. Empty when no wasm was running.
    pub backtrace: String,
}

/// The kinds of ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It exceeded a limit.
    Limit,
    /// It trapped: a panic, an overflow of its stack, an access out of bounds.
    Trap,
    /// It called `exit`.
    Exit,
    /// `start` returned an error.
    Refused,
    /// The operating system gave it no memory.
    Memory,
    /// It could not be made, or failed in a way that is ours.
    Host,
}

impl FaultKind {
    /// For the log's `kind` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Trap => "trap",
            Self::Exit => "exit",
            Self::Refused => "refused",
            Self::Memory => "memory",
            Self::Host => "host",
        }
    }
}

/// The most frames that a record shows: a stack overflow has thousands.
const FRAMES_MAX: usize = 24;

impl Fault {
    /// The instance exceeded a limit while no wasm was running; `message` names the limit.
    pub fn limit(message: String) -> Self {
        Self {
            kind: FaultKind::Limit,
            message,
            backtrace: String::new(),
        }
    }

    /// `refused`: what the memory limiter refused last, the probable cause of a trap.
    pub(super) fn of_error(error: &Error, refused: Option<&LimitHit>) -> Self {
        let (mut kind, mut message) = if let Some(limit) = error.downcast_ref::<LimitHit>() {
            (FaultKind::Limit, limit.0.clone())
        } else if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            (FaultKind::Exit, format!("the guest called exit({code})"))
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            (FaultKind::Trap, trap.to_string())
        } else {
            let message = WithoutBacktrace(error).to_string();
            let (kind, remedy) = kind_and_remedy(error, &message);
            (kind, message + remedy)
        };
        match (refused, kind) {
            (Some(refused), FaultKind::Trap) => {
                message = format!("{message}, after it was refused more memory: {refused}");
            }
            // There was no room for what an instance has from its first moment.
            (Some(refused), FaultKind::Host) => {
                kind = FaultKind::Limit;
                message = format!("{message}: {refused}");
            }
            _ => {}
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>();
        Self {
            kind,
            message,
            backtrace: backtrace.map(render).unwrap_or_default(),
        }
    }
}

/// What to do where the host has come to a wall that others have set.
fn kind_and_remedy(error: &Error, message: &str) -> (FaultKind, &'static str) {
    if error.is::<PoolConcurrencyLimitError>() {
        let remedy =
            "; all places are taken: a higher connections_max in [host] reserves more of them";
        (FaultKind::Host, remedy)
    } else if message.contains("os error 12") {
        let remedy =
            "; the system gives no more memory, or no more memory maps (sysctl vm.max_map_count)";
        (FaultKind::Memory, remedy)
    } else {
        (FaultKind::Host, "")
    }
}

/// An error's chain without the backtrace that wasmtime puts into it.
struct WithoutBacktrace<'a>(&'a Error);

impl std::fmt::Display for WithoutBacktrace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.0.chain().map(ToString::to_string);
        let texts: Vec<_> = texts
            .filter(|text| !text.starts_with("error while executing at wasm backtrace"))
            .collect();
        f.write_str(&texts.join(": "))
    }
}

fn render(backtrace: &WasmBacktrace) -> String {
    let frames = backtrace.frames();
    let mut lines: Vec<String> = frames
        .iter()
        .take(FRAMES_MAX)
        .enumerate()
        .map(|(index, frame)| {
            let symbol = frame.symbols().first();
            let mangled = frame.func_name().unwrap_or("<unknown>");
            let name = match symbol.and_then(|symbol| symbol.name()) {
                Some(name) => name.to_owned(),
                None => format!("{:#}", rustc_demangle::demangle(mangled)),
            };
            let place = symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?)));
            match place {
                Some((file, line)) => format!("{index}: {name} at {file}:{line}"),
                None => format!("{index}: {name}"),
            }
        })
        .collect();
    if frames.len() > FRAMES_MAX {
        lines.push(format!("… {} more", frames.len() - FRAMES_MAX));
    }
    lines.join("\n")
}
