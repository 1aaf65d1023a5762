//! Every number of the scheme, as one value that configuration can replace.
//!
//! A *window* is the number of calendar years for which an earlier application blocks a later one. Windows are never stored: dates are
//! stored, and a decision compares them with [`Cutoffs`] computed at the moment of the call. When the law changes a window, no data
//! changes.
//!
//! Source of every number: the contract, "Rules and their defaults". Each is also a parameter of `template.yaml`.

use chrono::NaiveDate;

use crate::error::FieldError;
use crate::fields::JourneyType;
use crate::time::Instant;

/// How far a client's clock may run ahead of the registry's: a moment this far in the future still counts as now. Source:
/// the contract, "30 s of leeway, as for tokens".
pub const CLOCK_LEEWAY_SECONDS: i64 = 30;

/// The largest number of dates of one driver (name and phone) in the history, of one operator and journey type. Source: the
/// contract, "History files".
pub const MOST_HISTORY_DATES: usize = 20;

/// The largest number of live applications that one operator has on one truncated identity, of one journey type. Identity keys
/// distinguish its drivers, so no window bounds their number; a hundred phones and a few names share a truncated identity. Source:
/// docs/adr/0036, for the contract's "no item grows without bound".
pub const MOST_APPLICATIONS: usize = 20;

/// Why the registry cannot store one more record of a driver. No retry changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The operator has reached the limit of dates of this driver in the history.
    #[error(
        "is one date too many: for one driver (name and phone) and journey type, the registry keeps at most {MOST_HISTORY_DATES} dates \
         from an operator. A name and a phone that many rows share are not one driver: correct or remove those rows"
    )]
    Dates,
    /// The operator has reached the limit of live applications on the truncated identity.
    #[error(
        "you have {MOST_APPLICATIONS} applications of this journey type for this name and truncated phone, and the registry keeps no \
         more: delete the wrong ones"
    )]
    Applications,
    /// The entries of all operators fill the registry's record of the driver.
    #[error("the registry's record of this driver is full, and a retry does not help: write to the registry's team")]
    Record,
}

/// The rules in force. [`Rules::default`] has the values of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Short distance. Source: sheet TRA-SE-115.
    pub short: CertificateRules,
    /// Long distance. Source: sheet TRA-SE-114.
    pub long: CertificateRules,
    /// Which journeys may carry a short application.
    pub journey: JourneyRules,
}

/// The period of one certificate's scheme: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment that counts. Default: 2023-01-01, midnight in Paris.
    pub start: Instant,
    /// The first moment after the period; open (`None`) by default.
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
    /// The period of the scheme.
    pub period: Period,
    /// History is dated before this: a later "specific" row would let any operator block any driver without a licence.
    /// Default: 2023-01-01, midnight in Paris.
    pub history_before: Instant,
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
    /// Which calls are open for this journey type.
    pub open: OpenCalls,
}

/// The conditions on a journey for a short application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyRules {
    /// The required class of proof. Default: `C`.
    pub operator_class: char,
    /// The greatest distance, in metres. Default: 80,000.
    pub max_distance_metres: u32,
    /// The prefix of the INSEE codes of places outside France. Default: `99`.
    pub abroad_insee_prefix: &'static str,
    /// The code that begins like one abroad and is France itself: INSEE's list of countries has it. Default: `99100`.
    pub france_insee: &'static str,
}

