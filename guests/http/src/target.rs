//! What a request is for: the request target, in the forms that RFC 9112 (3.2) knows, and the names of hosts.

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A resource, by its absolute path, without the query.
    Path(&'a [u8]),
    /// `*`: the server as a whole.
    Asterisk,
}

/// Reads a target; none when it has no form that a server which is no proxy is asked with. `is_options` says whether the
/// method is OPTIONS, the only one that may ask for `*`.
pub fn read(target: &[u8], is_options: bool) -> Option<Target<'_>> {
    // A fragment is never sent, and anything but visible ASCII has to be percent-encoded.
    if !target
        .iter()
        .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
    {
        return None;
    }
    match target {
        [b'/', ..] => Some(Target::Path(without_query(target))),
        b"*" => is_options.then_some(Target::Asterisk),
        _ => absolute(target),
    }
}

/// `http://host/path`, as clients send it to proxies; every server has to take it.
fn absolute(target: &[u8]) -> Option<Target<'_>> {
    let rest = strip_ignoring_case(target, b"http://")
        .or_else(|| strip_ignoring_case(target, b"https://"))?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if !is_host(host) {
        return None;
    }
    match path {
        [b'/', ..] => Some(Target::Path(without_query(path))),
        _ => Some(Target::Path(b"/")),
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|byte| *byte == b'?');
    &path[..end.unwrap_or(path.len())]
}

fn strip_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether this is a host with or without a port (RFC 3986, 3.2.2), and not an empty one.
pub fn is_host(text: &[u8]) -> bool {
    let (host, port) = if let [b'[', rest @ ..] = text {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let address = &rest[..end];
        if !address
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'v'))
        {
            return false;
        }
        (address, &rest[end + 1..])
    } else {
        let end = text.iter().position(|byte| *byte == b':');
        let (name, port) = text.split_at(end.unwrap_or(text.len()));
        if !name.iter().copied().all(is_in_names) {
            return false;
        }
        (name, port)
    };
    !host.is_empty()
        && match port {
            [] => true,
            [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

fn is_in_names(byte: u8) -> bool {
    // A pattern, for a search in a list costs more than all the rest of reading a host.
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let path = |path: &'static str| Some(Target::Path(path.as_bytes()));
        for (target, expected) in [
            ("/", path("/")),
            ("/a/b?c=d?e", path("/a/b")),
            ("//a", path("//a")),
            ("http://host", path("/")),
            ("HTTP://host:80/a?b", path("/a")),
            ("https://[::1]:8000?a/b", path("/")),
            ("*", None),
            ("", None),
            ("a", None),
            ("host:80", None),
            ("/a#b", None),
            ("/\u{e4}", None),
            ("ftp://host/", None),
            ("http:///a", None),
            ("http://user@host/", None),
        ] {
            assert_eq!(read(target.as_bytes(), false), expected, "{target}");
        }
        assert_eq!(read(b"*", true), Some(Target::Asterisk));
    }

    #[test]
    fn hosts() {
        for host in [
            "a",
            "a.b:80",
            "127.0.0.1:8000",
            "[::1]",
            "[::1]:1",
            "a:",
            "%41",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b", "a,b/", "a:80:80", "a:http", "[::1", "[]", "[::1]x", "a@b",
            "a:123456", "\u{e4}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
