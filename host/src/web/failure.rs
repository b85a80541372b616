//! The libraries' errors become a `FetchError`; knows what their chains of sources look like, and nothing else.

use std::error::Error;
use std::io;

use crate::web::FetchError;

/// What went wrong, as precisely as the chain of sources tells. What our own resolver and redirect policy said comes
/// before what the libraries made of it.
pub(super) fn from_reqwest(error: &reqwest::Error) -> FetchError {
    let chain = chain_of(error);
    let find = |kind: fn(&Link, &str) -> Option<FetchError>| {
        let text = describe(error, &chain);
        chain.iter().find_map(|link| kind(link, &text))
    };
    find(own)
        .or_else(|| find(tls))
        .or_else(|| by_flags(error, describe(error, &chain)))
        .or_else(|| find(http))
        .or_else(|| find(broken))
        .unwrap_or_else(|| FetchError::Protocol(describe(error, &chain)))
}

type Link<'a> = &'a (dyn Error + 'static);

fn own(link: &Link, _: &str) -> Option<FetchError> {
    link.downcast_ref::<FetchError>().cloned()
}

fn tls(link: &Link, text: &str) -> Option<FetchError> {
    link.is::<rustls::Error>()
        .then(|| FetchError::Tls(text.to_owned()))
}

fn http(link: &Link, text: &str) -> Option<FetchError> {
    let error = link.downcast_ref::<hyper::Error>()?;
    if error.is_incomplete_message() {
        return Some(FetchError::Connect(text.to_owned()));
    }
    error
        .is_parse()
        .then(|| FetchError::Protocol(text.to_owned()))
}

fn broken(link: &Link, text: &str) -> Option<FetchError> {
    let error = link.downcast_ref::<io::Error>()?;
    Some(match error.kind() {
        // What hyper reports of a chunked body that is none.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            FetchError::Protocol(text.to_owned())
        }
        _ => FetchError::Connect(text.to_owned()),
    })
}

fn by_flags(error: &reqwest::Error, text: String) -> Option<FetchError> {
    if error.is_builder() {
        Some(FetchError::InvalidRequest(text))
    } else if error.is_connect() {
        // Its timeout too, which is that of one connection and not of the fetch.
        Some(FetchError::Connect(text))
    } else if error.is_timeout() {
        Some(FetchError::Timeout)
    } else {
        None
    }
}

/// Where it happened and the innermost reason, which is the one that people can act on.
fn describe(error: &reqwest::Error, chain: &[Link]) -> String {
    let reason = chain.last().map(ToString::to_string).unwrap_or_default();
    match error.url().and_then(url::Url::host_str) {
        Some(host) => format!("{host}: {reason}"),
        None => reason,
    }
}

/// The error and its sources, outermost first. An `io::Error` hides what it wraps from `source()`, and the TLS library's
/// errors travel in one.
fn chain_of<'a>(error: &'a (dyn Error + 'static)) -> Vec<Link<'a>> {
    /// No chain is that long; but a loop here would be for ever.
    const LINKS_MAX: usize = 32;
    let mut chain = vec![error];
    while let Some(last) = chain.last().copied().filter(|_| chain.len() < LINKS_MAX) {
        let wrapped = last
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let next = match wrapped {
            Some(wrapped) => Some(wrapped as Link<'a>),
            None => last.source(),
        };
        let Some(next) = next else { break };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let inner = rustls::Error::DecryptError;
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        let chain = chain_of(&outer);
        assert!(chain.last().is_some_and(|last| last.is::<rustls::Error>()));
    }
}
