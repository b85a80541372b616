//! The conformance suite's scripts: read as data, and run against one language's guest. It must not know which languages there
//! are, nor what comes of the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::host::Scratch;
use crate::serve::{replace, service};
use crate::web::Web;
use crate::{Client, End, Host, Serving, host, workspace};

/// The peer of steps that name none.
const PEER: &str = "main";

/// What the guest is called in a configuration.
const SERVICE: &str = "guest";

/// A script, as tests/conformance/PROTOCOL.md describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it tests, in a few words.
    pub name: String,
    /// The row under which it is counted.
    pub feature: String,
    /// For `wisted run`.
    #[serde(default)]
    flags: Vec<String>,
    /// Lines of the service in a configuration: `wisted serve` runs it, and its builds may be replaced.
    service: Option<String>,
    /// How often the steps are run on the same host.
    #[serde(default = "once")]
    repeat: u32,
    /// How much the host's memory may grow meanwhile, in bytes.
    growth_max_bytes: Option<u64>,
    steps: Vec<Step>,
}

fn once() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
struct Step {
    peer: Option<String>,
    #[serde(flatten)]
    action: Action,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Send(Data),
    SendBytewise(Data),
    Exchange(Data),
    Expect(Data),
    ExpectLine(String),
    ExpectNewLine(String),
    ExpectLines(Vec<String>),
    ExpectEnd(Ending),
    Do(Deed),
    ExpectLog(LogRecord),
    ExpectComplaint(Vec<String>),
    WebRelease(String),
    WebExpect(String),
    Reload(Reload),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Data {
    Text(String),
    Hex { hex: String },
    Repeat { repeat: String, count: usize },
    Pattern { pattern: usize },
    Numbers { numbers: usize },
    List(Vec<Data>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ending {
    Closed,
    Reset,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    Connect,
    ConnectNarrow,
    HalfClose,
    Close,
    Reset,
    StopHost,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reload {
    Succeeds,
    Fails,
}

#[derive(Clone, Debug, Deserialize)]
struct LogRecord {
    level: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    script: Vec<Script>,
}

/// All scripts, in the order of the files' names and of the scripts in them.
///
/// # Panics
///
/// When a file makes no sense.
#[must_use]
pub fn scripts() -> Vec<Script> {
    let folder = workspace::root().join("tests/conformance");
    let entries = fs::read_dir(folder).expect("the scripts' folder");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("readable");
        let file: File =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.script
    };
    paths.iter().flat_map(read).collect()
}

/// Compiles a guest into the tests' cache: a large one takes longer than a host is waited for. To be called before its scripts
/// are run.
///
/// # Panics
///
/// When it cannot be compiled.
pub fn compile(guest: &Path) {
    let compiled = host::run(&["compile".as_ref(), guest.as_os_str()]);
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");
}

/// Runs a script against a guest, on a host and with a web server of its own.
///
/// # Panics
///
/// When the guest does not do as it should; the message says at which step.
pub fn run(script: &Script, guest: &Path) {
    let web = Web::start();
    let refused = refused_port();
    let host = Running::start(script, guest, &web, refused);
    let mut at_first = None;
    for round in 0..script.repeat {
        if round == script.repeat / 10 {
            at_first = Some(host.memory_bytes());
        }
        let mut stage = Stage {
            host: &host,
            web: &web,
            refused,
            peers: BTreeMap::new(),
            seen: BTreeSet::new(),
        };
        for (index, step) in script.steps.iter().enumerate() {
            let _place = Place(script, index, round, guest);
            stage.perform(step);
        }
    }
    if let (Some(growth_max_bytes), Some(at_first)) = (script.growth_max_bytes, at_first) {
        let growth_bytes = host.memory_bytes().saturating_sub(at_first);
        assert!(
            growth_bytes <= growth_max_bytes,
            "the host's memory grew by {growth_bytes} bytes in {} rounds",
            script.repeat
        );
    }
}

/// More than a script has peers. Room for the default takes as long as a short script where a guest may wait, which has a stack
/// for each.
const CONNECTIONS_MAX: &str = "100";
/// An interpreter needs half of the default for the longest handlers, and more where others keep the cores busy: scripts are not
/// about how fast it is.
const CALL_CPU_MAX: &str = "5s";

/// The host of a script.
enum Running {
    Run(Host),
    /// With the component's file, of which there may be another build.
    Serve(Serving, PathBuf),
}

impl Running {
    fn start(script: &Script, guest: &Path, web: &Web, refused: u16) -> Self {
        let Some(lines) = &script.service else {
            let mut builder = Host::run_file(guest).flag("--allow-fetch", web.grant());
            builder = builder.flag("--allow-fetch", format!("127.0.0.1:{refused}"));
            builder = builder.flag("--connections-max", CONNECTIONS_MAX);
            builder = builder.flag("--call-cpu-max", CALL_CPU_MAX);
            for flag in &script.flags {
                builder = builder.arg(flag);
            }
            return Self::Run(builder.start());
        };
        assert!(script.flags.is_empty(), "flags are for `wisted run`");
        let scratch = Scratch::new();
        let component = scratch.path().join("guest.wasm");
        fs::copy(guest, &component).expect("copied");
        let config = service(SERVICE, &component, lines);
        let serving = Serving::start_in(scratch, &config, |builder| builder);
        Self::Serve(serving, component)
    }

    /// Has another build loaded, as far as anybody can tell: the same bytes, written anew.
    fn reload(&self, expected: Reload) {
        let Self::Serve(serving, component) = self else {
            panic!("a script that reloads says what its service is");
        };
        replace(component, fs::read(component).expect("readable"));
        let outcome = serving.reload_as_it_is();
        let (field, value) = match expected {
            Reload::Succeeds => ("changed", SERVICE),
            Reload::Fails => ("failed", "1"),
        };
        assert_eq!(outcome.field(field), value, "{}", outcome.line);
    }
}

impl Deref for Running {
    type Target = Host;

    fn deref(&self) -> &Host {
        match self {
            Self::Run(host) => host,
            Self::Serve(serving, _) => serving,
        }
    }
}

/// Says where a script was when it failed.
struct Place<'a>(&'a Script, usize, u32, &'a Path);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let Self(script, index, round, guest) = *self;
        let step = format!("{:?}", script.steps[index]);
        let step: String = step.chars().take(300).collect();
        let number = index + 1;
        eprintln!(
            "{}, script {:?}, step {number}, round {round}: {step}",
            guest.display(),
            script.name
        );
    }
}

/// A port on which nobody listens.
fn refused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// A script's host and the peers that are connected.
struct Stage<'a> {
    host: &'a Running,
    web: &'a Web,
    refused: u16,
    peers: BTreeMap<String, Client>,
    /// The lines that were new.
    seen: BTreeSet<String>,
}

