//! What the registry knows of the numbers behind a country code.

/// The numbers behind a country code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) code: u16,
    /// Bit `n`: a mobile number may have `n` digits.
    pub(super) lengths: u16,
    /// Whether a number may begin with 0, as in Italy.
    pub(super) zero: bool,
    /// The prefixes dialled within the country before a number.
    pub(super) trunks: &'static [Trunk],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trunk {
    pub(super) digits: &'static [u8],
    /// No number begins like this. Otherwise it is left out only if the rest has the right length and the whole has not.
    pub(super) always: bool,
}

pub(super) const fn plan(code: u16, lengths: &[u8], zero: bool, trunks: &'static [Trunk]) -> Plan {
    let (mut bits, mut at) = (0, 0);
    while at < lengths.len() {
        bits |= 1 << lengths[at];
        at += 1;
    }
    Plan { code, lengths: bits, zero, trunks }
}

/// The number of digits of a country code.
pub(super) const fn width(code: u16) -> usize {
    match code {
        0..10 => 1,
        10..100 => 2,
        _ => 3,
    }
}
