//! The resp guest under others' programs: redis-cli, redis-benchmark, and redis-server as the measure of every reply.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use wisted_tests::host::Scratch;
use wisted_tests::programs::program;
use wisted_tests::{Client, Host, PATIENCE};

const COMMANDS: &str = include_str!("fixtures/resp-corpus.txt");
const RAW: &str = include_str!("fixtures/resp-raw.txt");

/// What stands behind each reply, so that its end is found without understanding it.
const MARK: &[u8] = b"$9\r\nthe-mark!\r\n";
const ASK_FOR_MARK: &[u8] = b"*2\r\n$4\r\nECHO\r\n$9\r\nthe-mark!\r\n";

/// With time for the largest commands, which take some 100 ms of CPU on a slow machine: what is tested here is not how fast it is.
fn resp() -> Host {
    Host::run("resp")
        .flag("--isolation", "service")
        .flag("--call-cpu-max", "5s")
        .start()
}

/// A redis-server on a port of its own. It is killed when it is dropped.
struct RedisServer {
    child: Child,
    address: SocketAddr,
    _folder: Scratch,
}

impl RedisServer {
    /// Ports are free when they are looked for and may not be a moment later: then another is tried.
    fn start() -> Self {
        let executable = program("redis-server", "redis-server");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("bound");
            drop(listener);
            let folder = Scratch::new();
            let child = Command::new(&executable)
                .args(["--port", &address.port().to_string()])
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .arg("--dir")
                .arg(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("redis-server starts");
            let mut server = Self {
                child,
                address,
                _folder: folder,
            };
            if server.listens() {
                return server;
            }
            assert!(Instant::now() < deadline, "redis-server does not listen");
        }
    }

    /// Reads what it says until it says that it is ready.
    fn listens(&mut self) -> bool {
        let mut stdout = self.child.stdout.take().expect("piped");
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(length @ 1..) = stdout.read(&mut buffer) {
            said.extend_from_slice(&buffer[..length]);
            if String::from_utf8_lossy(&said).contains("Ready to accept connections") {
                // What it says from now on is read, so that it never waits for it.
                std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
                return true;
            }
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a corpus that are not comments.
fn lines(corpus: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &&str| line.is_empty() || *line == "#" || line.starts_with("# ");
    corpus.lines().filter(move |line| !is_comment(line))
}

/// Words, quoted or not, with escapes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let (mut words, mut word) = (Vec::new(), None::<Vec<u8>>);
    let mut is_quoted = false;
    let mut rest = line;
    while let Some(symbol) = rest.chars().next() {
        let (bytes, after) = unescape(rest);
        if symbol == '"' {
            is_quoted = !is_quoted;
            word.get_or_insert_default();
        } else if symbol == ' ' && !is_quoted {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().extend(bytes);
        }
        rest = after;
    }
    words.extend(word);
    words
}

/// The bytes that the beginning of a text stands for, and the rest.
fn unescape(text: &str) -> (Vec<u8>, &str) {
    let Some(escaped) = text.strip_prefix('\\') else {
        let length = text.chars().next().map_or(0, char::len_utf8);
        return (text.as_bytes()[..length].to_vec(), &text[length..]);
    };
    if let Some(repeated) = escaped.strip_prefix('{') {
        let (times, rest) = repeated.split_once(':').expect("{N:c}");
        let (byte, rest) = rest.split_once('}').expect("{N:c}");
        let times = times.parse().expect("a number");
        return (byte.as_bytes().repeat(times), rest);
    }
    if let Some(hex) = escaped.strip_prefix('x') {
        let byte = u8::from_str_radix(&hex[..2], 16).expect("two digits");
        return (vec![byte], &hex[2..]);
    }
    let byte = match escaped.as_bytes()[0] {
        b'r' => b'\r',
        b'n' => b'\n',
        other => other,
    };
    (vec![byte], &escaped[1..])
}

fn bytes(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (more, after) = unescape(rest);
        bytes.extend(more);
        rest = after;
    }
    bytes
}

fn command(words: &[Vec<u8>]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).into_bytes());
        command.extend(word);
        command.extend(b"\r\n");
    }
    command
}

