//! What there is on this server, and what may be done with it.

use crate::framing::{Framing, decimal};
use crate::head::{Head, Method};
use crate::settings::Settings;
use crate::status::Status;
use crate::target::Target;

/// What a target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: a short text.
    Root,
    /// `/bytes/N`: N bytes.
    Bytes(u64),
    /// `/chunked/N`: the same bytes in the chunked coding.
    Chunked(u64),
    /// `/echo`: the request's body.
    Echo,
    /// `*`: the server.
    Server,
    /// Nothing.
    Nowhere,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A short text.
    Text(Status, &'static str),
    /// So many bytes.
    Bytes(u64),
    /// So many bytes, chunked.
    Chunked(u64),
    /// The request's body.
    Echo,
    /// No body, and the methods that are allowed.
    Options(&'static str),
    /// An error.
    Error(Status),
    /// Other methods are allowed.
    NotAllowed(&'static str),
}

impl Answer {
    /// Whether the request is refused, so that nobody needs its body.
    pub fn is_refusal(self) -> bool {
        matches!(self, Answer::Error(_) | Answer::NotAllowed(_))
    }
}

const ROOT: &str =
    "This is Wisted. Try /bytes/1024, /chunked/100000, or POST something to /echo.\n";
const READABLE: &str = "GET, HEAD, OPTIONS";
const POSTABLE: &str = "POST, OPTIONS";
const EVERYWHERE: &str = "GET, HEAD, POST, OPTIONS";

impl Route {
    /// What a target names.
    pub fn of(target: Target<'_>) -> Route {
        let path = match target {
            Target::Asterisk => return Route::Server,
            Target::Path(path) => path,
        };
        let number = |digits: &[u8]| decimal(digits).filter(|_| digits.len() <= NUMBER_MAX_DIGITS);
        if let Some(number) = path.strip_prefix(b"/bytes/").and_then(number) {
            return Route::Bytes(number);
        }
        if let Some(number) = path.strip_prefix(b"/chunked/").and_then(number) {
            return Route::Chunked(number);
        }
        match path {
            b"/" => Route::Root,
            b"/echo" => Route::Echo,
            _ => Route::Nowhere,
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Route::Root | Route::Bytes(_) | Route::Chunked(_) => READABLE,
            Route::Echo => POSTABLE,
            Route::Server => EVERYWHERE,
            Route::Nowhere => "",
        }
    }
}

const NUMBER_MAX_DIGITS: usize = 12;

/// What a request is answered with.
pub fn answer(head: &Head, settings: &Settings) -> Answer {
    match (head.route, head.method) {
        (Route::Nowhere, _) => Answer::Error(Status::NotFound),
        (Route::Bytes(length) | Route::Chunked(length), _)
            if length > settings.answer_max_bytes =>
        {
            Answer::Error(Status::NotFound)
        }
        (route, Method::Options) => Answer::Options(route.methods()),
        (Route::Root, Method::Get | Method::Head) => Answer::Text(Status::Ok, ROOT),
        (Route::Bytes(length), Method::Get | Method::Head) => Answer::Bytes(length),
        (Route::Chunked(length), Method::Get | Method::Head) => Answer::Chunked(length),
        (Route::Echo, Method::Post) if head.framing == Framing::None => {
            Answer::Error(Status::LengthRequired)
        }
        (Route::Echo, Method::Post) => Answer::Echo,
        (route, _) => Answer::NotAllowed(route.methods()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, route) in [
            ("/", Route::Root),
            ("/bytes/0", Route::Bytes(0)),
            ("/bytes/1024", Route::Bytes(1024)),
            ("/chunked/007", Route::Chunked(7)),
            ("/echo", Route::Echo),
            ("/echo/", Route::Nowhere),
            ("/bytes/", Route::Nowhere),
            ("/bytes/-1", Route::Nowhere),
            ("/bytes/1/", Route::Nowhere),
            ("/bytes/1000000000000", Route::Nowhere),
            ("/nothing", Route::Nowhere),
        ] {
            assert_eq!(Route::of(Target::Path(path.as_bytes())), route, "{path}");
        }
        assert_eq!(Route::of(Target::Asterisk), Route::Server);
    }
}
