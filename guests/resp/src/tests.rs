//! The whole server on a fake transport and clock: cuts, limits, waiting commands and expiry.

use crate::Resp;
use crate::limits::{
    BULK_MAX_BYTES, COMMAND_WORK_MAX_STEPS, LINE_MAX_BYTES, QUERIES_MAX_BYTES, QUERY_MAX_BYTES,
    REPLIES_MAX_BYTES, REPLY_MAX_BYTES,
};
use proptest::prelude::*;
use std::time::Duration;
use wisted_guest::testing::{Clock, Peer, Server};

fn server() -> Server<Resp> {
    Server::start(&[]).unwrap()
}

/// One exchange.
fn ask(peer: &Peer<Resp>, sent: impl AsRef<[u8]>) -> String {
    peer.send(sent.as_ref());
    String::from_utf8_lossy(&peer.take_received()).into_owned()
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).into_bytes());
        command.extend_from_slice(word);
        command.extend(b"\r\n");
    }
    command
}

#[test]
fn one_byte_at_a_time() {
    let server = server();
    let peer = server.connect();
    peer.send_bytewise(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\nGET k\r\nPING\r\n");
    assert_eq!(
        peer.take_received(),
        b"+OK\r\n$12\r\nhello\r\nworld\r\n+PONG\r\n"
    );
}

#[test]
fn both_protocols_and_back() {
    let server = server();
    let peer = server.connect();
    assert_eq!(ask(&peer, "GET none\r\n"), "$-1\r\n");
    assert!(ask(&peer, "HELLO 3 AUTH default x SETNAME me\r\n").starts_with("%7\r\n"));
    assert_eq!(
        ask(&peer, "GET none\r\nCLIENT GETNAME\r\n"),
        "_\r\n$2\r\nme\r\n"
    );
    assert_eq!(
        ask(&peer, "RESET\r\nGET none\r\nCLIENT GETNAME\r\n"),
        "+RESET\r\n$-1\r\n$-1\r\n"
    );
}

#[test]
fn connections_share_the_keys_and_not_the_database() {
    let server = server();
    let (one, two) = (server.connect(), server.connect());
    assert_eq!(
        ask(&one, "SET k v\r\nSELECT 3\r\nGET k\r\n"),
        "+OK\r\n+OK\r\n$-1\r\n"
    );
    assert_eq!(ask(&two, "GET k\r\n"), "$1\r\nv\r\n");
}

#[test]
fn quit_and_errors_of_the_protocol_end_the_connection() {
    let server = server();
    let peer = server.connect();
    assert_eq!(ask(&peer, "PING\r\nQUIT\r\nPING\r\n"), "+PONG\r\n+OK\r\n");
    assert!(peer.is_disconnected());
    for (sent, error) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*1\r\nPING\r\n", "expected '$', got 'P'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("ECHO \"\r\n", "unbalanced quotes in request"),
    ] {
        let peer = server.connect();
        assert_eq!(
            ask(&peer, sent),
            format!("-ERR Protocol error: {error}\r\n")
        );
        assert!(peer.is_disconnected());
    }
}

#[test]
fn lines_are_bounded() {
    let server = server();
    for (start, error) in [
        ("", "too big inline request"),
        ("*", "too big mbulk count string"),
        ("*1\r\n$", "too big bulk count string"),
    ] {
        let peer = server.connect();
        peer.send(start.as_bytes());
        peer.send(&[b'1'; LINE_MAX_BYTES - 1]);
        assert_eq!(ask(&peer, ""), "", "{error}");
        peer.send(b"11");
        let said = ask(&peer, "");
        assert_eq!(said, format!("-ERR Protocol error: {error}\r\n"));
    }
}

#[test]
fn values_are_bounded() {
    let server = server();
    let peer = server.connect();
    let largest = vec![b'x'; BULK_MAX_BYTES];
    assert_eq!(ask(&peer, command(&[b"SET", b"k", &largest])), "+OK\r\n");
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    assert_eq!(ask(&peer, "APPEND k x\r\n"), too_long);
    assert_eq!(
        ask(&peer, format!("SETRANGE k {BULK_MAX_BYTES} x\r\n")),
        too_long
    );
    let header = format!("*2\r\n$3\r\nGET\r\n${}\r\n", BULK_MAX_BYTES + 1);
    assert_eq!(
        ask(&peer, header),
        "-ERR Protocol error: invalid bulk length\r\n"
    );
}