/// Everything up to the mark.
fn reply(client: &mut Client, command: &[u8]) -> Vec<u8> {
    client.send([command, ASK_FOR_MARK].concat());
    let mut reply = client.receive(MARK.len());
    while !reply.ends_with(MARK) {
        reply.extend(client.receive(1));
    }
    reply.truncate(reply.len() - MARK.len());
    reply
}

fn sorted(reply: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = reply.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// Asks both the same, and returns what they answer differently.
fn compare(line: &str, ours: &mut Client, theirs: &mut Client) -> Option<String> {
    let (how, line) = match line.split_once(' ') {
        Some((how @ ("~" | "="), line)) => (how, line),
        _ => ("", line),
    };
    let command = command(&words(line));
    let (ours, theirs) = (reply(ours, &command), reply(theirs, &command));
    let is_equal = match how {
        "~" => sorted(&ours) == sorted(&theirs),
        "=" => ours.first() == theirs.first(),
        _ => ours == theirs,
    };
    let difference = || {
        let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
        format!("{line}\n  redis-server: {theirs}\n  resp:         {ours}\n")
    };
    (!is_equal).then(difference)
}

#[test]
fn every_reply_is_that_of_redis_server() {
    let host = resp();
    let redis = RedisServer::start();
    for protocol in ["2", "3"] {
        let (mut ours, mut theirs) = (host.connect(), Client::connect(redis.address));
        for client in [&mut ours, &mut theirs] {
            let _ = reply(client, format!("HELLO {protocol}\r\n").as_bytes());
        }
        let differences: Vec<String> = lines(COMMANDS)
            .filter_map(|line| compare(line, &mut ours, &mut theirs))
            .collect();
        assert!(
            differences.is_empty(),
            "RESP{protocol}: {} differences\n{}",
            differences.len(),
            differences.concat()
        );
    }
    host.finish();
}

/// Sends bytes and closes this side; returns all that comes. A reset may follow a refusal, when more was sent than read.
fn answer(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    client.try_send(sent);
    let _ = client.stream().shutdown(std::net::Shutdown::Write);
    client.rest().0
}

#[test]
fn malformed_input_is_refused_as_redis_server_does() {
    let host = resp();
    let redis = RedisServer::start();
    let mut differences = String::new();
    for line in lines(RAW) {
        let sent = bytes(line);
        let (ours, theirs) = (answer(host.address(), &sent), answer(redis.address, &sent));
        if ours != theirs {
            let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
            differences += &format!("{line}\n  redis-server: {theirs}\n  resp:         {ours}\n");
        }
    }
    assert!(differences.is_empty(), "{differences}");
    // None of it has disturbed the instance.
    assert_eq!(answer(host.address(), b"PING\r\n"), b"+PONG\r\n");
    host.finish();
}

fn redis_cli(host: &Host, arguments: &[&str]) -> String {
    let port = host.address().port().to_string();
    let output = Command::new(program("redis-cli", "redis-tools"))
        .args(["-h", "127.0.0.1", "-p", &port])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

#[test]
fn redis_cli_is_served() {
    let host = resp();
    assert_eq!(redis_cli(&host, &["SET", "greeting", "hello"]), "OK");
    assert_eq!(redis_cli(&host, &["GET", "greeting"]), "hello");
    assert_eq!(redis_cli(&host, &["-3", "HSET", "h", "a", "1"]), "1");
    assert_eq!(
        redis_cli(&host, &["-3", "--json", "HGETALL", "h"]),
        r#"{"a":"1"}"#
    );
    for number in 0..1_000 {
        if number % 500 == 0 {
            redis_cli(&host, &["SET", &format!("key:{number}"), "x"]);
        }
    }
    let found: BTreeSet<String> = redis_cli(&host, &["--scan", "--pattern", "key:*"])
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(redis_cli(&host, &["INFO", "keyspace"]).contains("db0:keys=4"));
    host.finish();
}

#[test]
fn redis_benchmark_runs_without_an_error() {
    let host = resp();
    let port = host.address().port().to_string();
    for pipelined in ["1", "16"] {
        let output = Command::new(program("redis-benchmark", "redis-tools"))
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "--csv"])
            .args(["-c", "20", "-n", "2000", "-r", "100", "-P", pipelined])
            .args([
                "-t",
                "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,lrange_100,mset",
            ])
            .stdin(Stdio::null())
            .output()
            .expect("redis-benchmark runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{complaints}");
        assert!(!complaints.to_lowercase().contains("error"), "{complaints}");
        assert!(said.contains("\"MSET (10 keys)\""), "{said}");
    }
    host.finish();
}

