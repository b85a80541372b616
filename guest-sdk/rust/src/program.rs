//! The trait of guests that run by themselves; it knows nothing of connections.

use crate::Config;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

/// A program: what runs without sockets. Export it with [`export_program!`](crate::export_program).
pub trait Program: Default + 'static {
    /// The instance begins; called before `execute`. An error ends the program, as one of `execute` does.
    fn start(&mut self, config: &Config) -> Result<(), String> {
        let _ = config;
        Ok(())
    }

    /// Called once. The host goes on until this has returned and nothing is pending, and then exits: with 0, or with
    /// 1 and the error.
    fn execute(&mut self) -> Result<(), String>;

    /// The program ends in an orderly way; called after everything else.
    fn stop(&mut self) {}
}

/// What an exported program runs as. The program is taken out while its code runs, so that nothing is borrowed.
#[doc(hidden)]
pub struct Runner<P> {
    program: Cell<Option<P>>,
}

impl<P: Program> Runner<P> {
    pub const fn new() -> Runner<P> {
        Runner {
            program: Cell::new(None),
        }
    }

    pub fn start(&self, config: Vec<(String, String)>) -> Result<(), String> {
        self.with_program(|program| program.start(&Config::new(config)))
    }

    pub fn execute(&self) -> Result<(), String> {
        self.with_program(P::execute)
    }

    pub fn stop(&self) {
        self.with_program(P::stop);
    }

    fn with_program<R>(&self, call: impl FnOnce(&mut P) -> R) -> R {
        let mut program = self.program.take().unwrap_or_default();
        let result = call(&mut program);
        self.program.set(Some(program));
        result
    }
}

impl<P: Program> Default for Runner<P> {
    fn default() -> Runner<P> {
        Runner::new()
    }
}