#[test]
fn what_one_connection_leaves_incomplete_is_bounded() {
    let server = server();
    let peer = server.connect();
    peer.send(b"*5000\r\n");
    let argument = [b"$1000\r\n".to_vec(), vec![b'x'; 1000], b"\r\n".to_vec()].concat();
    for _ in 0..QUERY_MAX_BYTES / argument.len() - 1 {
        peer.send(&argument);
    }
    assert!(!peer.is_disconnected());
    peer.send(&argument.repeat(2));
    assert!(ask(&peer, "").starts_with("-ERR the commands that wait"));
    assert!(peer.is_disconnected());
}

#[test]
fn what_all_connections_leave_incomplete_is_bounded_and_given_back() {
    let server = server();
    let start = [
        b"*2\r\n$4\r\nECHO\r\n$1000000\r\n".to_vec(),
        vec![b'x'; 900_000],
    ]
    .concat();
    let peers: Vec<_> = (0..=QUERIES_MAX_BYTES / 900_000)
        .map(|_| server.connect())
        .collect();
    peers.iter().for_each(|peer| peer.send(&start));
    let refused = peers.iter().filter(|peer| peer.is_disconnected()).count();
    assert_eq!(refused, 1);
    peers[0].reset();
    let newcomer = server.connect();
    newcomer.send(&start);
    assert!(!newcomer.is_disconnected());
}

#[test]
fn a_reply_is_bounded() {
    let server = server();
    let peer = server.connect();
    let value = vec![b'x'; BULK_MAX_BYTES / 2];
    ask(&peer, command(&[b"SET", b"k", &value]));
    let fits = ask(&peer, "MGET k k k\r\n");
    assert!(fits.starts_with("*3\r\n") && fits.len() < REPLY_MAX_BYTES);
    let too_long = "-ERR the reply is longer than this server's limit; ask for less at a time\r\n";
    assert_eq!(ask(&peer, "MGET k k k k k\r\n"), too_long);
    ask(&peer, "SADD s x\r\n");
    assert_eq!(ask(&peer, "SRANDMEMBER s -3999999\r\n"), too_long);
}

#[test]
fn the_work_of_a_command_is_bounded() {
    let server = server();
    let peer = server.connect();
    let too_much =
        "-ERR the command takes more steps than this server's limit; ask for less at a time\r\n";
    let members: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let mut sadd: Vec<&[u8]> = vec![b"SADD", b"s"];
    sadd.extend(members.iter().map(String::as_bytes));
    assert_eq!(ask(&peer, command(&sadd)), ":20000\r\n");
    let times = COMMAND_WORK_MAX_STEPS / members.len() + 1;
    for name in ["SINTER", "SUNION", "SDIFF"] {
        assert_eq!(
            ask(&peer, format!("{name}{}\r\n", " s".repeat(times))),
            too_much
        );
    }
    // A pattern that goes back often, against a key that makes it do so.
    let key = "a".repeat(60_000);
    ask(&peer, command(&[b"SET", key.as_bytes(), b"v"]));
    assert_eq!(
        ask(&peer, format!("KEYS *{}b\r\n", "a".repeat(1_000))),
        too_much
    );
}

#[test]
fn the_memory_is_bounded_and_given_back() {
    let server = Server::<Resp>::start(&[("maxmemory", "100000")]).unwrap();
    let peer = server.connect();
    let set = |number: usize| command(&[b"SET", number.to_string().as_bytes(), &[b'x'; 1000]]);
    let stored = (0..200)
        .take_while(|number| ask(&peer, set(*number)) == "+OK\r\n")
        .count();
    assert!((80..100).contains(&stored), "{stored}");
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    for command in [
        "INCR n",
        "APPEND 1 x",
        "LPUSH l x",
        "SADD s x",
        "HSET h f v",
    ] {
        assert_eq!(ask(&peer, format!("{command}\r\n")), oom);
    }
    // What takes nothing is still done.
    assert_eq!(ask(&peer, "STRLEN 1\r\nDEL 1 2 3\r\n"), ":1000\r\n:3\r\n");
    assert_eq!(ask(&peer, set(1)), "+OK\r\n");
    assert!(Server::<Resp>::start(&[("maxmemory", "lots")]).is_err());
}

#[test]
fn many_arguments_must_fit_the_memory_before_they_are_stored() {
    let server = Server::<Resp>::start(&[("maxmemory", "1000000")]).unwrap();
    let peer = server.connect();
    let push = |count: usize| {
        let mut words: Vec<&[u8]> = vec![b"RPUSH", b"l"];
        words.extend(std::iter::repeat_n(&b""[..], count));
        command(&words)
    };
    assert_eq!(ask(&peer, push(10_000)), ":10000\r\n");
    assert!(ask(&peer, push(20_000)).starts_with("-OOM"));
    assert_eq!(ask(&peer, push(1)), ":10001\r\n");
}

