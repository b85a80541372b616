//! Which IP addresses are the public internet's; knows nothing of names, ports or grants.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What sort of address this is, if it is not one of the public internet's: such as `a loopback address`. A name that
/// leads to one of these may be an attempt to reach what is near the host: DNS rebinding, or cloud metadata.
///
/// IPv4 addresses inside IPv6 ones (mapped, NAT64) are judged by the IPv4 address.
pub(super) fn special_kind(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// IANA's special-purpose registry for IPv4, with multicast.
fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an unspecified address"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [100, 64..=127, ..] => Some("a carrier's shared address"),
        [169, 254, ..] => Some("a link-local address"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("an address for documentation")
        }
        [198, 18..=19, ..] => Some("an address for benchmarks"),
        [192, 0, 0, _] | [192, 88, 99, _] => Some("an address for protocols"),
        [224..=239, ..] => Some("a multicast address"),
        [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

/// All but global unicast (2000::/3) is special, which holds for ranges assigned after this was written too.
fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // NAT64, through which networks without IPv4 reach the rest of the internet.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            special_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("an address for documentation"),
        [0x2001, 0..=0x01ff, ..] => Some("an address for protocols"),
        // 6to4, which carries an IPv4 address that the relay would send to.
        [0x2002, ..] => Some("an address for protocols"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> Option<&'static str> {
        special_kind(address.parse().expect("an address"))
    }

    #[test]
    fn public_addresses_are_not_special() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    #[test]
    fn what_is_near_the_host_is_special() {
        for (address, expected) in [
            ("0.0.0.0", "an unspecified address"),
            ("0.1.2.3", "an unspecified address"),
            ("127.0.0.1", "a loopback address"),
            ("127.255.255.254", "a loopback address"),
            ("10.0.0.1", "a private address"),
            ("172.16.0.1", "a private address"),
            ("172.31.255.255", "a private address"),
            ("192.168.1.1", "a private address"),
            ("100.64.0.1", "a carrier's shared address"),
            ("100.127.255.255", "a carrier's shared address"),
            ("169.254.169.254", "a link-local address"),
            ("192.0.2.1", "an address for documentation"),
            ("198.18.0.1", "an address for benchmarks"),
            ("192.0.0.170", "an address for protocols"),
            ("224.0.0.1", "a multicast address"),
            ("255.255.255.255", "a reserved address"),
            ("::", "an unspecified address"),
            ("::1", "a loopback address"),
            ("::127.0.0.1", "a reserved address"),
            ("::ffff:127.0.0.1", "a loopback address"),
            ("::ffff:169.254.169.254", "a link-local address"),
            ("64:ff9b::a00:1", "a private address"),
            ("64:ff9b:1::a00:1", "a reserved address"),
            ("fe80::1", "a link-local address"),
            ("fec0::1", "a reserved address"),
            ("fd00:ec2::254", "a private address"),
            ("fc00::1", "a private address"),
            ("ff02::1", "a multicast address"),
            ("2001:db8::1", "an address for documentation"),
            ("3fff::1", "an address for documentation"),
            ("2001::1", "an address for protocols"),
            ("2002:7f00:1::1", "an address for protocols"),
            ("100::1", "a reserved address"),
            ("5f00::1", "a reserved address"),
        ] {
            assert_eq!(kind(address), Some(expected), "{address}");
        }
    }
}
