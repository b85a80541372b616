//! An endpoint: an address to listen on, parsed from Twisted's notation. It must not know sockets, names or clocks.
//!
//! ```text
//! tcp:8000                            Twisted's: every IPv4 interface
//! tcp:8000:interface=127.0.0.1        Twisted's
//! tcp:port=8000:interface=\:\:1       Twisted's: a backslash takes the next character literally
//! tcp:127.0.0.1:8000                  ours: as people write an address
//! tcp:[::1]:8000                      ours: colons within brackets are literal
//! tcp:127.0.0.1:0:backlog=4096        port 0: the operating system chooses
//! ```

mod admin;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

pub use admin::AdminEndpoint;

/// How many connections may wait to be accepted when the endpoint doesn't say. Linux cuts it to `net.core.somaxconn`.
pub const BACKLOG_DEFAULT: u16 = 1024;

/// What an error shows as the way to write it.
const EXAMPLE: &str = "tcp:127.0.0.1:8000";

/// A TCP address to listen on, and how long the queue before it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    interface: IpAddr,
    port: u16,
    backlog: u16,
}

/// Why a text is no endpoint: what is wrong, where, and how it is written instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("endpoint \"{}\": {problem} (at character {}); for example: {example}", text.escape_debug(), character + 1)]
pub struct EndpointError {
    text: String,
    /// Counted in characters from 0, so that it can be pointed at.
    character: usize,
    problem: String,
    example: String,
}

impl Endpoint {
    /// The address to bind. Port 0 asks the operating system for a free one.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.interface, self.port)
    }

    /// How many connections may wait to be accepted: what `listen` is to be called with.
    #[must_use]
    pub fn backlog(&self) -> u16 {
        self.backlog
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            interface: address.ip(),
            port: address.port(),
            backlog: BACKLOG_DEFAULT,
        }
    }
}

/// Writes the form `tcp:HOST:PORT`, and `:backlog=N` only when it isn't the default.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tcp:{}", self.socket_address())?;
        if self.backlog != BACKLOG_DEFAULT {
            write!(formatter, ":backlog={}", self.backlog)?;
        }
        Ok(())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        split(text)
            .and_then(|fields| assemble(text, &fields))
            .map_err(|fault| EndpointError {
                text: text.to_owned(),
                character: fault.character,
                problem: fault.problem,
                example: fault.example.unwrap_or_else(|| EXAMPLE.to_owned()),
            })
    }
}

/// An error on its way up to where the whole text is known.
struct Fault {
    character: usize,
    problem: String,
    example: Option<String>,
}

impl Fault {
    fn at(character: usize, problem: impl Into<String>) -> Self {
        Self {
            character,
            problem: problem.into(),
            example: None,
        }
    }

    fn example(self, example: impl Into<String>) -> Self {
        Self {
            example: Some(example.into()),
            ..self
        }
    }
}

/// What stands between two colons: `VALUE` or `KEY=VALUE`, unescaped.
#[derive(Default)]
struct Field {
    character: usize,
    key: Option<String>,
    value: String,
}

/// Cuts the text at its colons, as Twisted's `endpoints._tokenize` does, and leaves those within brackets alone.
fn split(text: &str) -> Result<Vec<Field>, Fault> {
    let mut fields = Vec::new();
    let mut field = Field::default();
    let mut bracket = None;
    let mut characters = text.chars().enumerate();
    while let Some((character, symbol)) = characters.next() {
        match symbol {
            '\\' => match characters.next() {
                Some((_, escaped)) => field.value.push(escaped),
                None => {
                    return Err(Fault::at(
                        character,
                        "nothing follows the backslash, which escapes a character",
                    ));
                }
            },
            ']' if bracket.is_some() => {
                bracket = None;
                field.value.push(symbol);
            }
            _ if bracket.is_some() => field.value.push(symbol),
            '[' if field.value.is_empty() => {
                bracket = Some(character);
                field.value.push(symbol);
            }
            ':' => {
                fields.push(std::mem::take(&mut field));
                field.character = character + 1;
            }
            '=' if field.key.is_none() => field.key = Some(std::mem::take(&mut field.value)),
            _ => field.value.push(symbol),
        }
    }
    if let Some(character) = bracket {
        return Err(Fault::at(character, "the bracket is never closed").example("tcp:[::1]:8000"));
    }
    fields.push(field);
    Ok(fields)
}

