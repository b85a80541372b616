//! What the argument `GUEST` and its flags mean, and how progress is shown.

use std::io::IsTerminal;

use super::GuestArg;
use wisted::config::Cache;
use wisted::guest::CodeCache;
use wisted::supervisor::Step;

/// Shows a step to whoever may be waiting.
pub(super) fn say(step: Step<'_>) {
    match step {
        Step::Building(text) => eprintln!("{text}"),
        Step::Compiling(name) => say_compiling(name),
    }
}

/// Says that a component is being compiled, where somebody may be waiting.
pub(super) fn say_compiling(name: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("compiling {name} for this machine (the result is cached)");
    }
}

/// Where compiled code is to be kept.
pub(super) fn cache_of(arg: &GuestArg) -> Cache {
    match arg.no_cache {
        true => Cache::Off,
        false => Cache::OfUser,
    }
}

pub(super) fn cache(arg: &GuestArg) -> Option<CodeCache> {
    cache_of(arg).open()
}
