//! The head of a request: what httparse reads, checked and reduced to what this server acts on. Knows nothing of where
//! the bytes were cut.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::framing::{Framing, FramingHeaders};
use crate::routes::Route;
use crate::settings::Settings;
use crate::status::Status;
use crate::target;

/// More header fields than this are refused with 431.
pub const FIELDS_MAX: usize = 64;

/// A method. Those without a variant of their own are answered alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Options,
    /// Known, and allowed nowhere on this server.
    Known,
    Unknown,
}

/// What a request's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub method: Method,
    pub route: Route,
    pub framing: Framing,
    pub is_http_1_0: bool,
    /// Whether the client wants to send more requests on this connection.
    pub keeps_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Where the value of `Content-Type` is, counted from the head's first byte.
    pub content_type: Option<Range<usize>>,
}

/// Reads a head that is complete and in order at the start of `bytes`, and returns its length. None means no more than
/// that it has to be looked at line by line.
pub fn quick(bytes: &[u8], settings: &Settings) -> Option<(usize, Result<Head, Status>)> {
    let mut fields = UNINIT_FIELDS;
    let mut request = httparse::Request::new(&mut []);
    let httparse::Status::Complete(length) =
        request.parse_with_uninit_headers(bytes, &mut fields).ok()?
    else {
        return None;
    };
    let (method, path) = (request.method?, request.path?);
    let line_bytes = method.len() + path.len() + b"  HTTP/1.1\r\n".len();
    let is_plain = length <= settings.head_max_bytes
        && line_bytes <= settings.line_max_bytes
        && bytes.starts_with(method.as_bytes())
        && lines_end_in_crlf(&bytes[..length], request.headers);
    is_plain.then(|| (length, read(&request, bytes)))
}

/// Reads a head whose lines are known to end in CRLF.
pub fn parse(bytes: &[u8]) -> Result<Head, Status> {
    let mut fields = UNINIT_FIELDS;
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(_)) => read(&request, bytes),
        Ok(httparse::Status::Partial) => Err(Status::BadRequest),
        Err(error) => Err(status_of(error, bytes)),
    }
}

/// Checks a request line, its CRLF included. Empty lines may stand before it.
pub fn check_line(line: &[u8]) -> Result<(), Status> {
    match httparse::Request::new(&mut []).parse(line) {
        Ok(_) => Ok(()),
        Err(error) => Err(status_of(error, line)),
    }
}

const UNINIT_FIELDS: [MaybeUninit<httparse::Header<'_>>; FIELDS_MAX] =
    [const { MaybeUninit::uninit() }; FIELDS_MAX];

fn status_of(error: httparse::Error, bytes: &[u8]) -> Status {
    match error {
        httparse::Error::TooManyHeaders => Status::HeadTooLarge,
        httparse::Error::Version if ends_in_other_version(bytes) => Status::VersionNotSupported,
        _ => Status::BadRequest,
    }
}

/// Whether the request line is one of HTTP, only not of a version that is spoken here.
fn ends_in_other_version(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start();
    let end = line.iter().position(|byte| *byte == b'\r');
    let line = &line[..end.unwrap_or(line.len())];
    let mut parts = line.split(|byte| *byte == b' ');
    let version = parts.nth(2).filter(|_| parts.next().is_none());
    matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// httparse takes a bare LF for the end of a line, and others don't: that difference must not be ours. Each field's name
/// follows upon the end of the line before it.
fn lines_end_in_crlf(head: &[u8], fields: &[httparse::Header<'_>]) -> bool {
    head.ends_with(b"\r\n\r\n")
        && fields.iter().all(|field| {
            let start = offset(head, field.name.as_bytes());
            start >= 2 && head[start - 2] == b'\r'
        })
}

/// Where a part of `bytes` begins.
fn offset(bytes: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - bytes.as_ptr().addr()
}

fn read(request: &httparse::Request<'_, '_>, bytes: &[u8]) -> Result<Head, Status> {
    let is_http_1_0 = request.version == Some(0);
    let fields = Fields::read(request.headers)?;
    if fields.hosts > 1 || (fields.hosts == 0 && !is_http_1_0) {
        return Err(Status::BadRequest);
    }
    let framing = fields.framing.framing(is_http_1_0)?;
    let method = method(request.method.unwrap_or_default().as_bytes());
    let path = request.path.unwrap_or_default().as_bytes();
    if method == Method::Unknown {
        // Before the target: that of CONNECT means nothing here, and its method is the reason.
        return Err(Status::NotImplemented);
    }
    let target = target::read(path, method == Method::Options).ok_or(Status::BadRequest)?;
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    if fields.expects_other && !is_http_1_0 {
        return Err(Status::ExpectationFailed);
    }
    Ok(Head {
        method,
        route: Route::of(target),
        framing,
        is_http_1_0,
        keeps_alive: !fields.closes && (!is_http_1_0 || fields.keeps_alive),
        expects_continue: fields.expects_continue && has_body && !is_http_1_0,
        content_type: fields.content_type.map(|value| {
            let start = offset(bytes, value);
            start..start + value.len()
        }),
    })
}

fn method(name: &[u8]) -> Method {
    match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"OPTIONS" => Method::Options,
        b"PUT" | b"DELETE" | b"PATCH" | b"TRACE" => Method::Known,
        _ => Method::Unknown,
    }
}

/// The header fields that matter here.
#[derive(Default)]
struct Fields<'a> {
    hosts: u32,
    framing: FramingHeaders,
    closes: bool,
    keeps_alive: bool,
    expects_continue: bool,
    expects_other: bool,
    content_type: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Fields<'a>, Status> {
        let mut fields = Fields::default();
        for header in headers {
            fields.add(header.name.as_bytes(), header.value)?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Status> {
        // Most fields are none of these, and the length tells.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if !target::is_host(value) {
                    return Err(Status::BadRequest);
                }
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if value.eq_ignore_ascii_case(b"100-continue") {
                    self.expects_continue = true;
                } else {
                    self.expects_other = true;
                }
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|byte| *byte == b',') {
                    let option = option.trim_ascii();
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => self.content_type = Some(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.framing.content_length(value)?;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.framing.transfer_encoding(value)?;
            }
            _ => {}
        }
        Ok(())
    }
}
