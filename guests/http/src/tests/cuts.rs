//! Conversations that are made up, cut anywhere: the answers must not depend on the cuts. And bytes that are nothing.

use std::time::Duration;

use proptest::prelude::*;
use wisted_guest::testing::Clock;

use super::corpus::cases;
use super::responses::{Response, parse_all};
use super::{drain_all, get, shown, start};

/// Parts of conversations, most of them in order.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let cases: Vec<Vec<u8>> = cases().into_iter().map(|case| case.request).collect();
    let post = |body: Vec<u8>, expects: bool| {
        let expect = if expects {
            "Expect: 100-continue\r\n"
        } else {
            ""
        };
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    let chunked = |chunks: Vec<Vec<u8>>| {
        let mut request =
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in chunks {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        request
    };
    let body = || prop::collection::vec(any::<u8>(), 1..300);
    prop_oneof![
        8 => (0_u32..3000).prop_map(|length| get(&format!("/bytes/{length}")).into_bytes()),
        2 => (0_u32..30_000).prop_map(|length| get(&format!("/chunked/{length}")).into_bytes()),
        4 => (body(), any::<bool>()).prop_map(move |(body, expects)| post(body, expects)),
        4 => prop::collection::vec(body(), 0..5).prop_map(chunked),
        3 => prop::sample::select(cases),
        1 => prop::collection::vec(any::<u8>(), 1..50),
    ]
}

/// What comes back when the bytes arrive in pieces of these lengths, over and over.
fn converse(bytes: &[u8], cuts: &[usize]) -> (Vec<Response>, bool) {
    let clock = Clock::new();
    let server = start(&[("echo-buffer-max-bytes", "500")]);
    let peer = server.connect();
    let (mut rest, mut received) = (bytes, Vec::new());
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        peer.send(piece);
        received.extend(drain_all(&peer));
        rest = behind;
    }
    server.advance(&clock, Duration::from_millis(1));
    received.extend(drain_all(&peer));
    let (mut responses, rest) = parse_all(&received, peer.is_disconnected());
    if !rest.is_empty() {
        // A stream that ends too early: where, depends on what had arrived.
        assert!(peer.is_disconnected(), "half a response: {}", shown(rest));
    }
    for response in &mut responses {
        response.fields.retain(|(name, _)| name != "date");
    }
    (responses, peer.is_disconnected())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_same_answers(
        requests in prop::collection::vec(request(), 1..6),
        cuts in prop::collection::vec(1_usize..200, 1..5),
    ) {
        let bytes = requests.concat();
        let whole = converse(&bytes, &[bytes.len()]);
        prop_assert_eq!(&converse(&bytes, &cuts), &whole);
        prop_assert_eq!(&converse(&bytes, &[1]), &whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 1..2000), cut in 1_usize..500) {
        converse(&bytes, &[cut]);
    }
}
