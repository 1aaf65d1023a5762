//! Journeys that the registry knows, and which of them may carry a short application: class, distance, period, and a start or an end in
//! France. Source: the contract, "Rules and their defaults". The numbers are in [`crate::rules`].

use crate::error::FieldError;
use crate::fields::{IdentityKey, OperatorId, OperatorJourneyId};
use crate::identity::Identity;
use crate::phone::PhoneTrunc;
use crate::rules::{Period, Rules};
use crate::time::Instant;

/// One driver/passenger trip in the registry. Holds personal data of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The registry's number for it.
    pub journey_id: u64,
    /// The operator of the journey.
    pub operator: OperatorId,
    /// The operator's own id for it.
    pub operator_journey_id: OperatorJourneyId,
    /// The class of proof: `A`, `B` or `C`.
    pub operator_class: char,
    /// When it began.
    pub start: Instant,
    /// When it ended: the date of a short application.
    pub end: Instant,
    /// The journey's length in metres.
    pub distance_metres: u32,
    /// The INSEE code of the start.
    pub start_insee: Insee,
    /// The INSEE code of the end.
    pub end_insee: Insee,
    /// The driver's phone less two digits.
    pub driver_phone_trunc: PhoneTrunc,
    /// The driver's identity key, if the operator sent it with the journey.
    pub driver_identity_key: Option<IdentityKey>,
    /// The result of the registry's own checks.
    pub status: JourneyStatus,
}

/// The INSEE code of a place: five characters, `99…` abroad, `99100` for France itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insee(String);

impl Insee {
    /// Reads `^[0-9][0-9AB][0-9]{3}$`.
    ///
    /// # Errors
    /// [`FieldError::Insee`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        match text.as_bytes() {
            [a, b, c, d, e]
                if [a, c, d, e].into_iter().all(u8::is_ascii_digit) && (b.is_ascii_digit() || b"AB".contains(b)) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(FieldError::Insee),
        }
    }

    /// The five characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads an operator class.
///
/// # Errors
/// [`FieldError::OperatorClass`] for anything but `A`, `B` and `C`.
pub fn parse_operator_class(text: &str) -> Result<char, FieldError> {
    match text {
        "A" => Ok('A'),
        "B" => Ok('B'),
        "C" => Ok('C'),
        _ => Err(FieldError::OperatorClass),
    }
}

/// The result of the registry's checks of a journey, in the words of the public API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JourneyStatus {
    /// Every check passed.
    Ok,
    /// A check has not ended yet.
    Pending,
    /// It could not be acquired.
    AcquisitionError,
    /// It contradicts itself or another journey.
    AnomalyError,
    /// A fraud check failed.
    FraudError,
    /// It breaks the terms of use.
    TermsViolationError,
    /// The operator has cancelled the journey.
    Canceled,
    /// The result is unknown.
    Unknown,
}

impl JourneyStatus {
    /// Every status with its word.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Ok, "ok"),
        (Self::Pending, "pending"),
        (Self::AcquisitionError, "acquisition_error"),
        (Self::AnomalyError, "anomaly_error"),
        (Self::FraudError, "fraud_error"),
        (Self::TermsViolationError, "terms_violation_error"),
        (Self::Canceled, "canceled"),
        (Self::Unknown, "unknown"),
    ];

    /// The word of the public API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("unknown", |(_, word)| word)
    }

    /// The status of this word. `expired`, which the registry's database calls a journey that came too late, is
    /// `terms_violation_error` in the public API.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if word == "expired" {
            return Some(Self::TermsViolationError);
        }
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(status, _)| *status)
    }

    /// The status that the three columns of the trip export give together. `ok` needs all three checks passed; an empty column is a
    /// check that has not ended. A word of the public API in the first column stands for itself.
    ///
    /// Source: the public registry's journey status (OpenAPI 3.3, `status`), which it derives from the same three.
    ///
    /// # Errors
    /// [`FieldError::AcquisitionStatus`] or [`FieldError::CheckStatus`] with the number of the column (0 to 2) that holds
    /// an unknown word.
    pub fn derive(acquisition: &str, fraud: &str, anomaly: &str) -> Result<Self, (usize, FieldError)> {
        let check = |column: usize, word: &str| match word {
            "" | "pending" => Ok(None),
            "passed" => Ok(Some(true)),
            "failed" => Ok(Some(false)),
            _ => Err((column, FieldError::CheckStatus)),
        };
        let fraud = check(1, fraud)?;
        let anomaly = check(2, anomaly)?;
        match acquisition {
            "" => Ok(Self::Unknown),
            "failed" => Ok(Self::AcquisitionError),
            "received" | "updated" | "processed" => Ok(match (fraud, anomaly) {
                (Some(false), _) => Self::FraudError,
                (_, Some(false)) => Self::AnomalyError,
                (Some(true), Some(true)) if acquisition == "processed" => Self::Ok,
                _ => Self::Pending,
            }),
            word => Self::parse(word).ok_or((0, FieldError::AcquisitionStatus)),
        }
    }
}

