//! An HTTP/1.1 server as a guest. This file is its map, and exports it.
//!
//! From the outside to the inside:
//!
//! - [`protocol`] connects a session with Wisted's transport and its timer;
//! - [`session`] is one connection's HTTP, pure: bytes and the time in, bytes out;
//! - [`routes`] says what each request is answered with, and [`response`] writes it;
//! - [`input`] finds the end of a head wherever the network cuts it, [`head`] reads it, [`target`] reads what it asks
//!   for, and [`framing`] decides how long its body is;
//! - [`body`] takes a body out of its framing, [`chunked`] the chunked one;
//! - [`settings`] reads the operator's configuration, [`site`] is what all connections share, [`date`] tells the date,
//!   and [`status`] names the status codes.

mod body;
mod chunked;
mod date;
mod framing;
mod head;
mod input;
mod protocol;
mod response;
mod routes;
mod session;
mod settings;
mod site;
mod status;
mod target;

#[cfg(test)]
mod tests;

wisted_guest::export!(protocol::HttpFactory);
