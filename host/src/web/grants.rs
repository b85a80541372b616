//! Which hosts the operator has granted, as values; knows nothing of connections, and resolves nothing.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::web::FetchError;
use crate::web::addresses::special_kind;

/// The hosts that a service may fetch from. The default is none.
///
/// | granted | allows |
/// |---|---|
/// | `example.org` | `http` on port 80 and `https` on port 443 of exactly this name |
/// | `example.org:8080` | both schemes on port 8080 of exactly this name |
/// | `*.example.org` | every name below it, but not `example.org` itself |
/// | `192.0.2.7`, `[2001:db8::7]` | this address when the URL spells it, and when a granted name resolves to it |
/// | `localhost` | this name, whose addresses may then be loopback ones |
///
/// Names are compared without regard to case, to a dot at the end, or to how their letters are encoded (IDNA). A granted
/// name leads to addresses of the public internet only. To let it lead to a private one, grant that address as well, for
/// each port that the name is granted for: whoever answers for a name in DNS must not be able to point it at the
/// operator's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    list: Vec<Grant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    host: GrantedHost,
    /// `None`: the scheme's own port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum GrantedHost {
    /// In lower case and ASCII, without a dot at the end, as all names here.
    Name(String),
    /// Everything below this name.
    Below(String),
    /// In its canonical form: an IPv4 address is never kept inside an IPv6 one.
    Address(IpAddr),
}

/// Why `--allow-fetch` was not understood. The text quotes what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot grant `{given}`: {reason}")]
pub struct GrantError {
    given: String,
    reason: String,
}