/// Calls that the registry may switch off for a journey type. All are open by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCalls {
    /// `POST /policies/cee/simulate`.
    pub simulate: bool,
    /// `POST /policies/cee`.
    pub register: bool,
    /// History, in files and in batches. Journey files are read unless both journey types are closed.
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

    /// Whether a call is open for any journey type; if not, it is closed altogether.
    ///
    /// ```
    /// use cee_eligibility::Rules;
    /// let mut rules = Rules::default();
    /// rules.long.open.register = false;
    /// assert!(rules.any_open(|open| open.register));
    /// rules.short.open.register = false;
    /// assert!(!rules.any_open(|open| open.register));
    /// ```
    #[must_use]
    pub fn any_open(&self, call: impl Fn(&OpenCalls) -> bool) -> bool {
        JourneyType::ALL.into_iter().any(|journey_type| call(&self.of(journey_type).open))
    }

    /// The dates with which an application of this date is compared: an earlier application blocks it on or after its cut-off. Only this
    /// function computes cut-offs: the stored condition and the decision in memory both use it.
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
    /// [`TooEarly`] before the delay has passed; the moment that it names is accepted.
    pub fn check_delay(&self, journey_type: JourneyType, datetime: Instant, now: Instant) -> Result<(), TooEarly> {
        let available_at = datetime.days_after(self.of(journey_type).delay_days);
        if now < available_at { Err(TooEarly { available_at }) } else { Ok(()) }
    }

    /// Whether a date lies in the period of a journey type.
    ///
    /// # Errors
    /// [`FieldError::OutsidePeriod`] if it does not.
    pub fn check_period(&self, journey_type: JourneyType, datetime: Instant) -> Result<(), FieldError> {
        if self.of(journey_type).period.contains(datetime) { Ok(()) } else { Err(FieldError::OutsidePeriod) }
    }

    /// Whether an application of this date can be history. If the journey type is unknown because that field has a fault, only a
    /// date that neither type accepts is an error.
    ///
    /// # Errors
    /// [`FieldError::InTheFuture`] after `now`, [`FieldError::NotHistory`] from the day on which the scheme began.
    pub fn check_history(
        &self,
        journey_type: Option<JourneyType>,
        datetime: Instant,
        now: Instant,
    ) -> Result<(), FieldError> {
        if datetime > now {
            return Err(FieldError::InTheFuture);
        }
        let before = match journey_type {
            Some(journey_type) => self.of(journey_type).history_before,
            None => self.short.history_before.max(self.long.history_before),
        };
        if datetime < before { Ok(()) } else { Err(FieldError::NotHistory { before: before.paris_day() }) }
    }

    /// Whether the registry currently accepts history of this journey type.
    ///
    /// # Errors
    /// [`FieldError::ImportClosed`] if not.
    pub fn check_import_open(&self, journey_type: JourneyType) -> Result<JourneyType, FieldError> {
        if self.of(journey_type).open.import { Ok(journey_type) } else { Err(FieldError::ImportClosed) }
    }

    /// The journey type, if the registry answers questions about it now.
    ///
    /// # Errors
    /// [`FieldError::SimulateClosed`] if not.
    pub fn check_simulate_open(&self, journey_type: JourneyType) -> Result<JourneyType, FieldError> {
        if self.of(journey_type).open.simulate { Ok(journey_type) } else { Err(FieldError::SimulateClosed) }
    }
}

/// Whether a driver can have signed at this moment: at most [`CLOCK_LEEWAY_SECONDS`] after `now`.
///
/// # Errors
/// [`FieldError::InTheFuture`] beyond that.
pub fn check_signed(signed: Instant, now: Instant) -> Result<(), FieldError> {
    if signed.millis() > now.millis() + CLOCK_LEEWAY_SECONDS * 1000 { Err(FieldError::InTheFuture) } else { Ok(()) }
}

