//! The handlers: finds out what is to be done where. It must not know how anything is done.
#![allow(unsafe_code, reason = "the export macro")]

use std::sync::Mutex;

use crate::bindings::exports::wisted::reactor as exports;
use crate::bindings::wisted::reactor::{config, logging, random, timers, transport, types, web};
use crate::{hostile, polite};

struct Puppet;

/// An action to be done when the host calls a handler.
struct Armed {
    handler: String,
    action: String,
    argument: String,
}

struct State {
    armed: Option<Armed>,
    /// Where handlers without a connection of their own report to.
    connection: u32,
}

static STATE: Mutex<State> = Mutex::new(State {
    armed: None,
    connection: 0,
});

/// Sends a line to the peer, or logs it where there is no peer yet.
pub fn report(text: &str) {
    match connection() {
        0 => logging::log(logging::Level::Info, text),
        connection => transport::write(connection, format!("{text}\n").as_bytes()),
    }
}

/// The connection that was heard of last; 0 for none.
pub fn connection() -> u32 {
    STATE.lock().map_or(0, |state| state.connection)
}

fn enter(connection: u32) {
    if let Ok(mut state) = STATE.lock() {
        state.connection = connection;
    }
}

fn perform(action: &str, argument: &str) {
    if !hostile::perform(action, argument) && !polite::perform(action, argument) {
        report(&format!("unknown action {action}"));
    }
}

/// Does what was armed for this handler. The lock is released first: the action may never return.
fn run_armed(handler: &str) {
    let armed = STATE
        .lock()
        .ok()
        .and_then(|mut state| state.armed.take_if(|armed| armed.handler == handler));
    if let Some(armed) = armed {
        perform(&armed.action, &armed.argument);
    }
}

/// Does what the config chose for a handler that runs before any data arrives.
fn run_configured(handler: &str, peer: Option<&str>) {
    let is_here = config::get("at").is_some_and(|at| at == handler);
    let is_peer = config::get("peer").is_none_or(|chosen| peer == Some(chosen.as_str()));
    let is_spared = config::get("chance").is_some() && random::get_random_bytes(1)[0] < 128;
    if is_here && is_peer && !is_spared {
        perform(
            &config::get("do").unwrap_or_default(),
            &config::get("with").unwrap_or_default(),
        );
    }
}

fn command(line: &str) {
    if let Some(words) = line.strip_prefix("do ") {
        let (action, argument) = words.split_once(' ').unwrap_or((words, ""));
        perform(action, argument);
    } else if let Some(words) = line.strip_prefix("arm ") {
        arm(words);
    }
}

fn arm(words: &str) {
    let mut words = words.splitn(3, ' ').map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    let armed = Armed {
        handler: next(),
        action: next(),
        argument: next(),
    };
    match armed.handler.as_str() {
        "timer-fired" => {
            timers::call_later(1);
        }
        // Denied, so its outcome comes soon.
        "page-received" => {
            web::get_page("http://never-granted.invalid/");
        }
        _ => {}
    }
    if let Ok(mut state) = STATE.lock() {
        state.armed = Some(armed);
    }
    report("armed");
}

impl exports::connection_handler::Guest for Puppet {
    fn connection_made(connection: u32) {
        enter(connection);
        run_configured("connection-made", Some(&transport::peer(connection).host));
    }

    fn data_received(connection: u32, data: Vec<u8>) {
        enter(connection);
        // The network may have joined several commands, and bytes to be echoed after them.
        let mut rest = data.as_slice();
        while rest.starts_with(b"do ") || rest.starts_with(b"arm ") {
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            command(&String::from_utf8_lossy(&rest[..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            run_armed("data-received");
            transport::write(connection, rest);
        }
    }

    fn connection_lost(connection: u32, reason: types::CloseReason) {
        logging::log(
            logging::Level::Info,
            &format!("connection {connection} lost: {reason:?}"),
        );
        run_armed("connection-lost");
    }
}

impl exports::half_close_handler::Guest for Puppet {
    fn read_closed(connection: u32) {
        enter(connection);
        run_armed("read-closed");
        transport::lose_connection(connection);
    }
}

impl exports::flow_handler::Guest for Puppet {
    fn drained(connection: u32) {
        enter(connection);
        run_armed("drained");
        logging::log(
            logging::Level::Info,
            &format!("connection {connection} drained"),
        );
    }
}

impl exports::lifecycle_handler::Guest for Puppet {
    fn start(config: Vec<(String, String)>) -> Result<(), String> {
        run_configured("start", None);
        match config.iter().find(|(key, _)| key == "refuse") {
            Some((_, reason)) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    fn stop() {
        run_armed("stop");
        logging::log(logging::Level::Info, "stopped");
    }
}

impl exports::timer_handler::Guest for Puppet {
    fn timer_fired(id: u32) {
        run_armed("timer-fired");
        report(&format!("fired {id}"));
    }
}

impl exports::page_handler::Guest for Puppet {
    fn page_received(id: u32, page: Result<web::Response, web::FetchError>) {
        run_armed("page-received");
        report(&format!("page {id} {}", polite::describe(&page)));
    }
}

crate::bindings::export!(Puppet with_types_in crate::bindings);
