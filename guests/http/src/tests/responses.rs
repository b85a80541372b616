//! Reads responses as a client does, strictly: for tests, here and over real sockets. Knows nothing of this server.

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A field's value, empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The response at the start of `bytes`, and how long it is; none if it is not complete. `has_ended` says that no more
/// bytes will come, which may be what ends it.
///
/// # Panics
///
/// When it is no response.
pub fn parse(bytes: &[u8], is_to_head: bool, has_ended: bool) -> Option<(Response, usize)> {
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end - 4]).expect("ASCII");
    let mut lines = head.split("\r\n");
    let status_line = lines.next().expect("a status line");
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("no status line: {status_line:?}"));
    let fields = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a field");
            assert!(!value.contains(['\r', '\n']), "{line:?}");
            (name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    let mut response = Response {
        status,
        fields,
        body: Vec::new(),
    };
    let rest = &bytes[head_end..];
    let length = if is_to_head || status < 200 || status == 204 {
        0
    } else if response.field("transfer-encoding") == "chunked" {
        let (body, length) = chunks(rest)?;
        response.body = body;
        length
    } else if response.field("content-length").is_empty() {
        if !has_ended {
            return None;
        }
        response.body = rest.to_vec();
        rest.len()
    } else {
        let length = response.field("content-length").parse().expect("a length");
        response.body = rest.get(..length)?.to_vec();
        length
    };
    Some((response, head_end + length))
}

/// All responses in `bytes`, and what is left of one that is not complete.
pub fn parse_all(mut bytes: &[u8], has_ended: bool) -> (Vec<Response>, &[u8]) {
    let mut responses = Vec::new();
    while let Some((response, length)) = parse(bytes, false, has_ended) {
        responses.push(response);
        bytes = &bytes[length..];
    }
    (responses, bytes)
}

fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line_end = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..line_end]).expect("ASCII");
        let size = usize::from_str_radix(digits, 16).expect("a chunk's size");
        let data = bytes.get(line_end + 2..line_end + 2 + size + 2)?;
        assert!(data.ends_with(b"\r\n"), "a chunk ends with CRLF");
        body.extend_from_slice(&data[..size]);
        at = line_end + 2 + size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}
