//! A line becomes a command, or the text of an error. It must not know how commands are carried out.

use std::str::FromStr;
use std::time::Duration;
use wisted_guest::log::Level;

pub(crate) enum Command {
    Echo(usize),
    Line(String),
    Many(usize),
    Lose,
    Abort,
    Shutdown,
    Pause(Duration),
    Later(Duration, String),
    Cancel(Duration),
    Sleep(Duration),
    Wait(Duration),
    Fetch(Vec<String>),
    FetchWait(Vec<String>),
    Post(String, String),
    Flood(usize),
    Buffered,
    Peer,
    Host,
    Log(Level, String),
    Random(u32),
    Config(String),
    Now,
    Netstring,
    Int32,
    Keep(String),
    Recall,
    Trap,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Command, String> {
        let (word, rest) = cut(line);
        let urls = || rest.split_whitespace().map(str::to_owned).collect();
        Ok(match word {
            "echo" => Command::Echo(number(rest)?),
            "line" => Command::Line(rest.to_owned()),
            "many" => Command::Many(number(rest)?),
            "lose" => Command::Lose,
            "abort" => Command::Abort,
            "shutdown" => Command::Shutdown,
            "pause" => Command::Pause(milliseconds(rest)?),
            "later" => {
                let (delay, name) = cut(rest);
                Command::Later(milliseconds(delay)?, name.to_owned())
            }
            "cancel" => Command::Cancel(milliseconds(rest)?),
            "sleep" => Command::Sleep(milliseconds(rest)?),
            "wait" => Command::Wait(milliseconds(rest)?),
            "fetch" => Command::Fetch(urls()),
            "fetch-wait" => Command::FetchWait(urls()),
            "post" => {
                let (url, body) = cut(rest);
                Command::Post(url.to_owned(), body.to_owned())
            }
            "flood" => Command::Flood(number(rest)?),
            "buffered" => Command::Buffered,
            "peer" => Command::Peer,
            "host" => Command::Host,
            "log" => {
                let (level, text) = cut(rest);
                Command::Log(self::level(level)?, text.to_owned())
            }
            "random" => Command::Random(number(rest)? as u32),
            "config" => Command::Config(rest.to_owned()),
            "now" => Command::Now,
            "netstring" => Command::Netstring,
            "int32" => Command::Int32,
            "keep" => Command::Keep(rest.to_owned()),
            "recall" => Command::Recall,
            "trap" => Command::Trap,
            _ => return Err(format!("unknown command: {word}")),
        })
    }
}

fn cut(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// Up to 2^31.
fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number <= 1 << 31)
        .ok_or_else(|| format!("not a number up to 2147483648: {text}"))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(number(text)? as u64))
}

fn level(text: &str) -> Result<Level, String> {
    Ok(match text {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => return Err(format!("not a level: {text}")),
    })
}
