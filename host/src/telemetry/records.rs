//! What a span tells, as plain values, and which trace it belongs to. It must not know how OpenTelemetry names things.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::core::{CloseReason, Ledger};
use crate::limits::SPAN_TEXT_MAX_BYTES;

/// Names a span: its trace, its number in that, and whether both are sent to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanKey {
    /// The trace. Never 0.
    pub trace: u128,
    /// The span in it. Never 0.
    pub span: u64,
    /// Whether the trace is sampled.
    pub is_sampled: bool,
}

impl SpanKey {
    /// The header `traceparent` of a request that this span makes (W3C Trace Context, section 3.2).
    pub fn traceparent(self) -> String {
        let flags = u8::from(self.is_sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

/// Something that has ended.
#[derive(Debug)]
pub struct Record {
    /// Which span it is.
    pub key: SpanKey,
    /// Which one it is a part of.
    pub parent: Option<SpanKey>,
    /// When it ended.
    pub ended_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What it was.
    pub what: What,
}

/// What has ended.
#[derive(Debug)]
pub enum What {
    /// A connection.
    Connection(Box<ConnectionEnded>),
    /// A request to the web.
    Fetch(Box<FetchEnded>),
    /// An instance, against its will, and no connection of its own with it.
    Failure(Box<GuestFailure>),
    /// What the host does as a whole.
    Host(Box<HostWork>),
}

/// A connection that has ended.
#[derive(Debug)]
pub struct ConnectionEnded {
    /// Its service's name.
    pub service: String,
    /// As log records name it.
    pub id: u64,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: Option<SocketAddr>,
    /// What it has used.
    pub ledger: Ledger,
    /// Why it ended.
    pub reason: CloseReason,
    /// How its guest failed, if that ended it.
    pub failure: Option<GuestFailure>,
    /// The span of the shared instance's failure that ended it, and the kind of that.
    pub cause: Option<(SpanKey, &'static str)>,
}

/// A request to the web that is over.
#[derive(Debug)]
pub struct FetchEnded {
    /// The guest's service.
    pub service: String,
    /// As the guest gave it, [`cut`].
    pub method: String,
    /// As the guest gave it, [`cut`].
    pub url: String,
    /// How long the request's body was, in bytes.
    pub body_bytes: usize,
    /// What came of it.
    pub outcome: FetchOutcome,
}

/// What came of a request to the web.
#[derive(Debug)]
pub enum FetchOutcome {
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// How long its body was, in bytes.
        body_bytes: usize,
    },
    /// None.
    Failed {
        /// One of a few words.
        kind: &'static str,
        /// For people, [`cut`].
        message: String,
    },
    /// Nobody waited any more.
    Cancelled,
}

/// How an instance ended against its will.
#[derive(Clone, Debug)]
pub struct GuestFailure {
    /// Its service's name.
    pub service: String,
    /// The handler that ran.
    pub handler: String,
    /// One of a few words.
    pub kind: &'static str,
    /// For people, [`cut`].
    pub message: String,
    /// The wasm frames, innermost first, [`cut`].
    pub backtrace: String,
}

/// Something that the host does with its services, and what it came to.
#[derive(Debug)]
pub struct HostWork {
    /// `start` or `reload`.
    pub name: &'static str,
    /// Services, by what has become of them.
    pub services: Vec<(&'static str, Vec<String>)>,
    /// Why nothing was done, or not all, [`cut`].
    pub error: Option<String>,
}

impl Record {
    /// Of what has ended just now.
    pub fn new(key: SpanKey, parent: Option<SpanKey>, took: Duration, what: What) -> Self {
        Self {
            key,
            parent,
            ended_at: clock::time_of_day(),
            took,
            what,
        }
    }

    /// How much it keeps whose length others decide, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        match &self.what {
            What::Connection(connection) => {
                connection.failure.as_ref().map_or(0, GuestFailure::bytes)
            }
            What::Fetch(fetch) => {
                let message = match &fetch.outcome {
                    FetchOutcome::Failed { message, .. } => message.len(),
                    FetchOutcome::Response { .. } | FetchOutcome::Cancelled => 0,
                };
                fetch.method.len() + fetch.url.len() + message
            }
            What::Failure(failure) => failure.bytes(),
            What::Host(work) => {
                let names = work.services.iter().flat_map(|(_, names)| names);
                names.map(String::len).sum::<usize>() + work.error.as_ref().map_or(0, String::len)
            }
        }
    }
}

impl GuestFailure {
    fn bytes(&self) -> usize {
        self.message.len() + self.backtrace.len()
    }
}

/// A text that is not longer than [`SPAN_TEXT_MAX_BYTES`].
pub fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(SPAN_TEXT_MAX_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_has_the_form_of_the_recommendation() {
        let key = SpanKey {
            trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span: 0xb7ad_6b71_6920_3331,
            is_sampled: true,
        };
        assert_eq!(
            key.traceparent(),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
        let small = SpanKey {
            trace: 1,
            span: 2,
            is_sampled: false,
        };
        assert_eq!(
            small.traceparent(),
            "00-00000000000000000000000000000001-0000000000000002-00"
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = format!("{}ä", "x".repeat(SPAN_TEXT_MAX_BYTES - 1));
        assert_eq!(cut(&long).len(), SPAN_TEXT_MAX_BYTES - 1);
    }
}
