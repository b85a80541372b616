//! Does on command whatever the SDK can do: tests/conformance/PROTOCOL.md lists the commands. It must not know what is tested.

mod command;

use command::Command;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wisted_guest::framing::{FrameError, Int32Receiver, LineReceiver, NetstringReceiver};
use wisted_guest::{Address, CloseReason, Deferred, Error, Factory, Protocol, Request, Response};
use wisted_guest::{StatefulFactory, Transport, after, call_later, config, export_stateful};
use wisted_guest::{get_page, info, log, now, random_bytes, request, sleep};

#[derive(Default)]
struct ConformanceFactory {
    /// What a successor takes over.
    kept: Rc<RefCell<String>>,
}

impl Factory for ConformanceFactory {
    type Protocol = Conformance;

    fn build_protocol(&mut self, _peer: &Address) -> Conformance {
        Conformance {
            framing: Framing::Lines(LineReceiver::with_delimiter(b"\n")),
            raw_bytes: 0,
            drained_is_awaited: false,
            kept: self.kept.clone(),
        }
    }

    fn stop_factory(&mut self) {
        info!("stopped");
    }
}

impl StatefulFactory for ConformanceFactory {
    fn save_state(&mut self) -> Vec<u8> {
        self.kept.borrow().clone().into_bytes()
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<(), String> {
        if state == b"spoilt" {
            return Err("the state is spoilt".to_owned());
        }
        *self.kept.borrow_mut() = String::from_utf8_lossy(state).into_owned();
        Ok(())
    }
}

/// What the peer's bytes are cut into.
enum Framing {
    Lines(LineReceiver),
    Netstrings(NetstringReceiver),
    Int32s(Int32Receiver),
}

struct Conformance {
    framing: Framing,
    /// So many bytes are to be echoed before the next line.
    raw_bytes: usize,
    drained_is_awaited: bool,
    kept: Rc<RefCell<String>>,
}

impl Protocol for Conformance {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        match &mut self.framing {
            Framing::Lines(lines) => lines.push(data),
            Framing::Netstrings(strings) => strings.push(data),
            Framing::Int32s(strings) => strings.push(data),
        }
        loop {
            match self.step(transport) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return transport.lose_connection(),
            }
        }
    }

    fn read_closed(&mut self, transport: &Transport) {
        transport.write("read-closed\n");
        transport.lose_connection();
    }

    fn drained(&mut self, transport: &Transport) {
        if std::mem::take(&mut self.drained_is_awaited) {
            transport.write("drained\n");
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: CloseReason) {
        info!("lost {}", reason.kind());
    }
}

impl Conformance {
    /// Does what the next bytes say; false until more arrive.
    fn step(&mut self, transport: &Transport) -> Result<bool, FrameError> {
        match &mut self.framing {
            Framing::Lines(lines) if self.raw_bytes > 0 => {
                let data = lines.take_raw(self.raw_bytes);
                self.raw_bytes -= data.len();
                transport.write(&data);
                Ok(!data.is_empty())
            }
            Framing::Lines(lines) => {
                let Some(line) = lines.next_line()? else {
                    return Ok(false);
                };
                match String::from_utf8_lossy(&line).parse() {
                    Ok(command) => self.perform(transport, command),
                    Err(error) => transport.write(format!("error {error}\n")),
                }
                Ok(true)
            }
            Framing::Netstrings(strings) => {
                let string = strings.next_string()?;
                string
                    .iter()
                    .for_each(|it| strings.send_string(transport, it));
                Ok(string.is_some())
            }
            Framing::Int32s(strings) => {
                let string = strings.next_string()?;
                string
                    .iter()
                    .for_each(|it| strings.send_string(transport, it));
                Ok(string.is_some())
            }
        }
    }

