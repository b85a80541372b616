//! A guest's request is checked and made ready to be sent; knows nothing of grants and connections.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::web::{FetchError, Request};

/// The longest URL, in bytes; servers take no longer ones.
const URL_MAX_BYTES: usize = 8 << 10;
/// The longest method, in bytes; the longest registered one has 17.
const METHOD_MAX_BYTES: usize = 32;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;
/// The longest headers of a request, all names and values together, in bytes.
const HEADERS_MAX_BYTES: usize = 64 << 10;

/// What frames the message or belongs to the connection, which are the client's business: a guest that could set these
/// could smuggle a second request past the grants.
const FORBIDDEN_HEADERS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// A request's parsed URL. Comes before everything else, so that the grants can be checked next.
pub(super) fn parse_url(text: &str) -> Result<Url, FetchError> {
    if text.len() > URL_MAX_BYTES {
        return invalid(format!("the URL is longer than {URL_MAX_BYTES} bytes"));
    }
    let url = Url::parse(text);
    let url = url.map_err(|error| FetchError::InvalidRequest(format!("the URL: {error}")))?;
    check_url_form(&url)?;
    Ok(url)
}

/// Whether it is a URL that may be fetched at all, by form. Redirects must pass it too.
pub(super) fn check_url_form(url: &Url) -> Result<(), FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        let scheme = url.scheme();
        return invalid(format!("the scheme must be http or https, not {scheme}"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return invalid("the URL names no host".into());
    }
    if url.port() == Some(0) {
        return invalid("port 0 cannot be connected to".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("the URL has a user name or password; send an Authorization header".into());
    }
    Ok(())
}

/// The request with everything but its limits in time.
pub(super) fn prepare(url: Url, request: Request) -> Result<reqwest::Request, FetchError> {
    let method = parse_method(&request.method)?;
    let mut prepared = reqwest::Request::new(method, url);
    let mut headers = parse_headers(&request.headers)?;
    let traceparent = request.traceparent.map(HeaderValue::try_from);
    if let Some(Ok(traceparent)) = traceparent {
        headers.entry("traceparent").or_insert(traceparent);
    }
    *prepared.headers_mut() = headers;
    if !request.body.is_empty() {
        *prepared.body_mut() = Some(request.body.into());
    }
    Ok(prepared)
}

fn parse_method(text: &str) -> Result<Method, FetchError> {
    if text.len() > METHOD_MAX_BYTES {
        return invalid(format!(
            "the method is longer than {METHOD_MAX_BYTES} bytes"
        ));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) => invalid("CONNECT is for proxies".into()),
        Ok(method) => Ok(method),
        Err(_) => invalid(format!("{text:?} is not a method")),
    }
}

fn parse_headers(headers: &[(String, String)]) -> Result<HeaderMap, FetchError> {
    if headers.len() > HEADERS_MAX {
        return invalid(format!("more than {HEADERS_MAX} headers"));
    }
    let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
    if sizes.sum::<usize>() > HEADERS_MAX_BYTES {
        return invalid(format!(
            "the headers are longer than {HEADERS_MAX_BYTES} bytes"
        ));
    }
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return invalid(format!("{name:?} is not a header name"));
        };
        if FORBIDDEN_HEADERS.contains(&parsed.as_str()) {
            return invalid(format!("the header {parsed} is set by the client itself"));
        }
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else {
            return invalid(format!(
                "the value of {parsed} contains a control character"
            ));
        };
        map.append(parsed, value);
    }
    Ok(map)
}

fn invalid<T>(reason: String) -> Result<T, FetchError> {
    Err(FetchError::InvalidRequest(reason))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_invalid<T>(result: Result<T, FetchError>) -> bool {
        matches!(result, Err(FetchError::InvalidRequest(_)))
    }

    fn with_header(name: &str, value: &str) -> Result<HeaderMap, FetchError> {
        parse_headers(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn only_plain_http_urls_are_valid() {
        for url in [
            "",
            "/path",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "data:text/plain,hi",
            "http://",
            "http://user@example.org/",
            "http://user:secret@example.org/",
            "http://:secret@example.org/",
            "http://example.org:0/",
            "http://example.org:65536/",
            "http://exa mple.org/",
            "http://[::1/",
        ] {
            assert!(is_invalid(parse_url(url)), "{url}");
        }
        assert!(is_invalid(parse_url(&format!(
            "http://a/{}",
            "x".repeat(9_000)
        ))));
        assert!(parse_url("HTTPS://Example.ORG./path?query#fragment").is_ok());
    }

    #[test]
    fn headers_that_frame_the_message_are_refused() {
        for name in FORBIDDEN_HEADERS {
            assert!(is_invalid(with_header(name, "x")), "{name}");
            assert!(is_invalid(with_header(&name.to_uppercase(), "x")), "{name}");
        }
        assert!(with_header("Authorization", "Bearer x").is_ok());
        assert!(with_header("X-Umlaut", "ä").is_ok());
    }

    #[test]
    fn header_injection_is_refused() {
        for (name, value) in [
            ("X", "a\r\nHost: b"),
            ("X", "a\0"),
            ("X\r\nHost", "a"),
            ("X:", "a"),
            ("", "a"),
        ] {
            assert!(is_invalid(with_header(name, value)), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn a_guest_may_have_a_traceparent_of_its_own() {
        let sent = |headers: &[(String, String)]| {
            let request = Request {
                headers: headers.to_vec(),
                traceparent: Some("ours".to_owned()),
                ..Request::get("http://a/".to_owned())
            };
            let url = parse_url(&request.url).expect("a URL");
            let prepared = prepare(url, request).expect("a request");
            let values = prepared.headers().get_all("traceparent");
            values.iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(sent(&[]), ["ours"]);
        let own = ("Traceparent".to_owned(), "its own".to_owned());
        assert_eq!(sent(&[own]), ["its own"]);
    }

    #[test]
    fn headers_are_bounded() {
        let one = ("a".to_owned(), "b".to_owned());
        assert!(parse_headers(&vec![one.clone(); HEADERS_MAX]).is_ok());
        assert!(is_invalid(parse_headers(&vec![one; HEADERS_MAX + 1])));
        assert!(is_invalid(with_header("a", &"b".repeat(HEADERS_MAX_BYTES))));
    }

    #[test]
    fn methods_are_tokens() {
        for method in ["", "GET ", "GET /", "CONNECT", "A\r\nB", &"X".repeat(33)] {
            assert!(is_invalid(parse_method(method)), "{method:?}");
        }
        assert!(parse_method("PROPFIND").is_ok());
    }

    proptest! {
        #[test]
        fn nothing_panics(method: String, url: String, name: String, value: String) {
            let _ = parse_method(&method);
            let _ = with_header(&name, &value);
            if let Ok(url) = parse_url(&url) {
                prop_assert!(url.has_host());
            }
        }
    }
}