#[test]
fn incomplete_arguments_count_besides_their_bytes() {
    let server = server();
    let start = [b"*1000000\r\n".to_vec(), b"$0\r\n\r\n".repeat(300_000)].concat();
    let peers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for peer in &peers {
        start.chunks(64 << 10).for_each(|piece| peer.send(piece));
    }
    let refused = peers.iter().filter(|peer| peer.is_disconnected()).count();
    assert!((1..4).contains(&refused), "{refused}");
    peers.iter().for_each(Peer::reset);
    let info = ask(&server.connect(), "INFO clients\r\n");
    assert!(info.contains("query_buffers_bytes:0\r\n"), "{info}");
}

/// Every kind of value is weighed alike when it comes, changes and goes.
#[test]
fn what_was_weighed_is_taken_off_again() {
    let server = server();
    let peer = server.connect();
    let script = "SET a 1\r\nAPPEND a 23456789\r\nINCR a\r\nSET b x EX 100\r\nSETRANGE b 100 y\r\nRENAME b c\r\n\
         RPUSH l a bb ccc dddd a\r\nLSET l 0 longer\r\nLREM l 0 a\r\nLTRIM l 1 2\r\nLPOP l\r\n\
         HSET h a 1 b 2 c 3\r\nHSET h a 11111\r\nHDEL h b\r\nHINCRBY h c 1000\r\n\
         SADD s a b c dd\r\nSREM s a\r\nSPOP s\r\nSET l now-a-string\r\nRENAME h c\r\nGETDEL a\r\n";
    for ending in ["FLUSHALL\r\n", "DEL a b c h l s\r\n"] {
        assert!(!ask(&peer, script).contains("-ERR"));
        assert!(!ask(&peer, "INFO memory\r\n").contains("used_memory:0\r\n"));
        ask(&peer, ending);
        let memory = ask(&peer, "INFO memory\r\n");
        assert!(memory.contains("used_memory:0\r\n"), "{ending}{memory}");
    }
}

#[test]
fn commands_wait_for_a_peer_that_does_not_read_and_come_in_order() {
    let clock = Clock::new();
    let server = server();
    let peer = server.connect();
    let value = vec![b'x'; REPLIES_MAX_BYTES / 2];
    ask(&peer, command(&[b"SET", b"k", &value]));
    peer.send(&b"GET k\r\n".repeat(10));
    peer.send(b"PING\r\n");
    assert!(peer.connection().is_reading_paused());
    let first = peer.received().len();
    assert!(first < 4 * value.len(), "{first}");
    // As long as nothing is read nothing more comes.
    server.advance(&clock, Duration::from_secs(1));
    assert_eq!(peer.received().len(), first);
    let mut received = Vec::new();
    while !received.ends_with(b"+PONG\r\n") {
        let more = peer.drain();
        assert!(!more.is_empty());
        received.extend(more);
    }
    assert!(!peer.connection().is_reading_paused());
    let reply = [
        format!("${}\r\n", value.len()).into_bytes(),
        value,
        b"\r\n".to_vec(),
    ]
    .concat();
    assert_eq!(received, [reply.repeat(10), b"+PONG\r\n".to_vec()].concat());
}

#[test]
fn commands_that_wait_go_on_by_themselves() {
    let clock = Clock::new();
    let server = server();
    let peer = server.connect();
    let members: Vec<String> = (0..60_000).map(|number| number.to_string()).collect();
    let mut push: Vec<&[u8]> = vec![b"RPUSH", b"l"];
    push.extend(members.iter().map(String::as_bytes));
    ask(&peer, command(&push));
    // Each looks at every element; few fit one handler call.
    peer.send(&b"LREM l 0 none\r\n".repeat(100));
    server.advance(&clock, Duration::from_millis(100));
    assert_eq!(peer.take_received(), b":0\r\n".repeat(100));
    assert!(!peer.connection().is_reading_paused());
}

#[test]
fn a_peer_that_has_finished_gets_what_it_waits_for() {
    let clock = Clock::new();
    let server = server();
    let peer = server.connect();
    let value = vec![b'x'; REPLIES_MAX_BYTES + 1];
    ask(&peer, command(&[b"SET", b"k", &value]));
    peer.send(b"GET k\r\nPING\r\n");
    peer.close();
    assert!(!peer.is_disconnected() && peer.take_received().len() > value.len());
    server.advance(&clock, Duration::from_millis(10));
    assert_eq!(peer.take_received(), b"+PONG\r\n");
    assert!(peer.is_disconnected());
}