/// The key's memory has an end, and then everyone is still served.
#[test]
fn a_full_server_refuses_and_lives() {
    let host = Host::run("resp").flag("--isolation", "service").start();
    let mut filler = host.connect();
    let value = vec![b'x'; 100_000];
    let mut refused = false;
    for number in 0..1_000 {
        let key = format!("key:{number}").into_bytes();
        let set = command(&[b"SET".to_vec(), key, value.clone()]);
        let answer = reply(&mut filler, &set);
        refused = answer == b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        if refused {
            break;
        }
        assert_eq!(answer, b"+OK\r\n");
    }
    assert!(refused, "100 MB were taken");
    let mut other = host.connect();
    assert_eq!(reply(&mut other, b"GET nothing\r\n"), b"$-1\r\n");
    assert_eq!(reply(&mut other, b"FLUSHALL\r\n"), b"+OK\r\n");
    assert_eq!(reply(&mut filler, b"SET k v\r\n"), b"+OK\r\n");
    drop((filler, other));
    host.finish();
}

/// Many small keys are the worst for the instance's memory, and removing them all at once for its CPU deadline.
#[test]
fn as_many_keys_as_fit_can_be_made_and_flushed() {
    let host = resp();
    let mut client = host.connect();
    let mut made = 0_usize;
    loop {
        let batch: Vec<u8> = (made..made + 1_000)
            .flat_map(|number| {
                command(&[
                    b"SET".to_vec(),
                    number.to_string().into_bytes(),
                    b"v".to_vec(),
                ])
            })
            .collect();
        let answers = reply(&mut client, &batch);
        made += 1_000;
        if answers.starts_with(b"-OOM") {
            break;
        }
        assert!(made < 10_000_000, "there is no end");
    }
    assert!(made > 100_000, "only {made} keys fit");
    let keys = reply(&mut client, b"KEYS 1234*5\r\n");
    assert!(keys.starts_with(b"*"), "{}", keys.escape_ascii());
    assert!(reply(&mut client, b"KEYS *\r\n").starts_with(b"-ERR the reply is longer"));
    assert_eq!(reply(&mut client, b"FLUSHALL\r\n"), b"+OK\r\n");
    assert_eq!(reply(&mut client, b"DBSIZE\r\n"), b":0\r\n");
    drop(client);
    host.finish();
}

/// All that peers can make it hold, together: the keys' budget in small keys, the largest commands with the most arguments
/// on top, another's incomplete one, and large replies. Some are refused; the instance lives.
#[test]
fn the_worst_of_everything_does_not_end_the_instance() {
    let host = resp();
    let mut bystander = host.connect();
    assert_eq!(reply(&mut bystander, b"PING\r\n"), b"+PONG\r\n");
    // As much as leaves room for the others' largest commands.
    let mut hoarder = host.connect();
    hoarder.send([b"*1000000\r\n".to_vec(), b"$0\r\n\r\n".repeat(200_000)].concat());
    let mut client = host.connect();
    let mut made = 0;
    for (name, first, pairs) in [
        ("SADD", 10, false),
        ("HSET", 10, true),
        ("MSET", 0, true),
        ("RPUSH", 10, false),
    ] {
        for round in 0..20 {
            let mut command_words = vec![name.as_bytes().to_vec()];
            if first > 0 {
                command_words.push(format!("{name}:{round}").into_bytes());
            }
            for number in 0..if pairs { 60_000 } else { 120_000 } {
                command_words.push(format!("{}", made + number).into_bytes());
                if pairs {
                    command_words.push(b"v".to_vec());
                }
            }
            made += 120_000;
            if reply(&mut client, &command(&command_words)).starts_with(b"-OOM") {
                break;
            }
        }
        let _ = reply(&mut client, b"KEYS *\r\n");
        let _ = reply(&mut client, b"SUNION SADD:0 SADD:1\r\n");
    }
    assert_eq!(reply(&mut client, b"FLUSHALL\r\n"), b"+OK\r\n");
    // The same connection as before: the instance has not been started again.
    assert_eq!(reply(&mut bystander, b"PING\r\n"), b"+PONG\r\n");
    drop((bystander, hoarder, client));
    host.finish();
}