/// A condition that a journey fails. Source: the rules table of the contract, "journey" and "period".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Criterion {
    /// The class of proof is not the one required.
    OperatorClass,
    /// It is longer than allowed.
    Distance,
    /// It neither starts nor ends in France.
    France,
    /// It does not start within the period.
    Period,
}

impl Criterion {
    /// Every criterion.
    pub const ALL: [Self; 4] = [Self::OperatorClass, Self::Distance, Self::France, Self::Period];

    /// The stable name used in responses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OperatorClass => "operator_class",
            Self::Distance => "distance",
            Self::France => "france",
            Self::Period => "period",
        }
    }

    pub(crate) fn english(self, rules: &Rules) -> String {
        match self {
            Self::OperatorClass => format!("the journey is not of class {}", rules.journey.operator_class),
            Self::Distance => format!("the journey is longer than {} metres", rules.journey.max_distance_metres),
            Self::France => "the journey neither starts nor ends in France".to_owned(),
            Self::Period => {
                let Period { start, end } = rules.short.period;
                match end {
                    Some(end) => format!("the journey does not start between {start} (included) and {end} (excluded)"),
                    None => format!("the journey starts before {start}"),
                }
            }
        }
    }
}

impl Journey {
    /// Every criterion that this journey fails; empty if it may carry an application.
    ///
    /// Source: the rules table of the contract: class `C`, at most 80,000 m, starts **or** ends in France, starts in the period.
    #[must_use]
    pub fn failed_criteria(&self, rules: &Rules) -> Vec<Criterion> {
        let abroad = |insee: &Insee| {
            let code = insee.as_str();
            code.starts_with(rules.journey.abroad_insee_prefix) && code != rules.journey.france_insee
        };
        let checks = [
            (Criterion::OperatorClass, self.operator_class == rules.journey.operator_class),
            (Criterion::Distance, self.distance_metres <= rules.journey.max_distance_metres),
            (Criterion::France, !abroad(&self.start_insee) || !abroad(&self.end_insee)),
            (Criterion::Period, rules.short.period.contains(self.start)),
        ];
        checks.into_iter().filter(|(_, holds)| !holds).map(|(criterion, _)| criterion).collect()
    }

