//! Normalises a full name and a full phone number to the values that the registry compares.
//!
//! Operators that normalise differently give one driver two identity keys, and the registry misses the duplicate. So the rules are
//! here, with test vectors, and on a page for operators (`docs/normalisation.md`).

use std::fmt;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::error::NormaliseError;
use crate::fields::{IdentityKey, LastNameTrunc};
use crate::identity::TruncatedIdentity;
pub use crate::phone::Phone;

/// A driver's last name, normalised: `A` to `Z` and single spaces. Personal data.
///
/// 1. Letters are separated from their accents (Unicode NFKD), which are dropped. Ligatures and letters that are not a letter with
///    an accent are spelled out: `Œ` `OE`, `Æ` `AE`, `ß` `SS`, `Ø` `O`, `Ł` `L`, `Đ` `D`, `Þ` `TH`.
/// 2. Capitals.
/// 3. A space for each hyphen and apostrophe, in any of their many forms.
/// 4. Several spaces become one; those at the ends are dropped.
///
/// ```
/// use cee_eligibility::LastName;
/// assert_eq!(LastName::parse("D'Hérug de l'Hérault").unwrap().as_str(), "D HERUG DE L HERAULT");
/// assert_eq!(LastName::parse("Lœuillet").unwrap().truncated().as_str(), "LOE");
/// assert_eq!(LastName::parse("Ng").unwrap().truncated().as_str(), "NG ");
/// assert!(LastName::parse("Дюпон").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LastName(String);

impl fmt::Debug for LastName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastName(…)")
    }
}

/// Letters that Unicode does not decompose.
const SPELLED_OUT: [(char, &str); 14] = [
    ('Œ', "OE"),
    ('œ', "OE"),
    ('Æ', "AE"),
    ('æ', "AE"),
    ('ß', "SS"),
    ('ẞ', "SS"),
    ('Ø', "O"),
    ('ø', "O"),
    ('Ł', "L"),
    ('ł', "L"),
    ('ı', "I"),
    ('Þ', "TH"),
    ('þ', "TH"),
    ('ŉ', "N"),
];

/// Three letters that look the same: Croatian, Icelandic, Ewe.
const STRUCK_D: [char; 6] = ['Đ', 'đ', 'Ð', 'ð', 'Ɖ', 'ɖ'];

/// Hyphens, dashes, apostrophes, quotation marks used as such, and spaces.
const fn is_gap(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
            | '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}'
            | '\'' | '`' | '\u{b4}' | '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}'
            | '\u{2c8}' | '\u{2032}' | '\u{ff07}'
    )
}

impl LastName {
    /// Normalises a last name.
    ///
    /// # Errors
    /// [`NormaliseError::Name`] if a character is left that is not a Latin letter; [`NormaliseError::Empty`].
    pub fn parse(text: &str) -> Result<Self, NormaliseError> {
        let mut name = String::with_capacity(text.len());
        let mut gap = false;
        // Gaps first: Unicode would decompose some of them into a space and an accent.
        for c in text.chars().map(|c| if is_gap(c) { ' ' } else { c }).nfkd() {
            if is_gap(c) {
                gap = !name.is_empty();
                continue;
            }
            // Marks for the writing direction do not belong to a name.
            if is_combining_mark(c) || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}') {
                continue;
            }
            if std::mem::take(&mut gap) {
                name.push(' ');
            }
            if c.is_ascii_alphabetic() {
                name.push(c.to_ascii_uppercase());
            } else if let Some((_, letters)) = SPELLED_OUT.iter().find(|(letter, _)| *letter == c) {
                name.push_str(letters);
            } else if STRUCK_D.contains(&c) {
                name.push('D');
            } else {
                return Err(NormaliseError::Name);
            }
        }
        if name.is_empty() { Err(NormaliseError::Empty) } else { Ok(Self(name)) }
    }

    /// The normalised name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first three characters, filled up with spaces.
    #[must_use]
    pub fn truncated(&self) -> LastNameTrunc {
        LastNameTrunc::of(&self.0)
    }
}