impl Stage<'_> {
    fn perform(&mut self, step: &Step) {
        let name = step.peer.as_deref().unwrap_or(PEER);
        match &step.action {
            Action::Send(data) => {
                let data = self.bytes(name, data);
                self.peer(name).send(data);
            }
            Action::SendBytewise(data) => {
                let data = self.bytes(name, data);
                let peer = self.peer(name);
                data.iter().for_each(|byte| peer.send([*byte]));
            }
            Action::Exchange(data) => {
                let data = self.bytes(name, data);
                exchange(self.peer(name), &data);
            }
            Action::Expect(data) => {
                let data = self.bytes(name, data);
                let received = self.peer(name).receive(data.len());
                assert!(
                    received == data,
                    "received {}, not {}",
                    shown(&received),
                    shown(&data)
                );
            }
            Action::ExpectLine(pattern) => {
                let line = self.peer(name).line();
                assert!(fits(&line, pattern), "{line:?} does not fit {pattern:?}");
            }
            Action::ExpectNewLine(pattern) => {
                let line = self.peer(name).line();
                assert!(fits(&line, pattern), "{line:?} does not fit {pattern:?}");
                assert!(self.seen.insert(line.clone()), "{line:?} was there before");
            }
            Action::ExpectLines(lines) => {
                let peer = self.peer(name);
                let mut received: Vec<_> = lines.iter().map(|_| peer.line()).collect();
                let mut lines = lines.clone();
                received.sort();
                lines.sort();
                assert_eq!(received, lines);
            }
            Action::ExpectEnd(ending) => {
                let expected = match ending {
                    Ending::Closed => End::Closed,
                    Ending::Reset => End::Reset,
                };
                let (data, end) = self.peer(name).rest();
                assert!(data.is_empty(), "before the end came {}", shown(&data));
                assert_eq!(end, expected);
            }
            Action::Do(deed) => self.perform_deed(name, *deed),
            Action::ExpectLog(expected) => {
                let _ = self.host.wait_for_log(&expected.message, |record| {
                    record.level().eq_ignore_ascii_case(&expected.level)
                        && record.message() == expected.message
                });
            }
            Action::ExpectComplaint(words) => {
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                let _ = self.host.wait_for_complaint(&words);
            }
            Action::WebRelease(page) => self.web.release(page),
            Action::WebExpect(what) => self.web.wait_for(what, 1),
            Action::Reload(expected) => self.host.reload(*expected),
        }
    }

    fn perform_deed(&mut self, name: &str, deed: Deed) {
        let connect = |client: Client, peers: &mut BTreeMap<String, Client>| {
            assert!(
                peers.insert(name.to_owned(), client).is_none(),
                "{name} is connected"
            );
        };
        match deed {
            Deed::Connect => connect(self.host.connect(), &mut self.peers),
            Deed::ConnectNarrow => {
                connect(Client::connect_narrow(self.host.address()), &mut self.peers);
            }
            Deed::HalfClose => self.peer(name).finish_sending(),
            Deed::StopHost => self.host.signal_to_stop(),
            Deed::Close => drop(self.peers.remove(name)),
            Deed::Reset => {
                if let Some(peer) = self.peers.remove(name) {
                    peer.reset();
                }
            }
        }
    }

    fn peer(&mut self, name: &str) -> &mut Client {
        let host = self.host;
        self.peers
            .entry(name.to_owned())
            .or_insert_with(|| host.connect())
    }

    fn bytes(&mut self, name: &str, data: &Data) -> Vec<u8> {
        match data {
            Data::Text(text) => self.text(name, text).into_bytes(),
            Data::Hex { hex } => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| {
                    let pair = std::str::from_utf8(pair).expect("hexadecimal digits");
                    u8::from_str_radix(pair, 16).expect("hexadecimal digits")
                })
                .collect(),
            Data::Repeat { repeat, count } => self.text(name, repeat).repeat(*count).into_bytes(),
            Data::Pattern { pattern } => (0..*pattern).map(|place| (place % 251) as u8).collect(),
            Data::Numbers { numbers } => {
                let lines: String = (0..*numbers).map(|number| format!("{number}\n")).collect();
                lines.into_bytes()
            }
            Data::List(list) => list
                .iter()
                .flat_map(|data| self.bytes(name, data))
                .collect(),
        }
    }

    fn text(&mut self, name: &str, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let (web, refused, port) = (self.web.url(""), self.refused, self.host.address().port());
        let own = self
            .peer(name)
            .stream()
            .local_addr()
            .expect("connected")
            .port();
        text.replace("${web}", &web)
            // Any address that is not granted: nobody is asked there.
            .replace("${denied}", "http://127.0.0.1:1")
            .replace("${refused}", &format!("http://127.0.0.1:{refused}"))
            .replace("${peer}", &own.to_string())
            .replace("${host}", &port.to_string())
    }
}