    /// Whether an application with this identity matches the journey's driver: the same phone and, if the journey has an identity
    /// key, that key. This holds at registration; a journey that is corrected afterwards may differ.
    #[must_use]
    pub fn is_driven_by(&self, identity: &Identity) -> bool {
        self.driver_phone_trunc == identity.truncated.phone_trunc
            && self.driver_identity_key.as_ref().is_none_or(|key| identity.identity_keys.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::LastNameTrunc;
    use crate::identity::{IdentityKeys, TruncatedIdentity};
    use crate::language::Language;

    fn journey() -> Journey {
        Journey {
            journey_id: 1,
            operator: OperatorId::new(1).unwrap(),
            operator_journey_id: OperatorJourneyId::parse("j-1").unwrap(),
            operator_class: 'C',
            start: Instant::parse("2024-03-15T07:00:00Z").unwrap(),
            end: Instant::parse("2024-03-15T07:30:00Z").unwrap(),
            distance_metres: 80_000,
            start_insee: Insee::parse("75056").unwrap(),
            end_insee: Insee::parse("91377").unwrap(),
            driver_phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
            driver_identity_key: None,
            status: JourneyStatus::Ok,
        }
    }

    #[test]
    fn failed_criteria_lists_each_failed_criterion() {
        let rules = Rules::default();
        assert_eq!(journey().failed_criteria(&rules), []);
        let failed = |change: fn(&mut Journey)| {
            let mut journey = journey();
            change(&mut journey);
            journey.failed_criteria(&rules)
        };
        let mut without_long = rules.clone();
        without_long.long.period.end = Some(without_long.long.period.start);
        assert_eq!(journey().failed_criteria(&without_long), [], "a journey is short");
        let abroad = |j: &mut Journey| j.start_insee = Insee::parse("99132").unwrap();
        assert_eq!(failed(|j| j.operator_class = 'B'), [Criterion::OperatorClass]);
        assert_eq!(failed(|j| j.distance_metres = 80_001), [Criterion::Distance]);
        assert_eq!(failed(abroad), [], "starting or ending in France is enough");
        assert_eq!(failed(|j| j.end_insee = Insee::parse("99132").unwrap()), []);
        assert_eq!(
            failed(|j| {
                j.start_insee = Insee::parse("99132").unwrap();
                j.end_insee = Insee::parse("99131").unwrap();
            }),
            [Criterion::France]
        );
        let to_99100 = |j: &mut Journey| {
            j.start_insee = Insee::parse("99132").unwrap();
            j.end_insee = Insee::parse("99100").unwrap();
        };
        assert_eq!(failed(to_99100), [], "99100 is France itself");
        assert_eq!(
            failed(|j| {
                j.start_insee = Insee::parse("99101").unwrap();
                j.end_insee = Insee::parse("99109").unwrap();
            }),
            [Criterion::France],
            "its neighbours in the list are abroad"
        );
        assert_eq!(failed(|j| j.start = Instant::parse("2022-12-31T22:59:59.999Z").unwrap()), [Criterion::Period]);
        assert_eq!(
            failed(|j| {
                j.operator_class = 'A';
                j.distance_metres = 90_000;
                j.start_insee = Insee::parse("99132").unwrap();
                j.end_insee = Insee::parse("99131").unwrap();
                j.start = Instant::parse("2020-01-01T00:00:00Z").unwrap();
            }),
            [Criterion::OperatorClass, Criterion::Distance, Criterion::France, Criterion::Period]
        );
    }

    #[test]
    fn driver_matches_journey_by_phone_and_key() {
        let key = |letter: &str| IdentityKey::parse(&letter.repeat(64)).unwrap();
        let driver = |phone: &str, callers: Option<&str>, journeys: Option<&str>| Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: LastNameTrunc::parse("DUP").unwrap(),
                phone_trunc: PhoneTrunc::parse(phone).unwrap(),
            },
            driving_license: None,
            identity_keys: IdentityKeys::new(callers.map(key), journeys.map(key)),
        };
        let keyless = journey();
        assert!(keyless.is_driven_by(&driver("+336010203", None, None)));
        assert!(
            keyless.is_driven_by(&driver("+336010203", Some("a"), Some("b"))),
            "more is known than the journey says"
        );
        assert!(!keyless.is_driven_by(&driver("+336010204", None, None)));
        let keyed = Journey { driver_identity_key: Some(key("a")), ..journey() };
        for (callers, journeys, is_driver) in [
            (Some("a"), None, true),
            (None, Some("a"), true),
            (Some("b"), Some("a"), true),
            (Some("b"), None, false),
            (None, None, false),
        ] {
            assert_eq!(keyed.is_driven_by(&driver("+336010203", callers, journeys)), is_driver);
            assert!(!keyed.is_driven_by(&driver("+336010204", callers, journeys)));
        }
    }