impl Default for Rules {
    fn default() -> Self {
        let midnight = |year| {
            // These days exist and lie in range; the test below calls this.
            let day = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
            Instant::paris_midnight(day).unwrap_or_else(|_| unreachable!("the first of January has a midnight"))
        };
        let period = Period { start: midnight(2023), end: None };
        let open = OpenCalls { simulate: true, register: true, import: true };
        Self {
            short: CertificateRules {
                period,
                history_before: midnight(2023),
                standardized_years: 5,
                specific_years: 3,
                specific_floor: midnight(2020),
                delay_days: 7,
                open,
            },
            long: CertificateRules {
                period,
                history_before: midnight(2023),
                standardized_years: 12,
                specific_years: 10,
                specific_floor: midnight(2015),
                delay_days: 7,
                open,
            },
            journey: JourneyRules {
                operator_class: 'C',
                max_distance_metres: 80_000,
                abroad_insee_prefix: "99",
                france_insee: "99100",
            },
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
    fn default_rules_match_contract() {
        let rules = Rules::default();
        for journey_type in JourneyType::ALL {
            let of_type = rules.of(journey_type);
            assert_eq!(of_type.period, Period { start: at("2023-01-01T00:00:00+01:00"), end: None });
            assert_eq!(of_type.history_before, at("2023-01-01T00:00:00+01:00"));
            assert_eq!(of_type.open, OpenCalls { simulate: true, register: true, import: true });
        }
        assert_eq!(CLOCK_LEEWAY_SECONDS, 30);
        assert_eq!((rules.short.standardized_years, rules.long.standardized_years), (5, 12));
        assert_eq!((rules.short.specific_years, rules.long.specific_years), (3, 10));
        assert_eq!(rules.short.specific_floor, at("2020-01-01T00:00:00+01:00"));
        assert_eq!(rules.long.specific_floor, at("2015-01-01T00:00:00+01:00"));
        assert_eq!((rules.short.delay_days, rules.long.delay_days), (7, 7));
        assert_eq!((rules.journey.operator_class, rules.journey.max_distance_metres), ('C', 80_000));
        assert_eq!((rules.journey.abroad_insee_prefix, rules.journey.france_insee), ("99", "99100"));
    }

    #[test]
    fn cutoffs_depend_on_journey_type_and_date() {
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
    fn period_is_half_open_and_in_paris() {
        let mut period = Rules::default().short.period;
        assert!(!period.contains(at("2022-12-31T22:59:59.999Z")));
        assert!(period.contains(at("2022-12-31T23:00:00Z")), "New Year's Eve in UTC is New Year in Paris");
        assert!(period.contains(at("2999-01-01T00:00:00Z")));
        period.end = Some(at("2025-01-01T00:00:00+01:00"));
        assert!(period.contains(at("2024-12-31T22:59:59.999Z")));
        assert!(!period.contains(at("2024-12-31T23:00:00Z")));
    }

    #[test]
    fn each_journey_type_has_its_own_period() {
        let end = at("2024-06-26T00:00:00+02:00");
        for closed in JourneyType::ALL {
            let mut rules = Rules::default();
            let of_closed = if closed == JourneyType::Short { &mut rules.short } else { &mut rules.long };
            of_closed.period = Period { start: at("2023-07-01T00:00:00+02:00"), end: Some(end) };
            for journey_type in JourneyType::ALL {
                let expected = if journey_type == closed { Err(FieldError::OutsidePeriod) } else { Ok(()) };
                assert_eq!(rules.check_period(journey_type, end), expected, "{journey_type}");
                assert_eq!(rules.check_period(journey_type, at("2023-01-01T00:00:00Z")), expected, "{journey_type}");
                assert_eq!(rules.check_period(journey_type, at("2024-06-25T21:59:59.999Z")), Ok(()), "{journey_type}");
            }
        }
    }

    #[test]
    fn history_must_predate_its_bound_and_now() {
        let mut rules = Rules::default();
        rules.long.history_before = at("2024-01-01T00:00:00+01:00");
        let (last_short, last_long) = (at("2022-12-31T22:59:59.999Z"), at("2023-12-31T22:59:59.999Z"));
        let (first_short, first_long) = (at("2022-12-31T23:00:00Z"), at("2023-12-31T23:00:00Z"));
        let now = at("2024-05-01T00:00:00Z");
        let table = [
            (Some(JourneyType::Short), last_short, first_short),
            (Some(JourneyType::Long), last_long, first_long),
            // One of the two accepts it.
            (None, last_long, first_long),
        ];
        for (journey_type, last, first) in table {
            assert_eq!(rules.check_history(journey_type, last, now), Ok(()), "{journey_type:?}");
            let refused = rules.check_history(journey_type, first, now);
            assert_eq!(refused, Err(FieldError::NotHistory { before: first.paris_day() }), "{journey_type:?}");
        }
        let swapped = Rules { short: rules.long, long: rules.short, ..rules };
        assert_eq!(swapped.check_history(None, last_long, now), Ok(()));
        let now = at("2020-01-01T00:00:00Z");
        assert_eq!(swapped.check_history(None, now, now), Ok(()));
        let later = at("2020-01-01T00:00:00.001Z");
        assert_eq!(swapped.check_history(None, later, now), Err(FieldError::InTheFuture));
    }

    #[test]
    fn import_closes_for_one_journey_type_alone() {
        let mut rules = Rules::default();
        assert_eq!(rules.check_import_open(JourneyType::Short), Ok(JourneyType::Short));
        rules.short.open.import = false;
        assert_eq!(rules.check_import_open(JourneyType::Short), Err(FieldError::ImportClosed));
        assert_eq!(rules.check_import_open(JourneyType::Long), Ok(JourneyType::Long));
        assert!(rules.any_open(|open| open.import) && rules.any_open(|open| open.register));
        rules.long.open.import = false;
        assert!(!rules.any_open(|open| open.import) && rules.any_open(|open| open.simulate));
    }

    #[test]
    fn simulate_closes_for_one_journey_type_alone() {
        let mut rules = Rules::default();
        assert_eq!(rules.check_simulate_open(JourneyType::Long), Ok(JourneyType::Long));
        rules.long.open.simulate = false;
        assert_eq!(rules.check_simulate_open(JourneyType::Long), Err(FieldError::SimulateClosed));
        assert_eq!(rules.check_simulate_open(JourneyType::Short), Ok(JourneyType::Short));
    }

    #[test]
    fn signature_may_lie_in_the_future_by_the_leeway() {
        let now = at("2024-05-01T00:00:00Z");
        assert_eq!(check_signed(at("2024-05-01T00:00:30Z"), now), Ok(()));
        assert_eq!(check_signed(at("2024-05-01T00:00:30.001Z"), now), Err(FieldError::InTheFuture));
        assert_eq!(check_signed(at("2014-05-01T00:00:00Z"), now), Ok(()));
    }

    #[test]
    fn delay_ends_at_available_at() {
        let rules = Rules::default();
        for journey_type in JourneyType::ALL {
            let end = at("2024-03-28T12:00:00Z");
            let early = rules.check_delay(journey_type, end, at("2024-04-04T11:59:59.999Z")).unwrap_err();
            assert_eq!(early.available_at, at("2024-04-04T12:00:00Z"));
            assert_eq!(rules.check_delay(journey_type, end, early.available_at), Ok(()));
        }
    }
}