/// Sends in a thread of its own: a host with full buffers wants to be read from before it reads on.
fn exchange(peer: &mut Client, data: &[u8]) {
    let mut sender = peer.stream().try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || sender.write_all(data).expect("the host takes what is sent"));
        let received = peer.receive(data.len());
        if received != data {
            // The sender must not wait for ever.
            let _ = peer.stream().shutdown(Shutdown::Both);
            panic!("received {}, not {}", shown(&received), shown(data));
        }
    });
}

/// Whether a line has the pattern's beginning, and after it what the pattern's end allows.
fn fits(line: &str, pattern: &str) -> bool {
    let (start, end) = match pattern.split_once('<') {
        Some((start, end)) => (start, end.trim_end_matches('>')),
        None => return line == pattern,
    };
    let Some(rest) = line.strip_prefix(start) else {
        return false;
    };
    match end.split_once(' ').unwrap_or((end, "")) {
        ("any", "") => !rest.is_empty(),
        ("digits", "") => !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()),
        ("hex", length) => {
            Ok(rest.len()) == length.parse()
                && rest
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        _ => panic!("{pattern:?} is no pattern"),
    }
}

/// Bytes for people to read, cut.
fn shown(data: &[u8]) -> String {
    let start = String::from_utf8_lossy(&data[..data.len().min(200)]).into_owned();
    format!("{} bytes {start:?}", data.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_make_sense() {
        let scripts = scripts();
        assert!(scripts.len() > 40);
        let names: BTreeSet<_> = scripts.iter().map(|script| &script.name).collect();
        assert_eq!(names.len(), scripts.len(), "each has a name of its own");
    }

    #[test]
    fn patterns() {
        assert!(fits("now 12", "now <digits>") && fits("a<b", "a<any>") && fits("0f", "<hex 2>"));
        assert!(!fits("now ", "now <digits>") && !fits("0F", "<hex 2>") && !fits("0f0", "<hex 2>"));
        assert!(fits("plain", "plain") && !fits("plainer", "plain"));
    }
}