/// A peer that asks for much in one go and reads late is waited for, and gets everything in order.
#[test]
fn replies_wait_for_a_peer_that_reads_late() {
    const VALUES: usize = 300;
    let host = resp();
    let mut client = Client::connect_narrow(host.address());
    let value = vec![b'v'; 100_000];
    let set = command(&[b"SET".to_vec(), b"k".to_vec(), value.clone()]);
    assert_eq!(reply(&mut client, &set), b"+OK\r\n");
    client.send([b"GET k\r\n".repeat(VALUES), b"PING\r\n".to_vec()].concat());
    // Others are served meanwhile.
    assert_eq!(answer(host.address(), b"PING\r\n"), b"+PONG\r\n");
    let expected = [&b"$100000\r\n"[..], &value, b"\r\n"].concat();
    for _ in 0..VALUES {
        assert!(
            client.receive(expected.len()) == expected,
            "a changed value"
        );
    }
    assert_eq!(client.line(), "+PONG");
    drop(client);
    host.finish();
}

/// What many connections leave incomplete has an end together, too.
#[test]
fn incomplete_commands_are_bounded() {
    let host = resp();
    let value = vec![b'x'; 900_000];
    let begin = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n".to_vec(),
        value,
    ]
    .concat();
    let mut clients: Vec<Client> = (0..20).map(|_| host.connect()).collect();
    for client in &mut clients {
        client.try_send(&begin);
    }
    // Whose bytes arrive last is the system's choice, so all are listened to at once.
    let (said, hears) = mpsc::channel();
    let listeners: Vec<_> = clients
        .iter()
        .map(|client| {
            let mut stream = client.stream().try_clone().expect("a second handle");
            let said = said.clone();
            thread::spawn(move || {
                let mut first = [0; 128];
                if let Ok(length_bytes @ 1..) = stream.read(&mut first) {
                    let _ = said.send(first[..length_bytes].to_vec());
                }
            })
        })
        .collect();
    let first = hears.recv_timeout(PATIENCE).expect("one is refused");
    assert!(
        first.starts_with(b"-ERR the commands that wait"),
        "{}",
        first.escape_ascii()
    );
    assert_eq!(answer(host.address(), b"PING\r\n"), b"+PONG\r\n");
    for client in &clients {
        // One that was refused is no longer connected.
        let _ = client.stream().shutdown(Shutdown::Both);
    }
    for listener in listeners {
        listener.join().expect("it only reads");
    }
    host.finish();
}

/// Keys whose time is over go by themselves.
#[test]
fn keys_expire() {
    let host = resp();
    let mut client = host.connect();
    assert_eq!(reply(&mut client, b"SET k v PX 1\r\n"), b"+OK\r\n");
    let deadline = Instant::now() + PATIENCE;
    // Nobody names the key: only active expiry can have removed it.
    while reply(&mut client, b"DBSIZE\r\n") != b":0\r\n" {
        assert!(Instant::now() < deadline, "the key stays");
    }
    drop(client);
    host.finish();
}

#[test]
fn the_corpus_is_read_as_it_is_meant() {
    assert_eq!(words(r#"SET k "a b\r\n\x00" """#).len(), 4);
    assert_eq!(bytes(r"\{3:a}\x41\\"), b"aaaA\\");
    assert!(lines(COMMANDS).count() > 400 && lines(RAW).count() > 50);
}