    #[test]
    fn status_is_derived_from_acquisition_fraud_and_anomaly() {
        let table = [
            (("processed", "passed", "passed"), "ok"),
            (("processed", "", ""), "pending"),
            (("processed", "passed", ""), "pending"),
            (("received", "passed", "passed"), "pending"),
            (("processed", "failed", "failed"), "fraud_error"),
            (("processed", "passed", "failed"), "anomaly_error"),
            (("failed", "", ""), "acquisition_error"),
            (("canceled", "passed", "passed"), "canceled"),
            (("expired", "", ""), "terms_violation_error"),
            (("expired", "passed", "passed"), "terms_violation_error"),
            (("terms_violation_error", "", ""), "terms_violation_error"),
            (("ok", "", ""), "ok"),
            (("", "", ""), "unknown"),
        ];
        for ((acquisition, fraud, anomaly), expected) in table {
            let status = JourneyStatus::derive(acquisition, fraud, anomaly).unwrap();
            assert_eq!(status.as_str(), expected, "{acquisition} {fraud} {anomaly}");
            assert_eq!(JourneyStatus::parse(expected), Some(status));
        }
        assert_eq!(JourneyStatus::derive("done", "", ""), Err((0, FieldError::AcquisitionStatus)));
        assert_eq!(JourneyStatus::derive("processed", "perhaps", ""), Err((1, FieldError::CheckStatus)));
        assert_eq!(JourneyStatus::derive("processed", "", "perhaps"), Err((2, FieldError::CheckStatus)));
        // Journeys stored before `expired` was mapped are also read.
        assert_eq!(JourneyStatus::parse("expired"), Some(JourneyStatus::TermsViolationError));
    }

    /// The messages list exactly the accepted words.
    #[test]
    fn status_error_lists_accepted_words() {
        let listed = |error: FieldError| {
            let message = error.to_string();
            let words: Vec<String> = message.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            assert!(!words.is_empty(), "{message}");
            words
        };
        let acquisition = listed(FieldError::AcquisitionStatus);
        for word in &acquisition {
            assert!(JourneyStatus::derive(word, "", "").is_ok(), "{word}");
        }
        let known = JourneyStatus::ALL.map(|(_, word)| word);
        for word in known.into_iter().chain(["received", "updated", "processed", "failed", "expired"]) {
            assert!(acquisition.iter().any(|listed| listed == word), "{word} is read and not listed");
        }
        let check = listed(FieldError::CheckStatus);
        assert_eq!(check, ["passed", "failed", "pending"]);
        for word in check {
            assert!(JourneyStatus::derive("processed", &word, &word).is_ok(), "{word}");
        }
    }

    #[test]
    fn operator_class_is_a_b_or_c() {
        for good in ['A', 'B', 'C'] {
            assert_eq!(parse_operator_class(&good.to_string()), Ok(good));
        }
        for bad in ["", "D", "c", "AB"] {
            assert_eq!(parse_operator_class(bad), Err(FieldError::OperatorClass), "{bad}");
        }
    }

    #[test]
    fn criteria_have_names_and_messages() {
        assert_eq!(Criterion::ALL.map(Criterion::as_str), ["operator_class", "distance", "france", "period"]);
        let mut rules = Rules::default();
        let said = |rules: &Rules| Criterion::ALL.map(|criterion| criterion.message(rules, Language::English));
        assert_eq!(
            said(&rules),
            [
                "the journey is not of class C",
                "the journey is longer than 80000 metres",
                "the journey neither starts nor ends in France",
                "the journey starts before 2022-12-31T23:00:00.000Z",
            ]
        );
        rules.long.period.end = Some(Instant::parse("2024-06-26T00:00:00+02:00").unwrap());
        assert_eq!(said(&rules)[3], "the journey starts before 2022-12-31T23:00:00.000Z", "a journey is short");
        rules.short.period.end = Some(Instant::parse("2025-01-01T00:00:00+01:00").unwrap());
        let [.., period] = said(&rules);
        assert_eq!(
            period,
            "the journey does not start between 2022-12-31T23:00:00.000Z (included) and 2024-12-31T23:00:00.000Z (excluded)"
        );
    }

    #[test]
    fn insee_code_is_five_digits_or_corsican() {
        for good in ["75056", "2A004", "2B033", "97411", "99100"] {
            assert_eq!(Insee::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "7505", "750560", "A2004", "2C004", "75 56"] {
            assert_eq!(Insee::parse(bad), Err(FieldError::Insee), "{bad}");
        }
    }
}
