//! Requests in and out of order, and what has to come of them. Run over fake connections here, and over real ones, next
//! to nginx, by the integration tests.

/// What the connection is worth afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It takes another request.
    Open,
    /// It is closed, and what came behind was not taken for a request.
    Closed,
}

/// Whether nginx does the same: takes what is taken here, and refuses what is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nginx {
    Agrees,
    /// It is asked for something that it is not configured for, or does otherwise for the reason that is given.
    Differs(&'static str),
}

/// One case.
pub struct Case {
    pub request: Vec<u8>,
    pub statuses: &'static [u16],
    pub after: After,
    pub nginx: Nginx,
}

use After::{Closed, Open};
use Nginx::{Agrees, Differs};

/// All cases.
pub fn cases() -> Vec<Case> {
    let fixed = FIXED.iter().map(|(request, statuses, after, nginx)| Case {
        request: request.to_vec(),
        statuses,
        after: *after,
        nginx: *nginx,
    });
    fixed.chain(long()).collect()
}

/// Those that are made of repetition.
fn long() -> Vec<Case> {
    let case = |request: String, statuses, after| Case {
        request: request.into_bytes(),
        statuses,
        after,
        nginx: Differs("other limits"),
    };
    let x = |count: usize| "x".repeat(count);
    let field = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", x(count));
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count)
        )
    };
    let chunked = |body: String| {
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    vec![
        case(
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", x(5000)),
            &[414],
            Closed,
        ),
        case(x(5000), &[414], Closed),
        case(field(7000), &[200], Open),
        case(field(9000), &[431], Closed),
        case(fields(63), &[200], Open),
        case(fields(64), &[431], Closed),
        case(
            chunked(format!("1;{}\r\nx\r\n0\r\n\r\n", x(4096))),
            &[200],
            Open,
        ),
        case(
            chunked(format!("1;{}\r\nx\r\n0\r\n\r\n", x(4097))),
            &[400],
            Closed,
        ),
        case(
            chunked(format!("1\r\nx\r\n0\r\nT: {}\r\n\r\n", x(8000))),
            &[200],
            Open,
        ),
        case(
            chunked(format!("1\r\nx\r\n0\r\nT: {}\r\n\r\n", x(8192))),
            &[431],
            Closed,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5),
            &[200; 5],
            Open,
        ),
    ]
}

type Fixed = (&'static [u8], &'static [u16], After, Nginx);

const OURS: Nginx = Differs("a route of this server");
const LENIENT: Nginx = Differs("nginx takes it");

#[rustfmt::skip]
const FIXED: &[Fixed] = &[
    // What is in order.
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Open, Agrees),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Open, Agrees),
    (b"GET /?a=b%20c HTTP/1.1\r\nHOST:a\r\n\r\n", &[200], Open, Agrees),
    (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Open, Agrees),
    (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &[200], Open, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX:\t y \t\r\nX-Empty:\r\n\r\n", &[200], Open, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", &[200], Closed, Agrees),
    (b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", &[200], Closed, Agrees),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], Open, Agrees),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", &[200], Open, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200], Open, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200], Open, Agrees),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[204], Open, OURS),
    (b"OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n", &[204], Open, OURS),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &[200], Open, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\nhello", &[200], Open, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n", &[200], Open, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi", &[100, 200], Open, OURS),
    (b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", &[200], Open, OURS),
    // Refused, and in order: the connection goes on.
    (b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", &[404], Open, OURS),
    (b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r", &[404], Open, OURS),
    (b"GET /bytes/x HTTP/1.1\r\nHost: a\r\n\r\n", &[404], Open, OURS),
    (b"GET /bytes/999999999999 HTTP/1.1\r\nHost: a\r\n\r\n", &[404], Open, OURS),
    (b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", &[405], Open, OURS),
    (b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", &[405], Open, OURS),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", &[411], Open, OURS),
    // Refused, and closed.
    (b"POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", &[404], Closed, OURS),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: the-worst\r\n\r\n", &[417], Closed, LENIENT),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", &[413], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", &[413], Closed, Differs("nginx answers before it reads what it does not need")),
    (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", &[501], Closed, LENIENT),
    (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", &[501], Closed, Agrees),
    (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[501], Closed, Agrees),
    // Request lines.
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505], Closed, Agrees),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", &[505], Closed, Agrees),
    (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", &[505], Closed, Agrees),
    (b"GET /\r\n", &[400], Closed, Differs("nginx speaks HTTP/0.9")),
    (b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/11\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    (b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400], Closed, Agrees),
    // Lines.
    (b"GET / HTTP/1.1\nHost: a\n\n", &[400], Closed, LENIENT),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", &[400], Closed, LENIENT),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", &[400], Closed, LENIENT),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", &[400], Closed, LENIENT),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    // Fields.
    (b"GET / HTTP/1.1\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tContent-Length: 5\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", &[400], Closed, LENIENT),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: y\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): z\r\n\r\n", &[400], Closed, LENIENT),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x01\r\n\r\n", &[400], Closed, LENIENT),
    // Lengths. What stands behind would be a request of its own for whoever reads them otherwise.
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, Agrees),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    // Codings.
    (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    // Chunks.
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ng\r\nx\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n", &[400], Closed, LENIENT),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closed, LENIENT),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\nx\r\n0\r\n\r\n", &[400], Closed, LENIENT),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\rX\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", &[400], Closed, Agrees),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n T: u\r\n\r\n", &[400], Closed, LENIENT),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n", &[400], Closed, LENIENT),
];
