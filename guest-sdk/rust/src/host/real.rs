//! The host as a guest sees it: imports under this crate's names, and exports that call the server or the program.

use super::bindings::connections::exports::wisted::reactor as connections;
use super::bindings::outcomes::exports::wisted::reactor as outcomes;
use super::bindings::programs::exports::wisted::reactor as programs;
use super::bindings::states::exports::wisted::reactor as states;
use crate::pending::{self, Outcome, PendingId};
use crate::program::Runner;
use crate::server::Server;
use crate::{
    CloseReason, Factory, FetchError, Header, Program, Request, Response, StatefulFactory,
};
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use super::bindings::config::{get as config_get, get_all as config_all};
pub(crate) use super::bindings::logging::log;
pub(crate) use super::bindings::pending::{cancel, wait};
pub(crate) use super::bindings::random::get_random_bytes as random_bytes;
pub(crate) use super::bindings::timers::{call_later, now, sleep};
pub(crate) use super::bindings::transport::*;
pub(crate) use super::bindings::web::{get_page, take_page};

/// A request as the bindings take it: everything borrowed.
#[doc(hidden)]
pub struct RequestParts<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: &'a [Header],
    pub body: &'a [u8],
    pub timeout: u32,
}

pub(crate) fn send_request(request: &Request) -> PendingId {
    super::bindings::web::send_request(RequestParts {
        method: &request.method,
        url: &request.url,
        headers: &request.headers,
        body: &request.body,
        timeout: request.timeout,
    })
}

/// The configuration as the bindings give it.
#[doc(hidden)]
pub type ConfigPairs = Vec<(String, String)>;

/// What comes of an instance's start.
#[doc(hidden)]
pub type Started = Result<(), String>;

/// What both macros implement: how the instance begins and ends.
#[doc(hidden)]
pub trait Begin: 'static {
    fn start(config: ConfigPairs) -> Started;
    fn stop();
}

/// What `export!` implements: where the instance's server is.
#[doc(hidden)]
pub trait Serve: 'static {
    type Factory: Factory;

    fn with<R>(call: impl FnOnce(&Server<Self::Factory>) -> R) -> R;
}

/// What `export_program!` implements: where the instance's program is.
#[doc(hidden)]
pub trait Run: 'static {
    type Program: Program;

    fn with<R>(call: impl FnOnce(&Runner<Self::Program>) -> R) -> R;
}

impl<S: Serve> connections::connection_handler::Guest for S {
    fn connection_made(connection: u32) {
        S::with(|server| server.connection_made(connection));
    }

    fn data_received(connection: u32, data: Vec<u8>) {
        S::with(|server| server.data_received(connection, &data));
    }

    fn connection_lost(connection: u32, reason: CloseReason) {
        S::with(|server| server.connection_lost(connection, reason));
    }
}

impl<S: Serve> connections::half_close_handler::Guest for S {
    fn read_closed(connection: u32) {
        S::with(|server| server.read_closed(connection));
    }
}

impl<S: Serve> connections::flow_handler::Guest for S {
    fn drained(connection: u32) {
        S::with(|server| server.drained(connection));
    }
}

impl<S: Serve> states::state_handler::Guest for S
where
    S::Factory: StatefulFactory,
{
    fn save_state() -> Vec<u8> {
        S::with(Server::save_state)
    }

    fn restore_state(state: Vec<u8>) -> Result<(), String> {
        S::with(|server| server.restore_state(&state))
    }
}

impl<R: Run> programs::program::Guest for R {
    fn execute() -> Result<(), String> {
        R::with(Runner::execute)
    }
}

impl<B: Begin> outcomes::lifecycle_handler::Guest for B {
    fn start(config: ConfigPairs) -> Started {
        B::start(config)
    }

    fn stop() {
        B::stop();
    }
}

impl<B: Begin> outcomes::timer_handler::Guest for B {
    fn timer_fired(id: PendingId) {
        pending::deliver(id, Outcome::Fired);
    }
}

impl<B: Begin> outcomes::page_handler::Guest for B {
    fn page_received(id: PendingId, page: Result<Response, FetchError>) {
        pending::deliver(id, Outcome::Page(page));
    }
}