/// Makes an endpoint of the fields, the first of which is its kind.
fn assemble(text: &str, fields: &[Field]) -> Result<Endpoint, Fault> {
    let (kind, fields) = fields
        .split_first()
        .ok_or_else(|| Fault::at(0, "it is empty"))?;
    check_kind(text, kind)?;
    if let Some(field) = fields
        .iter()
        .find(|field| field.key.is_none() && field.value.is_empty())
    {
        let problem = if text.contains("::") {
            "a part is empty; an IPv6 address is written in brackets, or each of its colons as \\:"
        } else {
            "a part is empty where a port or an address is expected"
        };
        return Err(
            Fault::at(field.character, problem).example(if text.contains("::") {
                "tcp:[::1]:8000"
            } else {
                EXAMPLE
            }),
        );
    }
    let mut port = None;
    let mut interface = None;
    let mut backlog = None;
    for (slot, field) in named(fields)? {
        let (name, target) = match slot {
            Slot::Port => ("port", &mut port),
            Slot::Interface => ("interface", &mut interface),
            Slot::Backlog => ("backlog", &mut backlog),
        };
        if target.replace(field).is_some() {
            return Err(Fault::at(
                field.character,
                format!("the {name} is given twice"),
            ));
        }
    }
    let port = port.ok_or_else(|| Fault::at(text.chars().count(), "the port is missing"))?;
    Ok(Endpoint {
        interface: interface.map_or(Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), parse_interface)?,
        port: parse_number(port, "port", 0)?,
        backlog: backlog.map_or(Ok(BACKLOG_DEFAULT), |field| {
            parse_number(field, "backlog", 1)
        })?,
    })
}

fn check_kind(text: &str, kind: &Field) -> Result<(), Fault> {
    if kind.key.is_none() && kind.value == "tcp" {
        return Ok(());
    }
    let problem = match kind.value.as_str() {
        _ if text.is_empty() => "it is empty".to_owned(),
        "ssl" | "tls" => "TLS endpoints are not supported yet; only tcp is".to_owned(),
        "unix" | "udp" | "udp4" | "udp6" | "tcp4" | "tcp6" | "systemd" | "stdio" | "haproxy"
        | "http" | "https" => {
            format!(
                "endpoints of the kind \"{}\" are not supported; only tcp is",
                kind.value
            )
        }
        _ => "an endpoint begins with its kind, which is tcp".to_owned(),
    };
    let fault = Fault::at(kind.character, problem);
    // `127.0.0.1:8000` and `8000` are what people type first: show them what they meant.
    let meant = format!("tcp:{text}");
    match split(&meant)
        .ok()
        .and_then(|fields| assemble(&meant, &fields).ok())
    {
        Some(_) => Err(fault.example(meant)),
        None => Err(fault),
    }
}

#[derive(Clone, Copy)]
enum Slot {
    Port,
    Interface,
    Backlog,
}

/// Says what each field is. Without keys it is `PORT[:INTERFACE[:BACKLOG]]` as in Twisted, or `HOST:PORT`.
fn named(fields: &[Field]) -> Result<Vec<(Slot, &Field)>, Fault> {
    const TWISTED: [Slot; 3] = [Slot::Port, Slot::Interface, Slot::Backlog];
    const OURS: [Slot; 2] = [Slot::Interface, Slot::Port];
    let bare: Vec<&Field> = fields.iter().filter(|field| field.key.is_none()).collect();
    let address_first = bare.len() > 1 && !is_number(&bare[0].value);
    let order = if address_first {
        &OURS[..]
    } else {
        &TWISTED[..]
    };
    let mut slots = order.iter();
    fields
        .iter()
        .map(|field| {
            let slot = match field.key.as_deref() {
                None => *slots.next().ok_or_else(|| {
                    Fault::at(
                        field.character,
                        format!("\"{}\" is one part too many", field.value.escape_debug()),
                    )
                })?,
                Some("port") => Slot::Port,
                Some("interface") => Slot::Interface,
                Some("backlog") => Slot::Backlog,
                Some(key) => {
                    let problem = format!(
                        "\"{}\" is unknown; there are port, interface and backlog",
                        key.escape_debug()
                    );
                    return Err(
                        Fault::at(field.character, problem).example("tcp:8000:interface=127.0.0.1")
                    );
                }
            };
            Ok((slot, field))
        })
        .collect()
}

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_number(field: &Field, name: &str, least: u16) -> Result<u16, Fault> {
    let value = &field.value;
    let shown = value.escape_debug();
    if !is_number(value) {
        return Err(Fault::at(
            field.character,
            format!("the {name} \"{shown}\" is not a number"),
        ));
    }
    match value.parse::<u16>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(Fault::at(
            field.character,
            format!("the {name} {shown} is not between {least} and {}", u16::MAX),
        )),
    }
}

