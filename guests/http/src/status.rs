//! The status codes that this server sends, and their names.

/// A final status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    NoContent,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    LengthRequired,
    ContentTooLarge,
    UriTooLong,
    ExpectationFailed,
    HeadTooLarge,
    NotImplemented,
    VersionNotSupported,
}

impl Status {
    /// The status line, without its end.
    pub fn line(self) -> &'static str {
        match self {
            Status::Ok => "HTTP/1.1 200 OK",
            Status::NoContent => "HTTP/1.1 204 No Content",
            Status::BadRequest => "HTTP/1.1 400 Bad Request",
            Status::NotFound => "HTTP/1.1 404 Not Found",
            Status::MethodNotAllowed => "HTTP/1.1 405 Method Not Allowed",
            Status::RequestTimeout => "HTTP/1.1 408 Request Timeout",
            Status::LengthRequired => "HTTP/1.1 411 Length Required",
            Status::ContentTooLarge => "HTTP/1.1 413 Content Too Large",
            Status::UriTooLong => "HTTP/1.1 414 URI Too Long",
            Status::ExpectationFailed => "HTTP/1.1 417 Expectation Failed",
            Status::HeadTooLarge => "HTTP/1.1 431 Request Header Fields Too Large",
            Status::NotImplemented => "HTTP/1.1 501 Not Implemented",
            Status::VersionNotSupported => "HTTP/1.1 505 HTTP Version Not Supported",
        }
    }

    /// The code and its name.
    pub fn text(self) -> &'static str {
        &self.line()["HTTP/1.1 ".len()..]
    }
}
