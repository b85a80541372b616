//! Where the admin endpoint is: a Unix socket's path or a TCP address, as people type it. It must not know sockets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::Endpoint;

/// Where a host is administered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminEndpoint {
    /// A Unix socket, which only its owner may connect to.
    Unix(PathBuf),
    /// A TCP address. Whoever reaches it may administer the host: see [`is_private`](Self::is_private).
    Tcp(SocketAddr),
}

/// The name of the socket in the user's runtime folder, and in the system's.
const SOCKET_NAME: &str = "wisted.sock";

impl AdminEndpoint {
    /// Where a host of this user has its endpoint when nothing else is said.
    #[must_use]
    pub fn of_user() -> Self {
        Self::in_runtime_folder(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
    }

    /// The same for another `$XDG_RUNTIME_DIR`: `wisted.sock` there, or in `/run/wisted` where there is no such folder. One that
    /// is relative is none (XDG Base Directory Specification).
    #[must_use]
    pub fn in_runtime_folder(folder: Option<PathBuf>) -> Self {
        let folder = folder.filter(|folder| folder.is_absolute());
        let folder = folder.unwrap_or_else(|| "/run/wisted".into());
        Self::Unix(folder.join(SOCKET_NAME))
    }

    /// Whether nobody on another machine can reach it: a Unix socket, or a loopback address. Who configures endpoints decides
    /// whether others are let be; there is no password.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        }
    }
}

/// Writes what [`FromStr`] reads.
impl fmt::Display for AdminEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

impl FromStr for AdminEndpoint {
    type Err = String;

    /// `unix:PATH`, `tcp:PORT` for 127.0.0.1, or what an [`Endpoint`] is.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", "")) => Err("unix: lacks a path; write unix:/run/wisted.sock".to_owned()),
            Some(("unix", path)) if path.contains('\0') => {
                Err("a path has no null character".to_owned())
            }
            Some(("unix", path)) => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", address)) => match address.parse::<u16>() {
                Ok(port) => {
                    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
                    Ok(Self::Tcp(SocketAddr::new(loopback, port)))
                }
                Err(_) => {
                    let endpoint: Endpoint = text.parse().map_err(|error| {
                        format!("{error}; write tcp:127.0.0.1:9000 or tcp:[::1]:9000")
                    })?;
                    Ok(Self::Tcp(endpoint.socket_address()))
                }
            },
            _ => Err(format!(
                "{text:?} is not an admin endpoint; write unix:/run/wisted.sock or tcp:127.0.0.1:9000"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "unix:/run/wisted.sock",
            "unix:a b:c",
            "tcp:127.0.0.1:9000",
            "tcp:[::1]:9000",
            "tcp:10.0.0.1:0",
        ] {
            let endpoint: AdminEndpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        let short: AdminEndpoint = "tcp:9000".parse().unwrap();
        assert_eq!(short.to_string(), "tcp:127.0.0.1:9000");
        let twisted: AdminEndpoint = "tcp:9000:interface=10.0.0.1".parse().unwrap();
        assert_eq!(twisted.to_string(), "tcp:10.0.0.1:9000");
    }

    #[test]
    fn only_loopback_and_unix_are_private() {
        let is_private = |text: &str| text.parse::<AdminEndpoint>().unwrap().is_private();
        assert!(is_private("unix:x") && is_private("tcp:[::1]:1") && is_private("tcp:1"));
        assert!(!is_private("tcp:0.0.0.0:1") && !is_private("tcp:[::]:1"));
    }

    #[test]
    fn errors_say_how_to_write_it() {
        for text in [
            "",
            "unix:",
            "tcp:",
            "tcp:localhost:1",
            "tcp:1.2.3.4",
            "udp:1",
            "/run/x",
        ] {
            let error = text.parse::<AdminEndpoint>().unwrap_err();
            assert!(
                error.contains("unix:/") || error.contains("tcp:127"),
                "{error}"
            );
        }
    }
}