#[test]
fn time_takes_keys_away() {
    let clock = Clock::new();
    let server = server();
    let peer = server.connect();
    ask(
        &peer,
        "SET a v PX 50\r\nSET b v EX 100\r\nSADD s x\r\nPEXPIRE s 50\r\n",
    );
    assert_eq!(ask(&peer, "GET a\r\nPTTL a\r\n"), "$1\r\nv\r\n:50\r\n");
    server.advance(&clock, Duration::from_millis(49));
    assert_eq!(ask(&peer, "PTTL a\r\n"), ":1\r\n");
    server.advance(&clock, Duration::from_millis(1));
    // Nothing but asking removes it yet.
    assert_eq!(
        ask(&peer, "DBSIZE\r\nGET a\r\nTYPE s\r\nDBSIZE\r\n"),
        ":3\r\n$-1\r\n+none\r\n:1\r\n"
    );
    assert_eq!(ask(&peer, "SET a v KEEPTTL\r\nTTL a\r\n"), "+OK\r\n:-1\r\n");
}

#[test]
fn time_takes_keys_away_that_nobody_asks_for_and_then_no_timer_runs() {
    let clock = Clock::new();
    let server = server();
    let peer = server.connect();
    let set: String = (0..20_000)
        .map(|number| format!("SET {number} v PX 50\r\n"))
        .collect();
    ask(&peer, set);
    ask(&peer, "SET stays v\r\n");
    assert_eq!(ask(&peer, "DBSIZE\r\n"), ":20001\r\n");
    // A round is bounded (it has looked at the key that stays, too), and there are as many as are needed.
    server.advance(&clock, Duration::from_millis(100));
    assert_eq!(ask(&peer, "DBSIZE\r\n"), ":15002\r\n");
    server.advance(&clock, Duration::from_millis(400));
    assert_eq!(ask(&peer, "DBSIZE\r\n"), ":1\r\n");
    let memory = ask(&peer, "DEL stays\r\nINFO memory\r\n");
    assert!(memory.contains("used_memory:0\r\n"), "{memory}");
}

#[test]
fn a_scan_misses_no_key_that_stays() {
    let server = server();
    let peer = server.connect();
    for number in 0..100 {
        ask(&peer, format!("SET {number} v\r\n"));
    }
    let mut found = std::collections::BTreeSet::new();
    let (mut cursor, mut removed) = ("0".to_owned(), 0);
    loop {
        let reply = ask(&peer, format!("SCAN {cursor} COUNT 7\r\n"));
        let mut lines = reply.split("\r\n").skip(2);
        cursor = lines.next().unwrap().to_owned();
        found.extend(
            lines
                .skip(1)
                .filter(|line| !line.starts_with('$'))
                .map(str::to_owned),
        );
        if cursor == "0" {
            break;
        }
        // Meanwhile every tenth key goes, and others come.
        ask(&peer, format!("DEL {removed}\r\nSET new{removed} v\r\n"));
        removed += 10;
    }
    let stayed = (0..100).filter(|number| number % 10 != 0);
    for number in stayed {
        assert!(found.contains(&number.to_string()), "{number}");
    }
}

/// What a peer was told, but for its number.
fn said(peer: &Peer<Resp>) -> String {
    let number = format!("id\\r\\n:{}\\r", peer.transport().id());
    let text = peer.take_received().escape_ascii().to_string();
    text.replace(&number, "id\\r\\n:N\\r")
}

/// Pieces of input, well formed or not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::collection::vec(any::<u8>(), 0..12);
    let known = prop::sample::select(vec![
        "PING\r\n",
        "SET k v\r\n",
        "GET k\r\n",
        "INCR n\r\n",
        "HELLO 3\r\n",
        "RESET\r\n",
        "\r\n",
        "*0\r\n",
        "*-1\r\n",
        "LPUSH l a b\r\n",
        "LRANGE l 0 -1\r\n",
        "ECHO \"a\\x41 b\"\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "SELECT 1\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\r\r\n",
        "SADD s x\r\n",
        "SPOP s\r\n",
        "HGETALL h\r\n",
    ]);
    prop_oneof![
        6 => known.prop_map(|text| text.as_bytes().to_vec()),
        3 => prop::collection::vec(word, 1..5).prop_map(|words| {
            command(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    /// Wherever the network cuts, the replies are the same.
    #[test]
    fn cuts_change_nothing(
        pieces in prop::collection::vec(piece(), 0..30),
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let sent = pieces.concat();
        let whole = server();
        let peer = whole.connect();
        peer.send(&sent);
        let (expected, ended) = (said(&peer), peer.is_disconnected());
        let cut = server();
        let peer = cut.connect();
        let (mut rest, mut cuts) = (&sent[..], cuts.iter().cycle());
        while !rest.is_empty() && !peer.is_disconnected() {
            let at = cuts.next().map_or(1, |cut| *cut).min(rest.len());
            peer.send(&rest[..at]);
            rest = &rest[at..];
        }
        prop_assert_eq!(said(&peer), expected);
        prop_assert_eq!(peer.is_disconnected(), ended);
    }
}