    fn perform(&mut self, transport: &Transport, command: Command) {
        let say = |line: String| transport.write(line + "\n");
        match command {
            Command::Echo(length) => self.raw_bytes = length,
            Command::Line(text) => say(text),
            Command::Many(count) => {
                let pieces: Vec<_> = (0..count).map(|number| format!("{number}\n")).collect();
                let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
                transport.write_many(&pieces);
            }
            Command::Lose => {
                say("bye".into());
                transport.lose_connection();
            }
            Command::Abort => transport.abort_connection(),
            Command::Shutdown => {
                say("half".into());
                transport.shutdown_write();
            }
            Command::Pause(delay) => {
                transport.pause_reading();
                later(
                    transport,
                    delay,
                    "resumed".into(),
                    Transport::resume_reading,
                );
            }
            Command::Later(delay, name) => later(transport, delay, format!("later {name}"), |_| ()),
            Command::Cancel(delay) => {
                let call = call_later(delay, || info!("a cancelled call was made"));
                (0..2).for_each(|_| say(format!("cancelled {}", call.cancel())));
            }
            Command::Sleep(duration) => {
                if sleep(duration).is_ok() {
                    say("slept".into());
                }
            }
            Command::Wait(delay) => {
                if after(delay).wait().is_ok() {
                    say("waited".into());
                }
            }
            Command::Fetch(urls) => urls.iter().for_each(|url| tell(transport, get_page(url))),
            Command::FetchWait(urls) => {
                let pages: Vec<_> = urls.iter().map(|url| get_page(url)).collect();
                pages
                    .into_iter()
                    .for_each(|page| say(page_line(&page.wait())));
            }
            Command::Post(url, body) => {
                tell(
                    transport,
                    request(Request::post(&url, body).header("x-wisted", "1")),
                );
            }
            Command::Flood(length) => {
                let piece = vec![b'x'; length.min(64 << 10)];
                let mut left = length;
                while left > 0 {
                    transport.write(&piece[..piece.len().min(left)]);
                    left -= piece.len().min(left);
                }
                self.drained_is_awaited = true;
            }
            Command::Buffered => say(format!("buffered {}", transport.buffered_bytes())),
            Command::Peer => say(address_line("peer", &transport.peer())),
            Command::Host => say(address_line("host", &transport.host())),
            Command::Log(level, text) => {
                log::write(level, format_args!("{text}"));
                say("logged".into());
            }
            Command::Random(length) => {
                say(random_bytes(length)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect());
            }
            Command::Config(key) => say(match config::get(&key) {
                Some(value) => format!("config {value}"),
                None => "config".into(),
            }),
            Command::Now => say(format!("now {}", now().as_nanos())),
            Command::Netstring => {
                let mut strings = NetstringReceiver::new();
                strings.push(&self.unread());
                self.framing = Framing::Netstrings(strings);
            }
            Command::Int32 => {
                let mut strings = Int32Receiver::new();
                strings.push(&self.unread());
                self.framing = Framing::Int32s(strings);
            }
            Command::Keep(text) => {
                *self.kept.borrow_mut() = text;
                say("kept".into());
            }
            Command::Recall => {
                let kept = self.kept.borrow();
                say(["recalled", if kept.is_empty() { "" } else { " " }, &kept].concat());
            }
            Command::Trap => panic!("a trap was asked for"),
        }
    }

    /// What has arrived after the line that changes the framing.
    fn unread(&mut self) -> Vec<u8> {
        match &mut self.framing {
            Framing::Lines(lines) => lines.take_raw(usize::MAX),
            Framing::Netstrings(strings) => strings.take_rest(),
            Framing::Int32s(strings) => strings.take_rest(),
        }
    }
}

fn later(transport: &Transport, delay: Duration, line: String, act: fn(&Transport)) {
    let transport = transport.clone();
    call_later(delay, move || {
        act(&transport);
        transport.write(line + "\n");
    });
}

fn tell(transport: &Transport, page: Deferred<Response>) {
    let transport = transport.clone();
    page.then(move |page| {
        transport.write(page_line(&page) + "\n");
        Ok(())
    });
}

fn page_line(page: &Result<Response, Error>) -> String {
    match page {
        Ok(page) => format!("page {} {}", page.status, page.body.len()),
        Err(Error::Fetch(error)) => format!("page error {}", error.kind()),
        Err(error) => format!("page error {error}"),
    }
}

fn address_line(word: &str, address: &Address) -> String {
    format!("{word} {} {}", address.host, address.port)
}

export_stateful!(ConformanceFactory);

#[cfg(test)]
mod tests;