fn parse_interface(field: &Field) -> Result<IpAddr, Fault> {
    let value = &field.value;
    // Twisted's default for the interface is the empty text.
    if value.is_empty() {
        return Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    let bracketed = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let parsed = match bracketed {
        Some(inner) => inner.parse().map(IpAddr::V6).ok(),
        None => value.parse().ok(),
    };
    parsed.ok_or_else(|| {
        let problem = if value == "localhost" {
            "an interface is an IP address: 127.0.0.1 or ::1 for localhost".to_owned()
        } else {
            format!("\"{}\" is not an IP address", value.escape_debug())
        };
        Fault::at(field.character, problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> String {
        text.parse::<Endpoint>()
            .unwrap_or_else(|error| panic!("{error}"))
            .to_string()
    }

    fn refused(text: &str) -> String {
        text.parse::<Endpoint>().expect_err(text).to_string()
    }

    #[test]
    fn twisteds_notation() {
        assert_eq!(parsed("tcp:8000"), "tcp:0.0.0.0:8000");
        assert_eq!(parsed("tcp:port=8000"), "tcp:0.0.0.0:8000");
        assert_eq!(parsed("tcp:8000:interface="), "tcp:0.0.0.0:8000");
        assert_eq!(parsed("tcp:8000:interface=127.0.0.1"), "tcp:127.0.0.1:8000");
        assert_eq!(parsed("tcp:interface=127.0.0.1:8000"), "tcp:127.0.0.1:8000");
        assert_eq!(
            parsed("tcp:8000:127.0.0.1:50"),
            "tcp:127.0.0.1:8000:backlog=50"
        );
        assert_eq!(parsed(r"tcp:port=8000:interface=\:\:1"), "tcp:[::1]:8000");
        assert_eq!(
            parsed(r"tcp:8000:interface=\:\::backlog=7"),
            "tcp:[::]:8000:backlog=7"
        );
        assert_eq!(parsed(r"t\cp:80"), "tcp:0.0.0.0:80");
    }

    #[test]
    fn addresses_as_people_write_them() {
        assert_eq!(parsed("tcp:127.0.0.1:8000"), "tcp:127.0.0.1:8000");
        assert_eq!(parsed("tcp:127.0.0.1:0"), "tcp:127.0.0.1:0");
        assert_eq!(parsed("tcp:[::1]:8000"), "tcp:[::1]:8000");
        assert_eq!(parsed("tcp:8000:interface=[::1]"), "tcp:[::1]:8000");
        assert_eq!(
            parsed("tcp:127.0.0.1:8000:backlog=1024"),
            "tcp:127.0.0.1:8000"
        );
        let endpoint: Endpoint = "tcp:[::1]:65535:backlog=65535".parse().unwrap();
        assert_eq!(endpoint.socket_address(), "[::1]:65535".parse().unwrap());
        assert_eq!(endpoint.backlog(), 65535);
        assert_eq!(
            "tcp:1".parse::<Endpoint>().unwrap().backlog(),
            BACKLOG_DEFAULT
        );
    }

    #[test]
    fn errors_say_what_where_and_how() {
        assert_eq!(
            refused("tcp:127.0.0.1:80000"),
            "endpoint \"tcp:127.0.0.1:80000\": the port 80000 is not between 0 and 65535 (at character 15); \
             for example: tcp:127.0.0.1:8000"
        );
        for (text, problem) in [
            ("", "it is empty (at character 1)"),
            ("tcp", "the port is missing (at character 4)"),
            ("tcp:", "a part is empty"),
            ("tcp::8000", "a part is empty"),
            (
                "tcp:http",
                "the port \"http\" is not a number (at character 5)",
            ),
            ("tcp:+80", "the port \"+80\" is not a number"),
            ("tcp:80:port=81", "the port is given twice (at character 8)"),
            (
                "tcp:80:interface=localhost",
                "127.0.0.1 or ::1 for localhost",
            ),
            (
                "tcp:example.com:80",
                "\"example.com\" is not an IP address (at character 5)",
            ),
            ("tcp:[127.0.0.1]:80", "\"[127.0.0.1]\" is not an IP address"),
            (
                "tcp:80:127.0.0.1:5:6",
                "\"6\" is one part too many (at character 20)",
            ),
            ("tcp:127.0.0.1:80:5", "\"5\" is one part too many"),
            (
                "tcp:80:backlog=0",
                "the backlog 0 is not between 1 and 65535",
            ),
            (
                "tcp:80:colour=red",
                "\"colour\" is unknown; there are port, interface and backlog (at character 8)",
            ),
            ("tcp:80\\", "nothing follows the backslash"),
            (
                "tcp:[::1:80",
                "the bracket is never closed (at character 5)",
            ),
            (
                "tcp:::1:8000",
                "in brackets, or each of its colons as \\: (at character 5); for example: tcp:[::1]:8000",
            ),
            (
                "ssl:443",
                "TLS endpoints are not supported yet; only tcp is (at character 1)",
            ),
            (
                "unix:/run/echo",
                "endpoints of the kind \"unix\" are not supported; only tcp is",
            ),
            (
                "8000",
                "an endpoint begins with its kind, which is tcp (at character 1); for example: tcp:8000",
            ),
            ("127.0.0.1:9", "for example: tcp:127.0.0.1:9"),
            ("[::1]:9", "for example: tcp:[::1]:9"),
        ] {
            let error = refused(text);
            assert!(error.contains(problem), "{text}: {error}");
            assert!(error.contains("for example: tcp:"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn display_round_trips(interface: IpAddr, port: u16, backlog in 1..=u16::MAX) {
            let endpoint = Endpoint { interface, port, backlog };
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }

        #[test]
        fn no_text_panics(text in r"(tcp)?[:=\[\]\\a-z0-9.é\n]{0,40}|\PC{0,40}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
