//! The source network of a call.

use std::fmt;
use std::net::IpAddr;

/// The network of a source address: an IPv4 address, or the first 64 bits of an IPv6 address, which one customer of a provider has.
/// It can identify a person, so its `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network([u8; 8]);

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(…)")
    }
}

impl Network {
    /// Parses an address as API Gateway writes it; `None` if it is not an address.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let mut network = [0; 8];
        match address.parse::<IpAddr>().ok()?.to_canonical() {
            // IPv4 in the form of IPv6 (`::ffff:a.b.c.d`), and so different from every IPv6 network in use.
            IpAddr::V4(address) => network[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => network.copy_from_slice(&address.octets()[..8]),
        }
        Some(Self(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_an_ipv4_address_or_half_an_ipv6_address() {
        let network = |address| Network::parse(address).unwrap();
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        for none in ["", "localhost", "192.0.2", "192.0.2.1:80"] {
            assert!(Network::parse(none).is_none(), "{none}");
        }
        assert_eq!(format!("{:?}", network("192.0.2.1")), "Network(…)");
    }
}
