//! Who counts as the same person.

use crate::fields::{DrivingLicense, IdentityKey, LastNameTrunc, PhoneTrunc};

/// Three letters of the last name and the phone less two digits. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TruncatedIdentity {
    /// The first three letters of the last name.
    pub last_name_trunc: LastNameTrunc,
    /// The phone number less its last two digits.
    pub phone_trunc: PhoneTrunc,
}

/// All that an application says about its driver. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Always known.
    pub truncated: TruncatedIdentity,
    /// Known of every registered application; unknown of imported history and optional in a simulation.
    pub driving_license: Option<DrivingLicense>,
    /// Known where the operator sends it.
    pub identity_key: Option<IdentityKey>,
}

impl Identity {
    /// Whether two applications of one journey type are the same person, which is when any of these holds:
    ///
    /// 1. the same driving licence;
    /// 2. the same identity key;
    /// 3. the same truncated identity, unless both carry an identity key and the keys differ.
    ///
    /// Source: the contract, "Two applications of one journey type are the same person". The public registry lets
    /// case 3 through where only the stored application carries a key; that hole is closed here.
    #[must_use]
    pub fn same_person(&self, other: &Self) -> bool {
        let both = |a: bool, b: bool| a && b;
        let same_license = both(self.driving_license.is_some(), self.driving_license == other.driving_license);
        let same_key = both(self.identity_key.is_some(), self.identity_key == other.identity_key);
        same_license
            || same_key
            || (self.truncated == other.truncated
                && !keys_differ(self.identity_key.as_ref(), other.identity_key.as_ref()))
    }
}

/// Whether both sides carry a key and the keys differ: the one case in which the same truncated identity belongs to two
/// people. Generic, so that the store can ask it of keyed hashes instead of the keys themselves.
#[must_use]
pub fn keys_differ<K: PartialEq + ?Sized>(one: Option<&K>, other: Option<&K>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str, license: Option<&str>, key: Option<char>) -> Identity {
        Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: LastNameTrunc::parse(name).unwrap(),
                phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
            },
            driving_license: license.map(|l| DrivingLicense::parse(l).unwrap()),
            identity_key: key.map(|k| IdentityKey::parse(&k.to_string().repeat(64)).unwrap()),
        }
    }

    #[test]
    fn the_three_cases() {
        let table = [
            // one, other, same person?
            (identity("DUP", Some("A1"), None), identity("MAR", Some("A1"), None), true),
            (identity("DUP", Some("A1"), None), identity("MAR", Some("A2"), None), false),
            (identity("DUP", None, None), identity("MAR", None, None), false),
            (identity("DUP", Some("A1"), Some('a')), identity("MAR", Some("A2"), Some('a')), true),
            (identity("DUP", Some("A1"), Some('a')), identity("MAR", Some("A2"), Some('b')), false),
            (identity("DUP", Some("A1"), None), identity("DUP", Some("A2"), None), true),
            (identity("DUP", Some("A1"), Some('a')), identity("DUP", Some("A2"), None), true),
            (identity("DUP", Some("A1"), None), identity("DUP", Some("A2"), Some('a')), true),
            (identity("DUP", Some("A1"), Some('a')), identity("DUP", Some("A2"), Some('a')), true),
            (identity("DUP", Some("A1"), Some('a')), identity("DUP", Some("A2"), Some('b')), false),
            (identity("DUP", Some("A1"), Some('a')), identity("DUP", Some("A1"), Some('b')), true),
            (identity("DUP", None, Some('a')), identity("DUP", Some("A2"), None), true),
        ];
        for (number, (one, other, same)) in table.iter().enumerate() {
            assert_eq!(one.same_person(other), *same, "row {number}");
            assert_eq!(other.same_person(one), *same, "row {number}, the other way round");
        }
    }
}