impl Grants {
    /// Reads a list of `HOST[:PORT]`, as given with `--allow-fetch`. Call it at start-up.
    ///
    /// # Errors
    ///
    /// For the first one that is not understood.
    pub fn parse(list: &[String]) -> Result<Grants, GrantError> {
        let list = list.iter().map(|given| {
            parse_grant(given.trim()).map_err(|reason| GrantError {
                given: given.clone(),
                reason,
            })
        });
        Ok(Grants {
            list: list.collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a wildcard is among them, so that there is no bound on the number of granted hosts.
    pub(super) fn has_wildcard(&self) -> bool {
        let wild = |grant: &Grant| matches!(grant.host, GrantedHost::Below(_));
        self.list.iter().any(wild)
    }

    /// Checks host, scheme and port of a URL: the request's own, and every redirect's.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(FetchError::InvalidRequest("the URL names no host".into()));
        };
        let asked = GrantedHost::from_host(&host);
        let port = (Some(port) != default_port(url.scheme())).then_some(port);
        let granted = self
            .list
            .iter()
            .any(|grant| grant.host.includes(&asked) && grant.port_allows(port, url.scheme()));
        if granted {
            return Ok(());
        }
        Err(FetchError::Denied(format!(
            "fetching {}/ is not granted; start the service with --allow-fetch {}",
            url.origin().ascii_serialization(),
            Grant { host: asked, port },
        )))
    }

    /// Checks an address that `name` resolved to. Call it where the connection is made, with the very address that is
    /// connected to, so that nobody can answer one thing when it is checked and another when it is used.
    ///
    /// The port is not known there, so an address that is special must be granted for each port that the name is.
    pub(super) fn check_address(&self, name: &str, address: IpAddr) -> Result<(), FetchError> {
        let Some(kind) = special_kind(address) else {
            return Ok(());
        };
        let name = normal_name(name);
        if name == "localhost" && address.to_canonical().is_loopback() {
            return Ok(());
        }
        let asked = GrantedHost::Name(name.clone());
        let address = GrantedHost::Address(address.to_canonical());
        let for_name = self.list.iter().filter(|grant| grant.host.includes(&asked));
        let missing: Vec<String> = for_name
            .map(|grant| Grant {
                host: address.clone(),
                port: grant.port,
            })
            .filter(|needed| !self.list.contains(needed))
            .map(|needed| format!("--allow-fetch {needed}"))
            .collect();
        // A name that is not granted at all does not get here, but then nothing would be missing either.
        let granted = self.list.iter().any(|grant| grant.host.includes(&asked));
        if granted && missing.is_empty() {
            return Ok(());
        }
        Err(FetchError::Denied(format!(
            "{name} resolves to {address}, {kind}, which the name's grant does not cover; \
             to allow it, grant the address itself as well, with {}",
            missing.join(" ")
        )))
    }
}

impl Grant {
    /// `port` is `None` for the scheme's own.
    fn port_allows(&self, port: Option<u16>, scheme: &str) -> bool {
        // Either may spell out the scheme's own port.
        self.port.or(default_port(scheme)) == port.or(default_port(scheme))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl GrantedHost {
    fn from_host(host: &Host<&str>) -> GrantedHost {
        match *host {
            Host::Domain(name) => GrantedHost::Name(normal_name(name)),
            Host::Ipv4(address) => GrantedHost::Address(IpAddr::V4(address)),
            Host::Ipv6(address) => GrantedHost::Address(IpAddr::V6(address).to_canonical()),
        }
    }

    /// Whether this grant covers that host. A wildcard covers names only, and whole labels only.
    fn includes(&self, asked: &GrantedHost) -> bool {
        match (self, asked) {
            (GrantedHost::Below(parent), GrantedHost::Name(name)) => name
                .strip_suffix(parent.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            _ => self == asked,
        }
    }
}

impl fmt::Display for GrantedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GrantedHost::Name(name) => f.write_str(name),
            GrantedHost::Below(parent) => write!(f, "*.{parent}"),
            GrantedHost::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            GrantedHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn normal_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The error is the reason, for people.
fn parse_grant(given: &str) -> Result<Grant, String> {
    if given.contains("://") {
        return Err("give HOST[:PORT], such as example.org, not a URL".into());
    }
    let (host, port) = split_port(given)?;
    let (host, wildcard) = match host.strip_prefix("*.") {
        Some(parent) => (parent, true),
        None => (host, false),
    };
    if host.contains('*') {
        return Err("`*` stands for whole names only, as in *.example.org".into());
    }
    let parsed = Host::parse(host).map_err(|reason| reason.to_string())?;
    let parsed = match &parsed {
        Host::Domain(name) => Host::Domain(name.as_str()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    };
    let host = match (GrantedHost::from_host(&parsed), wildcard) {
        (GrantedHost::Name(name), _) if name.is_empty() => return Err("the host is empty".into()),
        (GrantedHost::Name(parent), true) => GrantedHost::Below(parent),
        (_, true) => return Err("there is nothing below an address".into()),
        (host, false) => host,
    };
    Ok(Grant { host, port })
}

/// Splits at the colon that is not part of an address in brackets.
fn split_port(given: &str) -> Result<(&str, Option<u16>), String> {
    let after_host = match given.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(given.len(), |end| end + 2),
        None => given.find(':').unwrap_or(given.len()),
    };
    let (host, port) = given.split_at(after_host);
    if port.is_empty() {
        return Ok((host, None));
    }
    let Some(digits) = port.strip_prefix(':') else {
        return Err("after the closing bracket only :PORT may follow".into());
    };
    if digits.contains(':') {
        return Err("write an IPv6 address in brackets, such as [::1]:8080".into());
    }
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if port > 0 && all_digits => Ok((host, Some(port))),
        _ => Err("the port must be a number from 1 to 65535".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grants(list: &[&str]) -> Grants {
        let list: Vec<String> = list.iter().map(|given| (*given).to_owned()).collect();
        Grants::parse(&list).expect("grants")
    }

    fn allows(list: &[&str], url: &str) -> bool {
        let url = Url::parse(url).expect("a URL");
        grants(list).check_url(&url).is_ok()
    }

    fn allows_address(list: &[&str], name: &str, address: &str) -> bool {
        let address = address.parse().expect("an address");
        grants(list).check_address(name, address).is_ok()
    }

    #[test]
    fn nothing_is_granted_by_default() {
        assert!(Grants::default().is_empty());
        assert!(!allows(&[], "http://example.org/"));
    }

    #[test]
    fn a_name_without_port_grants_the_schemes_own_ports() {
        for (url, expected) in [
            ("http://example.org/", true),
            ("https://example.org/", true),
            ("http://example.org:80/", true),
            ("https://EXAMPLE.org.:443/", true),
            ("http://example.org:443/", false),
            ("https://example.org:80/", false),
            ("http://example.org:8080/", false),
            ("http://www.example.org/", false),
            ("http://example.org.evil.test/", false),
            ("http://notexample.org/", false),
        ] {
            assert_eq!(allows(&["Example.ORG"], url), expected, "{url}");
            assert_eq!(allows(&["example.org."], url), expected, "{url}");
        }
    }

    #[test]
    fn a_port_grants_this_port_for_both_schemes() {
        assert!(allows(&["example.org:8080"], "http://example.org:8080/"));
        assert!(allows(&["example.org:8080"], "https://example.org:8080/"));
        assert!(!allows(&["example.org:8080"], "http://example.org/"));
        assert!(allows(&["example.org:80"], "http://example.org/"));
        assert!(!allows(&["example.org:80"], "https://example.org/"));
    }

    #[test]
    fn a_wildcard_grants_what_is_below() {
        let list = ["*.example.org"];
        assert!(allows(&list, "http://a.example.org/"));
        assert!(allows(&list, "http://a.b.example.org/"));
        assert!(!allows(&list, "http://example.org/"));
        assert!(!allows(&list, "http://.example.org/"));
        assert!(!allows(&list, "http://aexample.org/"));
        assert!(!allows(&["*.0.0.1.test"], "http://127.0.0.1/"));
    }

    #[test]
    fn an_address_is_the_same_however_it_is_spelt() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.0.0.1./",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(allows(&["127.0.0.1"], url), "{url}");
            assert!(!allows(&["localhost"], url), "{url}");
        }
        assert!(allows(&["[0:0::1]:81"], "http://[::1]:81/"));
        assert!(!allows(&["[::1]:81"], "http://[::1]/"));
    }

    #[test]
    fn international_names_are_the_same_in_both_spellings() {
        assert!(allows(&["bücher.example"], "http://xn--bcher-kva.example/"));
        assert!(allows(&["xn--bcher-kva.example"], "http://BÜCHER.example/"));
    }

    #[test]
    fn the_error_says_what_to_grant() {
        for (url, flag) in [
            (
                "http://example.org:8080/p?secret",
                "--allow-fetch example.org:8080",
            ),
            ("https://example.org/", "--allow-fetch example.org"),
            ("https://[::1]:8443/", "--allow-fetch [::1]:8443"),
        ] {
            let url = Url::parse(url).expect("a URL");
            let error = Grants::default().check_url(&url).expect_err("denied");
            let text = error.to_string();
            assert!(text.ends_with(flag), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn names_lead_to_public_addresses_only() {
        let name = "example.org";
        assert!(allows_address(&[name], name, "93.184.216.34"));
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!allows_address(&[name], name, address), "{address}");
            assert!(!allows_address(&["*.org"], name, address), "{address}");
            assert!(!allows_address(&[], name, address), "{address}");
        }
    }

    #[test]
    fn granting_the_address_too_lets_a_name_lead_there() {
        let (name, address) = ("intra.test", "10.0.0.1");
        assert!(allows_address(&[name, address], name, address));
        assert!(allows_address(&["*.test:81", "10.0.0.1:81"], name, address));
        assert!(!allows_address(&[name, "10.0.0.2"], name, address));
        // Else the name's owner could reach the address's other ports.
        assert!(!allows_address(&[name, "10.0.0.1:81"], name, address));
        assert!(!allows_address(
            &[name, "*.test:81", address],
            name,
            address
        ));
    }

    #[test]
    fn localhost_is_loopback_and_nothing_else() {
        let list = ["localhost:8080"];
        assert!(allows_address(&list, "localhost", "127.0.0.1"));
        assert!(allows_address(&list, "LOCALHOST.", "::1"));
        assert!(!allows_address(&list, "localhost", "10.0.0.1"));
        assert!(!allows_address(
            &["a.localhost"],
            "a.localhost",
            "127.0.0.1"
        ));
    }

    #[test]
    fn what_is_no_host_is_refused_and_quoted() {
        for given in [
            "",
            " ",
            ".",
            ":80",
            "*",
            "*.",
            "*:80",
            "a*.org",
            "*.*.org",
            "*.10.0.0.1",
            "a b",
            "a/b",
            "user@a",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:http",
            "a:80:81",
            "::1",
            "[::1",
            "[::1]80",
            "[::1]:",
            "[a]",
            "1.2.3.4.5",
            "http://example.org",
        ] {
            let error = Grants::parse(&[given.to_owned()]).expect_err(given);
            assert!(error.to_string().contains(&format!("`{given}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(given: String) {
            let _ = Grants::parse(&[given]);
        }

        #[test]
        fn parsing_nearly_valid_grants_never_panics(given in r"(\*\.)?\[?[a-f0-9.:*ä-]{0,12}\]?(:[0-9]{0,6})?") {
            let _ = Grants::parse(&[given]);
        }

        #[test]
        fn what_is_displayed_parses_to_the_same(given in r"(\*\.)?([a-z][a-z0-9]{0,5}\.){0,3}[a-z]{1,3}(:[1-9][0-9]{0,3})?") {
            let grant = parse_grant(&given).expect("a grant");
            prop_assert_eq!(parse_grant(&grant.to_string()), Ok(grant));
        }

        #[test]
        fn a_grant_allows_what_its_denial_asks_for(host in r"[a-z]{1,5}(\.[a-z]{1,5}){0,2}|\[::[0-9a-f]{1,4}\]|10\.0\.0\.[1-9]", port in 1_u16.., https: bool) {
            let scheme = if https { "https" } else { "http" };
            let url = Url::parse(&format!("{scheme}://{host}:{port}/")).expect("a URL");
            let denial = Grants::default().check_url(&url).expect_err("denied").to_string();
            let (_, flag) = denial.split_once("--allow-fetch ").expect("a flag");
            prop_assert!(grants(&[flag]).check_url(&url).is_ok());
        }
    }
}
