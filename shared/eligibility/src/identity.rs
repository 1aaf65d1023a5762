//! When two applications belong to the same person: the same driving licence, the same identity key, or the same truncated identity
//! unless both have identity keys and share none. Source: the contract, "Rules and their defaults" ("rule 3" is the last of these).

use crate::fields::{IdentityKey, LastNameTrunc};
use crate::license::DrivingLicense;
use crate::phone::PhoneTrunc;

/// Three letters of the last name and the phone less two digits. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TruncatedIdentity {
    /// The first three letters of the last name.
    pub last_name_trunc: LastNameTrunc,
    /// The phone number less its last two digits.
    pub phone_trunc: PhoneTrunc,
}

/// Everything that an application says about its driver. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Always present.
    pub truncated: TruncatedIdentity,
    /// Present in every registered application; absent from imported history and optional in a simulation.
    pub driving_license: Option<DrivingLicense>,
    /// The keys that the operator or its journeys file sends.
    pub identity_keys: IdentityKeys,
}

/// The identity keys of one driver that the registry has: the caller's and, for a short application, its journey's. They are often
/// equal, and are then stored once. Personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdentityKeys {
    callers: Option<IdentityKey>,
    /// The journey's key, unless it equals the caller's.
    journeys: Option<IdentityKey>,
}

impl IdentityKeys {
    /// The caller's key and the journey's own.
    #[must_use]
    pub fn new(callers: Option<IdentityKey>, journeys: Option<IdentityKey>) -> Self {
        let journeys = journeys.filter(|key| callers.as_ref() != Some(key));
        Self { callers, journeys }
    }

    /// The caller's key, of an application or a question without a journey.
    #[must_use]
    pub fn of_caller(key: Option<IdentityKey>) -> Self {
        Self::new(key, None)
    }

    /// The key that the caller sent.
    #[must_use]
    pub const fn callers(&self) -> Option<&IdentityKey> {
        self.callers.as_ref()
    }

    /// The journey's own key, unless the caller sent the same.
    #[must_use]
    pub const fn journeys(&self) -> Option<&IdentityKey> {
        self.journeys.as_ref()
    }

    /// All keys: the caller's first.
    pub fn iter(&self) -> impl Iterator<Item = &IdentityKey> {
        self.callers.iter().chain(&self.journeys)
    }

    /// Whether this key is one of them.
    #[must_use]
    pub fn contains(&self, key: &IdentityKey) -> bool {
        self.iter().any(|known| known == key)
    }

    /// The keys after the caller gave its own key later. `None`: the caller sent a key already, and a key is never replaced.
    #[must_use]
    pub fn given(&self, key: IdentityKey) -> Option<Self> {
        self.callers.is_none().then(|| Self::new(Some(key), self.journeys.clone()))
    }
}

impl Identity {
    /// Whether two applications of one journey type belong to the same person, which is the case if any of these holds:
    ///
    /// 1. the same driving licence;
    /// 2. the same identity key;
    /// 3. the same truncated identity, unless both carry an identity key and the keys differ.
    ///
    /// An application may carry two identity keys. One key in common is the same identity key, and keys differ if none is in
    /// common.
    ///
    /// Source: the contract, "Two applications of one journey type are the same person". The public registry accepts case 3 if only
    /// the stored application carries a key; this registry does not.
    #[must_use]
    pub fn same_person(&self, other: &Self) -> bool {
        let both = |a: bool, b: bool| a && b;
        let same_license = both(self.driving_license.is_some(), self.driving_license == other.driving_license);
        let keys = |identity: &Self| identity.identity_keys.iter().cloned().collect::<Vec<_>>();
        let (keys, others) = (keys(self), keys(other));
        same_license || share_key(&keys, &others) || (self.truncated == other.truncated && !keys_differ(&keys, &others))
    }
}

fn share_key<K: PartialEq>(some: &[K], others: &[K]) -> bool {
    some.iter().any(|key| others.contains(key))
}

/// Whether both sides carry a key and share none: the only case in which the same truncated identity belongs to two people.
/// Generic, so that the store can compare keyed hashes instead of the keys themselves.
#[must_use]
pub fn keys_differ<K: PartialEq>(some: &[K], others: &[K]) -> bool {
    !some.is_empty() && !others.is_empty() && !share_key(some, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: char) -> IdentityKey {
        IdentityKey::parse(&letter.to_string().repeat(64)).unwrap()
    }

    fn identity(name: &str, license: Option<&str>, keys: impl IntoIterator<Item = char>) -> Identity {
        let mut keys = keys.into_iter().map(key);
        Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: LastNameTrunc::parse(name).unwrap(),
                phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
            },
            driving_license: license.map(|l| DrivingLicense::parse(l).unwrap()),
            identity_keys: IdentityKeys::new(keys.next(), keys.next()),
        }
    }

    #[test]
    fn same_person_by_licence_key_or_truncated_identity() {
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
            // Two keys: the caller's and the journey's own.
            (identity("DUP", Some("A1"), ['a', 'b']), identity("MAR", Some("A2"), Some('a')), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("MAR", Some("A2"), Some('b')), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("MAR", Some("A2"), ['c', 'b']), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("MAR", Some("A2"), ['b', 'c']), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("MAR", Some("A2"), ['c', 'd']), false),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("DUP", Some("A2"), Some('b')), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("DUP", Some("A2"), Some('c')), false),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("DUP", Some("A2"), ['c', 'd']), false),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("DUP", Some("A2"), None), true),
            (identity("DUP", Some("A1"), ['a', 'b']), identity("DUP", Some("A1"), ['c', 'd']), true),
        ];
        for (number, (one, other, same)) in table.iter().enumerate() {
            assert_eq!(one.same_person(other), *same, "row {number}");
            assert_eq!(other.same_person(one), *same, "row {number}, the other way round");
        }
    }

    #[test]
    fn equal_keys_merge_and_later_key_is_the_callers() {
        let (a, b) = (key('a'), key('b'));
        let keys = |callers: Option<&IdentityKey>, journeys: Option<&IdentityKey>| {
            IdentityKeys::new(callers.cloned(), journeys.cloned())
        };
        let all = |keys: &IdentityKeys| keys.iter().cloned().collect::<Vec<_>>();
        assert_eq!(keys(Some(&a), Some(&a)), IdentityKeys::of_caller(Some(a.clone())));
        assert_eq!(all(&keys(Some(&b), Some(&a))), [b.clone(), a.clone()], "the caller's first");
        assert_eq!(all(&IdentityKeys::default()), []);
        let both = keys(Some(&a), Some(&b));
        assert_eq!((both.callers(), both.journeys()), (Some(&a), Some(&b)));
        assert!(both.contains(&a) && both.contains(&b) && !keys(Some(&a), None).contains(&b));
        assert_eq!(keys(None, None).given(a.clone()), Some(keys(Some(&a), None)));
        assert_eq!(keys(None, Some(&b)).given(a.clone()), Some(keys(Some(&a), Some(&b))));
        assert_eq!(keys(None, Some(&b)).given(b.clone()), Some(keys(Some(&b), None)));
        assert_eq!(keys(Some(&a), None).given(b.clone()), None);
        assert_eq!(keys(Some(&a), Some(&b)).given(b), None);
    }
}
