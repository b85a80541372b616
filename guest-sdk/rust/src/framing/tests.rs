//! Frames that are cut anywhere, one byte at a time too, and peers that break the rules.

use super::*;
use crate::testing::StringTransport;
use proptest::prelude::*;

/// What a receiver makes of pieces: the frames before the end or the first error, and the error.
type Received = (Vec<Vec<u8>>, Option<FrameError>);

fn receive<R>(
    receiver: &mut R,
    pieces: &[&[u8]],
    push: fn(&mut R, &[u8]),
    next: fn(&mut R) -> Result<Option<Vec<u8>>, FrameError>,
) -> Received {
    let mut frames = Vec::new();
    for piece in pieces {
        push(receiver, piece);
        loop {
            match next(receiver) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(next(receiver), Err(error), "there is no way back");
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

fn lines(receiver: &mut LineReceiver, pieces: &[&[u8]]) -> Received {
    receive(
        receiver,
        pieces,
        LineReceiver::push,
        LineReceiver::next_line,
    )
}

fn netstrings(receiver: &mut NetstringReceiver, pieces: &[&[u8]]) -> Received {
    receive(
        receiver,
        pieces,
        NetstringReceiver::push,
        NetstringReceiver::next_string,
    )
}

fn int32s(receiver: &mut Int32Receiver, pieces: &[&[u8]]) -> Received {
    receive(
        receiver,
        pieces,
        Int32Receiver::push,
        Int32Receiver::next_string,
    )
}

fn bytewise(data: &[u8]) -> Vec<&[u8]> {
    data.chunks(1).collect()
}

fn frames(frames: &[&[u8]]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.to_vec()).collect()
}

#[test]
fn lines_one_byte_at_a_time() {
    let data = b"one\r\n\r\ntwo\rtwo\n\r\nunfinished";
    for pieces in [vec![&data[..]], bytewise(data)] {
        let received = lines(&mut LineReceiver::new(), &pieces);
        assert_eq!(received, (frames(&[b"one", b"", b"two\rtwo\n"]), None));
    }
}

#[test]
fn a_line_has_a_limit() {
    let too_long = Some(FrameError::TooLong(4));
    for (data, expected) in [
        (&b"1234\n"[..], (frames(&[b"1234"]), None)),
        (b"1234", (vec![], None)),
        (b"12345", (vec![], too_long)),
        (b"12345\n", (vec![], too_long)),
        (b"1\n12345", (frames(&[b"1"]), too_long)),
    ] {
        for pieces in [vec![data], bytewise(data)] {
            let mut receiver = LineReceiver::with_delimiter(b"\n").length_max(4);
            assert_eq!(lines(&mut receiver, &pieces), expected, "{data:?}");
        }
    }
}

#[test]
fn raw_bytes_between_lines() {
    let mut receiver = LineReceiver::with_delimiter(b"\n");
    receiver.push(b"body 5\n12");
    assert_eq!(receiver.next_line(), Ok(Some(b"body 5".to_vec())));
    assert_eq!(receiver.take_raw(5), b"12");
    receiver.push(b"345next\n");
    assert_eq!(receiver.take_raw(3), b"345");
    assert_eq!(receiver.take_raw(0), b"");
    assert_eq!(receiver.next_line(), Ok(Some(b"next".to_vec())));
}

#[test]
fn netstrings_one_byte_at_a_time() {
    let data = b"5:hello,0:,3:a,b,1";
    for pieces in [vec![&data[..]], bytewise(data)] {
        let received = netstrings(&mut NetstringReceiver::new(), &pieces);
        assert_eq!(received, (frames(&[b"hello", b"", b"a,b"]), None));
    }
}

#[test]
fn what_is_no_netstring() {
    let malformed = |data: &[u8]| {
        let (_, error) = netstrings(&mut NetstringReceiver::new(), &bytewise(data));
        matches!(error, Some(FrameError::Malformed(_)))
    };
    for data in [
        &b"x"[..],
        b":",
        b"-1:",
        b"05:hello,",
        b"5:hello;",
        b"5 :hello,",
    ] {
        assert!(malformed(data), "{data:?}");
    }
    let too_long = |data: &[u8]| netstrings(&mut NetstringReceiver::new(), &[data]).1;
    assert_eq!(too_long(b"99999:"), None);
    // Refused by its length alone, and before that can overflow.
    assert_eq!(too_long(b"100000"), Some(FrameError::TooLong(99_999)));
    assert_eq!(too_long(&[b'9'; 100]), Some(FrameError::TooLong(99_999)));
}

#[test]
fn int32s_one_byte_at_a_time() {
    let data = b"\0\0\0\x05hello\0\0\0\0\0\0\0\x01x\0\0";
    for pieces in [vec![&data[..]], bytewise(data)] {
        let received = int32s(&mut Int32Receiver::new(), &pieces);
        assert_eq!(received, (frames(&[b"hello", b"", b"x"]), None));
    }
    let too_long = int32s(&mut Int32Receiver::new(), &[b"\xff\xff\xff\xff"]);
    assert_eq!(too_long, (vec![], Some(FrameError::TooLong(99_999))));
}

#[test]
fn the_rest_goes_to_another_framing() {
    let mut strings = NetstringReceiver::new();
    strings.push(b"1:a,raw");
    assert_eq!(strings.next_string(), Ok(Some(b"a".to_vec())));
    assert_eq!(strings.take_rest(), b"raw");
}

proptest! {
    /// What is sent is received, wherever it is cut.
    #[test]
    fn there_and_back(strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20), cut in 1_usize..50) {
        let sent = StringTransport::new();
        strings.iter().for_each(|string| NetstringReceiver::new().send_string(sent.transport(), string));
        let data = sent.take_written();
        let pieces: Vec<_> = data.chunks(cut).collect();
        prop_assert_eq!(netstrings(&mut NetstringReceiver::new(), &pieces), (strings.clone(), None));

        strings.iter().for_each(|string| Int32Receiver::new().send_string(sent.transport(), string));
        let data = sent.take_written();
        let pieces: Vec<_> = data.chunks(cut).collect();
        prop_assert_eq!(int32s(&mut Int32Receiver::new(), &pieces), (strings.clone(), None));

        let strings: Vec<Vec<u8>> = strings.into_iter().map(|mut string| { string.retain(|byte| *byte != b'\n'); string }).collect();
        let line = LineReceiver::new();
        strings.iter().for_each(|string| line.send_line(sent.transport(), string));
        let data = sent.take_written();
        let pieces: Vec<_> = data.chunks(cut).collect();
        prop_assert_eq!(lines(&mut LineReceiver::new(), &pieces), (strings, None));
    }

    /// Delimiters that begin within another one, too: the first that is whole ends the line.
    #[test]
    fn any_delimiter(delimiter in "[ab]{1,4}", data in "[ab]{0,60}", cut in 1_usize..20) {
        let mut expected: Vec<_> = data.split(&delimiter).map(|line| line.as_bytes().to_vec()).collect();
        expected.pop();
        let pieces: Vec<_> = data.as_bytes().chunks(cut).collect();
        let mut receiver = LineReceiver::with_delimiter(delimiter.as_bytes());
        prop_assert_eq!(lines(&mut receiver, &pieces), (expected, None));
    }

    /// Nothing that a peer sends panics or is kept beyond the limit, and cuts change nothing.
    #[test]
    fn any_bytes(data in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'1'), Just(b':'), Just(b','), Just(0), Just(b'\n')], 0..400), cut in 1_usize..20) {
        let pieces: Vec<_> = data.chunks(cut).collect();
        let new = || LineReceiver::with_delimiter(b"\n").length_max(40);
        let mut receiver = new();
        prop_assert_eq!(lines(&mut receiver, &pieces), lines(&mut new(), &[&data]));
        prop_assert!(receiver.buffer.rest().len() <= 40);
        let new = || NetstringReceiver::new().length_max(40);
        let mut receiver = new();
        prop_assert_eq!(netstrings(&mut receiver, &pieces), netstrings(&mut new(), &[&data]));
        prop_assert!(receiver.buffer.rest().len() <= 40 + 4);
        let new = || Int32Receiver::new().length_max(40);
        let mut receiver = new();
        prop_assert_eq!(int32s(&mut receiver, &pieces), int32s(&mut new(), &[&data]));
        prop_assert!(receiver.buffer.rest().len() <= 40 + 4);
    }
}
