//! Names become addresses, and each address is checked against the grants right before it is connected to; knows
//! nothing of requests.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::web::{FetchError, Grants};

/// How a name is looked up. It may block.
pub(super) type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// Asks the operating system, which may take half a minute.
pub(super) fn system_lookup(name: &str) -> io::Result<Vec<SocketAddr>> {
    // Port 0 stands for the URL's, which the caller puts in.
    Ok((name, 0).to_socket_addrs()?.collect())
}

/// A resolver that returns only addresses that may be connected to. What it returns is what is connected to: there is no
/// second lookup whose answer could differ.
pub(super) struct GrantedResolver {
    grants: Arc<Grants>,
    lookup: Lookup,
    /// A lookup goes on when its fetch is cancelled, and blocks a thread of all services' while it does.
    lookups: Arc<Semaphore>,
}

impl GrantedResolver {
    pub(super) fn new(grants: Arc<Grants>, lookup: Lookup, lookups_max: u32) -> GrantedResolver {
        GrantedResolver {
            grants,
            lookup,
            lookups: Arc::new(Semaphore::new(lookups_max.max(1) as usize)),
        }
    }
}

impl Resolve for GrantedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let (grants, lookup, lookups) = (self.grants.clone(), self.lookup, self.lookups.clone());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            let (found, name) = tokio::task::spawn_blocking(move || {
                let found = lookup(&name);
                drop(permit);
                (found, name)
            })
            .await?;
            let found = found.map_err(|error| FetchError::Dns(format!("{name}: {error}")))?;
            let allowed = allowed_addresses(&grants, &name, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Leaves out what may not be connected to. When nothing is left, the error is about the first.
fn allowed_addresses(
    grants: &Grants,
    name: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, FetchError> {
    let mut allowed = Vec::new();
    let mut refused = None;
    for address in found {
        match grants.check_address(name, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(error) => Err(error),
        None => Err(FetchError::Dns(format!("{name} has no address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(grants: &[&str], found: &[&str]) -> Result<Vec<SocketAddr>, FetchError> {
        let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        let grants = Grants::parse(&grants).expect("grants");
        let found = found.iter().map(|a| a.parse().expect("an address"));
        allowed_addresses(&grants, "example.org", found.collect())
    }

    #[test]
    fn special_addresses_are_left_out() {
        let found = ["10.0.0.1:0", "93.184.216.34:0", "[::1]:0"];
        let left = allowed(&["example.org"], &found).expect("one is left");
        assert_eq!(left, ["93.184.216.34:0".parse().expect("an address")]);
    }

    #[test]
    fn only_special_addresses_is_denied() {
        let error = allowed(&["example.org"], &["169.254.169.254:0"]).expect_err("denied");
        assert!(matches!(error, FetchError::Denied(_)), "{error}");
    }

    #[test]
    fn no_address_is_a_failed_resolution() {
        let error = allowed(&["example.org"], &[]).expect_err("nothing found");
        assert!(matches!(error, FetchError::Dns(_)), "{error}");
    }
}
