//! Where requests may go: to public addresses, and to private ones that the settings name. What a name leads to is looked up
//! here, and connected to as it was found: a name that leads elsewhere the next time leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Looks names up, and passes on what may be connected to.
#[derive(Debug)]
pub(super) struct Guard {
    resolver: DefaultResolver,
    allowed: Vec<IpNet>,
}

impl Guard {
    pub(super) fn new(allowed: Vec<IpNet>) -> Self {
        Self {
            resolver: DefaultResolver::default(),
            allowed,
        }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.allowed.iter().any(|it| it.contains(&ip))
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in found.iter().filter(|it| self.allows(it.ip())) {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            let found = found.first().ok_or(ureq::Error::HostNotFound)?;
            return Err(ureq::Error::Other(Box::from(refusal(found.ip()))));
        }
        Ok(allowed)
    }
}

/// Why an address is left alone, and what would allow it. An address of IPv4 that is written as one of IPv6 is allowed as that of IPv4.
fn refusal(ip: IpAddr) -> String {
    let ip = ip.to_canonical();
    format!("{ip} is a private address: --webhook-allow {ip} would allow it")
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries, RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Networks that are not, of IPv4: the first address, and the bits that count.
const SPECIAL_V4: [([u8; 4], u32); 14] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Shared by the customers of a carrier (RFC 6598).
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local, where clouds have their metadata.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, what is reserved, and broadcast.
    ([224, 0, 0, 0], 3),
];

/// The address of Azure's metadata and DNS, which is a public one.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let is_in = |(first, bits): ([u8; 4], u32)| {
        let shift = 32 - bits;
        ip.to_bits() >> shift == Ipv4Addr::from(first).to_bits() >> shift
    };
    ip != AZURE && !SPECIAL_V4.into_iter().any(is_in)
}

/// Of IPv6 what is given to networks at all (2000::/3) without what is special in it. An address that stands for one of IPv4
/// is as public as that.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        [0x2001, ..=0x01ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allowed: &[&str], ip: &str) -> bool {
        let allowed = allowed.iter().map(|it| it.parse().unwrap()).collect();
        Guard::new(allowed).allows(ip.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_allowed() {
        for ip in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert!(may(&[], ip), "{ip}");
        }
    }

    #[test]
    fn private_addresses_are_not_unless_they_are_named() {
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b::a9fe:a9fe",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
        ] {
            assert!(!may(&[], ip), "{ip}");
        }
        assert!(may(&["10.0.0.0/8"], "10.1.2.3"));
        assert!(may(&["127.0.0.1/32"], "::ffff:127.0.0.1"));
        assert!(!may(&["10.0.0.0/8"], "192.168.1.1"));
        assert!(may(&["::1/128"], "::1"));
    }

    #[test]
    fn what_a_refusal_advises_allows_the_address() {
        for ip in [
            "127.0.0.1",
            "::ffff:10.0.0.1",
            "fd00::1",
            "64:ff9b::a9fe:a9fe",
        ] {
            let said = refusal(ip.parse().unwrap());
            let (_, advised) = said.split_once("--webhook-allow ").unwrap();
            let advised = advised.split(' ').next().unwrap();
            let allowed = [
                advised,
                "/",
                if advised.contains(':') { "128" } else { "32" },
            ]
            .concat();
            assert!(may(&[&allowed], ip), "{said}");
        }
    }
}