/// The values that the registry compares of a driver's name and phone.
#[must_use]
pub fn truncated_identity(name: &LastName, phone: &Phone) -> TruncatedIdentity {
    TruncatedIdentity { last_name_trunc: name.truncated(), phone_trunc: phone.truncated() }
}

/// `sha256("{E.164 phone}-{LAST NAME}")`. Source: the field table of the contract.
///
/// ```
/// use cee_eligibility::{LastName, Phone, normalise::identity_key};
/// let key = identity_key(&LastName::parse("D'Hérug de l'Hérault")?, &Phone::parse("07 01 02 03 04")?);
/// assert_eq!(key.to_hex(), "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30");
/// # Ok::<(), cee_eligibility::NormaliseError>(())
/// ```
#[must_use]
pub fn identity_key(name: &LastName, phone: &Phone) -> IdentityKey {
    let hash = Sha256::new().chain_update(phone.as_str()).chain_update("-").chain_update(name.as_str()).finalize();
    IdentityKey::from_bytes(hash.into())
}

/// A name and a phone as a person may type them, and their normalised forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// As typed.
    pub last_name: &'static str,
    /// As typed.
    pub phone: &'static str,
    /// The hashed text.
    pub hashed: &'static str,
    /// The first three characters.
    pub last_name_trunc: &'static str,
    /// The number less two digits.
    pub phone_trunc: &'static str,
    /// The hash.
    pub identity_key: &'static str,
}

