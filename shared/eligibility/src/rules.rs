//! Every number of the scheme, as one value that configuration can replace.
//!
//! Windows are never stored: what is stored are dates, and a decision compares them with [`Cutoffs`] computed at the
//! moment of the call. When the law changes a window, no data changes.

use chrono::NaiveDate;

use crate::fields::{FieldError, JourneyType};
use crate::time::Instant;

/// The rules in force. [`Rules::default`] is what the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When the scheme runs.
    pub period: Period,
    /// Short distance. Source: sheet TRA-SE-115.
    pub short: CertificateRules,
    /// Long distance. Source: sheet TRA-SE-114.
    pub long: CertificateRules,
    /// Which journeys may carry a short application.
    pub journey: JourneyRules,
    /// Which calls are open at all.
    pub open: OpenCalls,
}

/// The period of the scheme: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment that counts. Default: 2023-01-01, midnight in Paris.
    pub start: Instant,
    /// The first moment that no longer counts; open (`None`) by default.
    pub end: Option<Instant>,
}

impl Period {
    /// Whether a moment lies in `[start, end)`.
    #[must_use]
    pub fn contains(&self, moment: Instant) -> bool {
        moment >= self.start && self.end.is_none_or(|end| moment < end)
    }
}

/// The rules of one of the two certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRules {
    /// For how many calendar years an earlier *standardized* application blocks. Default: 5 short, 12 long.
    pub standardized_years: u16,
    /// For how many calendar years an earlier *specific* application blocks. Default: 3 short, 10 long.
    pub specific_years: u16,
    /// A *specific* application dated before this blocks nothing. Default: 2020-01-01 short, 2015-01-01 long, midnight
    /// in Paris.
    pub specific_floor: Instant,
    /// How many days of 24 hours after the journey's end (short) or the date given (long) an application can be
    /// registered. Default: 7.
    pub delay_days: u16,
}

/// What a journey must be for a short application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyRules {
    /// The class of proof required. Default: `C`.
    pub operator_class: char,
    /// The greatest distance, in metres. Default: 80,000.
    pub max_distance_metres: u32,
    /// What the INSEE code of a place outside France begins with. Default: `99`.
    pub abroad_insee_prefix: &'static str,
}

/// Calls that the registry may switch off. All are open by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCalls {
    /// `POST /policies/cee/simulate`.
    pub simulate: bool,
    /// `POST /policies/cee`.
    pub register: bool,
    /// History and journey files.
    pub import: bool,
}

/// The dates at or after which an earlier application blocks a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoffs {
    /// For *standardized* applications.
    pub standardized: Instant,
    /// For *specific* applications; never before the floor.
    pub specific: Instant,
}

/// An application that comes before its delay has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooEarly {
    /// The first moment at which the call would be accepted.
    pub available_at: Instant,
}

impl Rules {
    /// The rules of one certificate.
    #[must_use]
    pub const fn of(&self, journey_type: JourneyType) -> &CertificateRules {
        match journey_type {
            JourneyType::Short => &self.short,
            JourneyType::Long => &self.long,
        }
    }

    /// What an application of this date is compared with. The only place that computes cut-offs: the stored condition
    /// and the decision in memory both take them from here.
    ///
    /// ```
    /// use cee_eligibility::{Instant, JourneyType, Rules};
    /// let new = Instant::parse("2024-03-15T07:30:00Z").unwrap();
    /// let short = Rules::default().cutoffs(JourneyType::Short, new);
    /// assert_eq!(short.standardized.to_string(), "2019-03-15T07:30:00.000Z");
    /// assert_eq!(short.specific.to_string(), "2021-03-15T07:30:00.000Z");
    /// // Ten years back lies before the floor of the long certificate.
    /// let long = Rules::default().cutoffs(JourneyType::Long, new);
    /// assert_eq!(long.specific.to_string(), "2014-12-31T23:00:00.000Z");
    /// ```
    #[must_use]
    pub fn cutoffs(&self, journey_type: JourneyType, new: Instant) -> Cutoffs {
        let rules = self.of(journey_type);
        Cutoffs {
            standardized: new.years_before(rules.standardized_years),
            specific: new.years_before(rules.specific_years).max(rules.specific_floor),
        }
    }

    /// Whether an application of this date can be registered yet. `datetime` is the journey's end (short) or the date
    /// given (long).
    ///
    /// # Errors
    /// [`TooEarly`] before the delay has passed; the moment it names is accepted.
    pub fn check_delay(&self, journey_type: JourneyType, datetime: Instant, now: Instant) -> Result<(), TooEarly> {
        let available_at = datetime.days_after(self.of(journey_type).delay_days);
        if now < available_at { Err(TooEarly { available_at }) } else { Ok(()) }
    }

    /// Whether the date of a long application lies in the period.
    ///
    /// # Errors
    /// [`FieldError::OutsidePeriod`] where it does not.
    pub fn check_period(&self, datetime: Instant) -> Result<(), FieldError> {
        if self.period.contains(datetime) { Ok(()) } else { Err(FieldError::OutsidePeriod) }
    }
}

impl Default for Rules {
    fn default() -> Self {
        let midnight = |year| {
            // These days exist and lie in range; the test below calls this.
            let day = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
            Instant::paris_midnight(day).unwrap_or_else(|_| unreachable!("the first of January has a midnight"))
        };
        Self {
            period: Period { start: midnight(2023), end: None },
            short: CertificateRules {
                standardized_years: 5,
                specific_years: 3,
                specific_floor: midnight(2020),
                delay_days: 7,
            },
            long: CertificateRules {
                standardized_years: 12,
                specific_years: 10,
                specific_floor: midnight(2015),
                delay_days: 7,
            },
            journey: JourneyRules { operator_class: 'C', max_distance_metres: 80_000, abroad_insee_prefix: "99" },
            open: OpenCalls { simulate: true, register: true, import: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    /// The rules table of the contract, line by line.
    #[test]
    fn the_defaults_are_the_contract() {
        let rules = Rules::default();
        assert_eq!(rules.period.start, at("2023-01-01T00:00:00+01:00"));
        assert_eq!(rules.period.end, None);
        assert_eq!((rules.short.standardized_years, rules.long.standardized_years), (5, 12));
        assert_eq!((rules.short.specific_years, rules.long.specific_years), (3, 10));
        assert_eq!(rules.short.specific_floor, at("2020-01-01T00:00:00+01:00"));
        assert_eq!(rules.long.specific_floor, at("2015-01-01T00:00:00+01:00"));
        assert_eq!((rules.short.delay_days, rules.long.delay_days), (7, 7));
        assert_eq!((rules.journey.operator_class, rules.journey.max_distance_metres), ('C', 80_000));
        assert_eq!(rules.journey.abroad_insee_prefix, "99");
        assert_eq!(rules.open, OpenCalls { simulate: true, register: true, import: true });
    }

    #[test]
    fn cutoffs_by_type_and_date() {
        let rules = Rules::default();
        let table = [
            // type, new, standardized, specific
            (JourneyType::Short, "2024-02-29T10:00:00Z", "2019-02-28T10:00:00Z", "2021-02-28T10:00:00Z"),
            (JourneyType::Long, "2024-02-29T10:00:00Z", "2012-02-29T10:00:00Z", "2014-12-31T23:00:00Z"),
            (JourneyType::Short, "2022-12-31T23:00:00Z", "2017-12-31T23:00:00Z", "2019-12-31T23:00:00Z"),
            (JourneyType::Short, "2022-12-31T22:59:59.999Z", "2017-12-31T22:59:59.999Z", "2019-12-31T23:00:00Z"),
            (JourneyType::Long, "2026-06-01T00:00:00Z", "2014-06-01T00:00:00Z", "2016-06-01T00:00:00Z"),
        ];
        for (journey_type, new, standardized, specific) in table {
            let expected = Cutoffs { standardized: at(standardized), specific: at(specific) };
            assert_eq!(rules.cutoffs(journey_type, at(new)), expected, "{journey_type} {new}");
        }
    }

    #[test]
    fn the_period_is_half_open_and_in_paris() {
        let mut period = Rules::default().period;
        assert!(!period.contains(at("2022-12-31T22:59:59.999Z")));
        assert!(period.contains(at("2022-12-31T23:00:00Z")), "New Year's Eve in UTC is New Year in Paris");
        assert!(period.contains(at("2999-01-01T00:00:00Z")));
        period.end = Some(at("2025-01-01T00:00:00+01:00"));
        assert!(period.contains(at("2024-12-31T22:59:59.999Z")));
        assert!(!period.contains(at("2024-12-31T23:00:00Z")));
        let rules = Rules { period, ..Rules::default() };
        assert_eq!(rules.check_period(at("2024-12-31T22:59:59.999Z")), Ok(()));
        assert_eq!(rules.check_period(at("2024-12-31T23:00:00Z")), Err(FieldError::OutsidePeriod));
    }

    #[test]
    fn the_delay_ends_at_the_moment_named() {
        let rules = Rules::default();
        for journey_type in JourneyType::ALL {
            let end = at("2024-03-28T12:00:00Z");
            let early = rules.check_delay(journey_type, end, at("2024-04-04T11:59:59.999Z")).unwrap_err();
            assert_eq!(early.available_at, at("2024-04-04T12:00:00Z"));
            assert_eq!(rules.check_delay(journey_type, end, early.available_at), Ok(()));
        }
    }
}