/// The published test vectors. The names and numbers are fictitious: the phones lie in the ranges that Arcep reserves for films,
/// except the contract's own.
pub const VECTORS: [Vector; 22] = [
    Vector {
        last_name: "D'Hérug de l'Hérault",
        phone: "+33701020304",
        hashed: "+33701020304-D HERUG DE L HERAULT",
        last_name_trunc: "D H",
        phone_trunc: "+337010203",
        identity_key: "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30",
    },
    Vector {
        last_name: "Martin",
        phone: "06 39 98 00 01",
        hashed: "+33639980001-MARTIN",
        last_name_trunc: "MAR",
        phone_trunc: "+336399800",
        identity_key: "ddd349d7ce21db91363106c8d8b27f8e92ce3772fed8a501dfe4c2bed68fd7e8",
    },
    Vector {
        last_name: "Le Goff",
        phone: "06.39.98.00.02",
        hashed: "+33639980002-LE GOFF",
        last_name_trunc: "LE ",
        phone_trunc: "+336399800",
        identity_key: "2fa4452acd46031edcd6cd98e9a6e320b69fe41589487b84930a0b70e25dc715",
    },
    Vector {
        last_name: "L’Hôpital",
        phone: "0033 6 39 98 00 03",
        hashed: "+33639980003-L HOPITAL",
        last_name_trunc: "L H",
        phone_trunc: "+336399800",
        identity_key: "2fcb8c63ea510bb226eb07dbf46abd9b23b735c64957b0f46e99a95e035b7429",
    },
    Vector {
        last_name: "Nuñez",
        phone: "+33 6 39 98 00 04",
        hashed: "+33639980004-NUNEZ",
        last_name_trunc: "NUN",
        phone_trunc: "+336399800",
        identity_key: "7e6f0f271d3219a57c8b2973efb8268fc161e8d6cd031c87b15155a92ce97e71",
    },
    Vector {
        last_name: "Ôé",
        phone: "+33 (0)6 39 98 00 05",
        hashed: "+33639980005-OE",
        last_name_trunc: "OE ",
        phone_trunc: "+336399800",
        identity_key: "2ae23e0dcf281457e3d767658411a146bb79b1032b53bc5951281e40a6186948",
    },
    Vector {
        last_name: "O'Connor",
        phone: "06-39-98-00-06",
        hashed: "+33639980006-O CONNOR",
        last_name_trunc: "O C",
        phone_trunc: "+336399800",
        identity_key: "36182319a077cc4bd6382ae57bf8f3cef64a4e2a503dc99ddac012ab3404fb6b",
    },
    Vector {
        last_name: "Lœuillet",
        phone: "0639980007",
        hashed: "+33639980007-LOEUILLET",
        last_name_trunc: "LOE",
        phone_trunc: "+336399800",
        identity_key: "a4dd40aa0c06dbd0a61b9ff165a748063a83bd7a30610b1fbe63e1a3dab256e9",
    },
    Vector {
        last_name: "Ng",
        phone: "06 39 98 00 08",
        hashed: "+33639980008-NG",
        last_name_trunc: "NG ",
        phone_trunc: "+336399800",
        identity_key: "502d6c55d12fd1bc44b77b4ad23dba0164ecb63f273b7ff22cc3e0e370db71c8",
    },
    Vector {
        last_name: "To",
        phone: "+33639980009",
        hashed: "+33639980009-TO",
        last_name_trunc: "TO ",
        phone_trunc: "+336399800",
        identity_key: "98671b08f3edbb57cfa421222df72a662ee3a619ba96a9e3ac7d4c508b2f346a",
    },
    Vector {
        last_name: "de la Tour-d'Auvergne",
        phone: "06 39 98 00 10",
        hashed: "+33639980010-DE LA TOUR D AUVERGNE",
        last_name_trunc: "DE ",
        phone_trunc: "+336399800",
        identity_key: "fa0695e566b03509bfea32fa10c9e3f315b945e5c72b1d947049e5551f9c4d28",
    },
    Vector {
        last_name: "  Garcia  -  Lopez ",
        phone: "06 39 98 00 11",
        hashed: "+33639980011-GARCIA LOPEZ",
        last_name_trunc: "GAR",
        phone_trunc: "+336399800",
        identity_key: "ce021f12ee0c58a8860227cb39a92d81cf9a8f1de56f20fb54acef5748f57fea",
    },
    Vector {
        last_name: "Groß",
        phone: "06 39 98 00 12",
        hashed: "+33639980012-GROSS",
        last_name_trunc: "GRO",
        phone_trunc: "+336399800",
        identity_key: "3a4580f14f64d0e8e8a20079eeacf3dd20c95c5363b73fe4d87bc0d44836389c",
    },
    Vector {
        last_name: "Wałęsa",
        phone: "+48 512 345 678",
        hashed: "+48512345678-WALESA",
        last_name_trunc: "WAL",
        phone_trunc: "+485123456",
        identity_key: "bc059ee127c1ee2080a75b0c971c8281666b0b278a352218a623005a4755d124",
    },
    Vector {
        last_name: "Çelik",
        phone: "+32 470 12 34 56",
        hashed: "+32470123456-CELIK",
        last_name_trunc: "CEL",
        phone_trunc: "+324701234",
        identity_key: "6c53fafd370c447cbe176b40bf6f72e86ff8012fbb899994ffd06668add247fa",
    },
    Vector {
        last_name: "Payet",
        phone: "0692 92 01 02",
        hashed: "+262692920102-PAYET",
        last_name_trunc: "PAY",
        phone_trunc: "+2626929201",
        identity_key: "6cb730087b23c013eea3c1fbe12122abe427060a12cf5dd52a82ffa214896de2",
    },
    Vector {
        last_name: "Hoarau",
        phone: "+262 692 92 01 03",
        hashed: "+262692920103-HOARAU",
        last_name_trunc: "HOA",
        phone_trunc: "+2626929201",
        identity_key: "88a1d8ed27ef8a1bd007f1e2efcc034f3461fcc47111d8d7ac79ea71ec67238a",
    },
    Vector {
        last_name: "Céleste",
        phone: "0690 12 34 56",
        hashed: "+590690123456-CELESTE",
        last_name_trunc: "CEL",
        phone_trunc: "+5906901234",
        identity_key: "dcf5e9d155391b73c6d224aad431f5871ebe07b6d32727af2d434448673d6e2a",
    },
    Vector {
        last_name: "Ébion",
        phone: "0694 20 12 34",
        hashed: "+594694201234-EBION",
        last_name_trunc: "EBI",
        phone_trunc: "+5946942012",
        identity_key: "ec1423b687beeb4bfb07162883de74759f7b1b891d1da47e582546c79590cce8",
    },
    Vector {
        last_name: "Élisabeth",
        phone: "0696 70 12 34",
        hashed: "+596696701234-ELISABETH",
        last_name_trunc: "ELI",
        phone_trunc: "+5966967012",
        identity_key: "f6bdf925b5f889d530ffd51f57542a45bae523379162bf57ae62d0691d45af74",
    },
    Vector {
        last_name: "Madi",
        phone: "0639 69 12 34",
        hashed: "+262639691234-MADI",
        last_name_trunc: "MAD",
        phone_trunc: "+2626396912",
        identity_key: "f17f22dda35e3f484d91a0d9196952d7cbad2e43c788ed0e93d10f9192085a02",
    },
    Vector {
        last_name: "Nguyễn",
        phone: "06 39 98 00 13",
        hashed: "+33639980013-NGUYEN",
        last_name_trunc: "NGU",
        phone_trunc: "+336399800",
        identity_key: "ab7509e06a3c1910f584b08f04b87fc36b8fedda674ac4da3fb9e030d0ac43cf",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The hashes are Python's.
    #[test]
    fn vectors_match_python_hashes() {
        for vector in VECTORS {
            let (name, phone) = (LastName::parse(vector.last_name).unwrap(), Phone::parse(vector.phone).unwrap());
            assert_eq!(format!("{}-{}", phone.as_str(), name.as_str()), vector.hashed);
            let truncated = truncated_identity(&name, &phone);
            assert_eq!(truncated.last_name_trunc.as_str(), vector.last_name_trunc);
            assert_eq!(truncated.phone_trunc.as_str(), vector.phone_trunc);
            assert_eq!(identity_key(&name, &phone).to_hex(), vector.identity_key, "{}", vector.hashed);
        }
    }

    #[test]
    fn invalid_last_name_is_rejected() {
        for bad in ["", " ", "-", "' -"] {
            assert_eq!(LastName::parse(bad), Err(NormaliseError::Empty), "{bad:?}");
        }
        // The last two begin with a Cyrillic and a Greek letter that look Latin.
        for bad in ["Дюпон", "李", "Martin2", "M@rtin", "Martin, Jean", "مارتن", "Аndré", "Αndré"] {
            assert_eq!(LastName::parse(bad), Err(NormaliseError::Name), "{bad:?}");
        }
    }

    #[test]
    fn debug_hides_personal_data() {
        assert_eq!(format!("{:?}", LastName::parse("Martin").unwrap()), "LastName(…)");
    }

    #[test]
    fn spellings_of_one_name_give_one_form() {
        let forms = [
            "d'hérug de l'hérault",
            "D’HÉRUG DE L’HÉRAULT",
            " D-Herug\u{a0}de  l´Herault ",
            "D\u{2bc}He\u{301}rug-de-l'He\u{301}rault",
            "Ｄ'Hérug de l'Hérault",
        ];
        for form in forms {
            assert_eq!(LastName::parse(form).unwrap().as_str(), "D HERUG DE L HERAULT", "{form}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_rejected_or_normal_after_one_pass(text in "\\PC{0,40}") {
            if let Ok(name) = LastName::parse(&text) {
                prop_assert!(LastName::parse(name.as_str()) == Ok(name.clone()));
                prop_assert!(LastNameTrunc::parse(name.truncated().as_str()).is_ok());
                prop_assert!(!name.as_str().starts_with(' ') && !name.as_str().contains("  "));
            }
        }

        #[test]
        fn any_latin_name_is_normalised(name in "[A-Za-zÀ-ÖØ-öø-ÿŒœŠšŽž]{1,20}") {
            prop_assert!(LastName::parse(&name).is_ok());
        }
    }
}
