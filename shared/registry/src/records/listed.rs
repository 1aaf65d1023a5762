//! A registered application as a list shows it, what a list is limited to, and the place where it continues.

use std::borrow::Cow;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::{
    ApplicationId, DrivingLicense, Instant, JourneyStatus, JourneyType, OperatorId, OperatorJourneyId,
};
use serde::{Deserialize, Serialize};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, date, instant, number, text};
use crate::records::application::{StoredToken, corrupt};
use crate::records::claim_keys::{ClaimKeys, SIGNATURE};

/// A registered application, as a list of its operator's applications shows it. Holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedApplication {
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// The journey type, which is also the type of the certificate.
    pub journey_type: JourneyType,
    /// The journey's end (short) or the day the costs were shared (long).
    pub datetime: Instant,
    /// The date of the registration.
    pub registered_at: Instant,
    /// The driving licence, in the form in which it was registered and signed.
    pub driving_license: DrivingLicense,
    /// The journey of a short application.
    pub journey: Option<ListedJourney>,
    /// The proof, exactly as the registry returned it.
    pub token: String,
}

/// The journey of a short application, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedJourney {
    /// The operator's ID of the journey.
    pub operator_journey_id: OperatorJourneyId,
    /// The registry's number of the journey.
    pub journey_id: u64,
    /// The result of the registry's checks.
    pub status: JourneyStatus,
}

/// The attributes that the index holds.
#[derive(Deserialize)]
struct Stored {
    uuid: String,
    journey_type: String,
    datetime: i64,
    registered_at: i64,
    driving_license: String,
    #[serde(default)]
    operator_journey_id: Option<String>,
    #[serde(default)]
    journey_id: Option<u64>,
    #[serde(default)]
    status: Option<String>,
    token: StoredToken,
}

impl ListedApplication {
    /// The columns of a list in CSV, and of an export.
    pub const COLUMNS: [&str; 9] = [
        "uuid",
        "journey_type",
        "datetime",
        "registered_at",
        "journey_id",
        "operator_journey_id",
        "status",
        "driving_license",
        "token",
    ];

    /// The header line of CSV.
    #[must_use]
    pub fn csv_header() -> String {
        format!("{}\n", Self::COLUMNS.join(","))
    }

    /// Applications as rows of CSV (RFC 4180) in UTF-8, without a header line. Lines end in LF, as in the rejected files: with CRLF,
    /// line-based tools would take a CR for the end of the token. `None` if they cannot be written, which is impossible in memory.
    #[must_use]
    pub fn csv_rows(applications: &[Self]) -> Option<String> {
        Self::written(csv::Writer::from_writer(Vec::new()), applications, |cell| cell)
    }

    /// A header line and rows as [`Self::csv_rows`], with this separator and with each cell as `shown` returns it.
    #[must_use]
    pub fn csv_table(
        applications: &[Self],
        separator: u8,
        shown: impl Fn(Cow<'_, str>) -> Cow<'_, str>,
    ) -> Option<String> {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(Self::COLUMNS).ok()?;
        Self::written(writer, applications, shown)
    }

    fn written(
        mut writer: csv::Writer<Vec<u8>>,
        applications: &[Self],
        shown: impl Fn(Cow<'_, str>) -> Cow<'_, str>,
    ) -> Option<String> {
        for application in applications {
            let cells = application.cells().map(&shown);
            writer.write_record(cells.iter().map(|cell| cell.as_bytes())).ok()?;
        }
        String::from_utf8(writer.into_inner().ok()?).ok()
    }

    /// Its cells, under [`Self::COLUMNS`]; empty if the application has no such value.
    fn cells(&self) -> [Cow<'_, str>; 9] {
        let journey = self.journey.as_ref();
        [
            self.uuid.to_string().into(),
            self.journey_type.as_str().into(),
            self.datetime.to_string().into(),
            self.registered_at.to_string().into(),
            journey.map(|journey| journey.journey_id.to_string()).unwrap_or_default().into(),
            journey.map(|journey| journey.operator_journey_id.as_str()).unwrap_or_default().into(),
            journey.map(|journey| journey.status.as_str()).unwrap_or_default().into(),
            self.driving_license.as_str().into(),
            self.token.as_str().into(),
        ]
    }

    pub(crate) fn from_item(item: Item) -> Result<Self, StoreError> {
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        let instant = |millis| Instant::from_millis(millis).ok_or(corrupt("a date"));
        let journey = match (stored.operator_journey_id, stored.journey_id, stored.status) {
            (Some(operator_journey_id), Some(journey_id), Some(status)) => Some(ListedJourney {
                operator_journey_id: OperatorJourneyId::parse(&operator_journey_id)
                    .map_err(|_| corrupt("operator_journey_id"))?,
                journey_id,
                status: JourneyStatus::parse(&status).ok_or(corrupt("status"))?,
            }),
            (None, None, None) => None,
            _ => return Err(corrupt("half a journey")),
        };
        Ok(Self {
            uuid: ApplicationId::parse(&stored.uuid).ok_or(corrupt("uuid"))?,
            journey_type: JourneyType::parse(&stored.journey_type).map_err(|_| corrupt("journey_type"))?,
            datetime: instant(stored.datetime)?,
            registered_at: instant(stored.registered_at)?,
            driving_license: DrivingLicense::from_stored(&stored.driving_license)
                .map_err(|_| corrupt("driving_license"))?,
            journey,
            token: stored.token.to_text(),
        })
    }

    /// The place right after this application.
    pub(crate) const fn place(&self) -> ListPlace {
        ListPlace { datetime: self.datetime, uuid: self.uuid }
    }
}

/// The dates that a list is limited to: a first moment, and the first moment after the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListedDates {
    from: Option<Instant>,
    to: Option<Instant>,
}

impl ListedDates {
    /// Before every bound that an [`Instant`] holds: the millisecond before the year 0. So the first millisecond never comes after the last
    /// one, which DynamoDB refuses.
    const EARLIEST: i64 = -62_167_219_200_001;

    /// After every bound that an [`Instant`] holds: the year 10000.
    const LATEST: i64 = 253_402_300_800_000;

    /// From one moment on, and before another; `None` if no moment is both.
    #[must_use]
    pub fn new(from: Option<Instant>, to: Option<Instant>) -> Option<Self> {
        let is_empty = from.zip(to).is_some_and(|(from, to)| from >= to);
        (!is_empty).then_some(Self { from, to })
    }

    /// Dates of an item: those of an export may hold no moment, if it asked for registrations of the future.
    pub(crate) const fn of_item(from: Option<Instant>, to: Option<Instant>) -> Self {
        Self { from, to }
    }

    /// The first moment.
    #[must_use]
    pub const fn from(&self) -> Option<Instant> {
        self.from
    }

    /// The first moment after the last.
    #[must_use]
    pub const fn to(&self) -> Option<Instant> {
        self.to
    }

    /// Whether this moment is one of them.
    fn hold(self, moment: Instant) -> bool {
        let [first, last] = self.millis();
        (first..=last).contains(&moment.millis())
    }

    /// The first and the last millisecond.
    pub(crate) fn millis(self) -> [i64; 2] {
        [self.from.map_or(Self::EARLIEST, Instant::millis), self.to.map_or(Self::LATEST, Instant::millis) - 1]
    }
}

/// The filter of a list of applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// One journey type.
    pub journey_type: Option<JourneyType>,
    /// One status of the journey. Long applications have none.
    pub status: Option<JourneyStatus>,
    /// Dates of applications.
    pub dates: ListedDates,
    /// Dates of registrations.
    pub registered: ListedDates,
}

impl ListFilter {
    /// The same filter, but nothing that was registered after this moment.
    #[must_use]
    pub fn registered_until(self, moment: Instant) -> Self {
        let end = Instant::from_millis(moment.millis() + 1).unwrap_or(moment);
        let to = Some(self.registered.to.map_or(end, |to| to.min(end)));
        Self { registered: ListedDates { to, ..self.registered }, ..self }
    }

    /// Whether it leaves out some of the applications between its dates, for which the index has no key.
    pub(crate) const fn leaves_out(&self) -> bool {
        let registered = self.registered.from.is_some() || self.registered.to.is_some();
        self.journey_type.is_some() || self.status.is_some() || registered
    }

    /// Whether a list shows this application, if its date is between the dates.
    pub(crate) fn shows(&self, application: &ListedApplication) -> bool {
        let status = application.journey.as_ref().map(|journey| journey.status);
        self.journey_type.is_none_or(|journey_type| journey_type == application.journey_type)
            && (self.status.is_none() || self.status == status)
            && self.registered.hold(application.registered_at)
    }
}

/// The place where a list continues: right after an application, whether it still exists or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(i64, String)", try_from = "(i64, String)")]
pub struct ListPlace {
    datetime: Instant,
    uuid: ApplicationId,
}

impl ListPlace {
    /// The bytes of a place without its signature.
    const BYTES: usize = 24;

    /// The number of characters of a cursor.
    pub const CURSOR_LENGTH: usize = 54;

    /// The cursor of this place in a list of this operator with this filter. The registry accepts it for no other operator and no other
    /// filter.
    #[must_use]
    pub fn cursor(&self, keys: &ClaimKeys, operator: OperatorId, filter: &ListFilter) -> String {
        let place = self.to_bytes();
        let mut cursor = place.to_vec();
        cursor.extend(signature(keys, operator, filter, &place));
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// Reads what [`Self::cursor`] writes for the same operator and filter; `None` for every other text.
    #[must_use]
    pub fn of_cursor(text: &str, keys: &ClaimKeys, operator: OperatorId, filter: &ListFilter) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, signed) = bytes.split_first_chunk::<{ Self::BYTES }>()?;
        verify_slices_are_equal(signed, &signature(keys, operator, filter, place)).ok()?;
        let (datetime, uuid) = place.split_first_chunk::<8>()?;
        Some(Self {
            datetime: Instant::from_millis(i64::from_be_bytes(*datetime))?,
            uuid: ApplicationId::from_bytes(uuid.try_into().ok()?),
        })
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (datetime, uuid) = bytes.split_at_mut(8);
        datetime.copy_from_slice(&self.datetime.millis().to_be_bytes());
        uuid.copy_from_slice(self.uuid.as_bytes());
        bytes
    }

    /// The place after the item with this key of the index.
    pub(crate) fn of_key(key: &Item) -> Result<Self, StoreError> {
        let uuid = text(key, "uuid").and_then(ApplicationId::parse).ok_or(corrupt("uuid"))?;
        Ok(Self { datetime: instant(key, "datetime").ok_or(corrupt("datetime"))?, uuid })
    }

    /// The key of the index, which holds the key of the table too.
    pub(crate) fn to_key(self, operator: OperatorId) -> Item {
        let attributes = [
            ("operator_id", number(i64::from(operator.get()))),
            ("datetime", date(self.datetime)),
            ("uuid", AttributeValue::S(self.uuid.to_string())),
        ];
        attributes.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// For a checkpoint.
impl From<ListPlace> for (i64, String) {
    fn from(place: ListPlace) -> Self {
        (place.datetime.millis(), place.uuid.to_string())
    }
}

impl TryFrom<(i64, String)> for ListPlace {
    type Error = &'static str;

    fn try_from((datetime, uuid): (i64, String)) -> Result<Self, &'static str> {
        let datetime = Instant::from_millis(datetime).ok_or("a place without a date")?;
        Ok(Self { datetime, uuid: ApplicationId::parse(&uuid).ok_or("a place without a UUID")? })
    }
}

/// The signature of a place: a keyed hash of the place, its operator and its filter.
fn signature(keys: &ClaimKeys, operator: OperatorId, filter: &ListFilter, place: &[u8]) -> [u8; SIGNATURE] {
    let ListFilter { journey_type, status, dates, registered } = filter;
    let [[first, last], [first_registered, last_registered]] = [dates, registered].map(|dates| dates.millis());
    keys.sign(&[
        b"list of applications",
        &operator.get().to_be_bytes(),
        journey_type.map_or("", JourneyType::as_str).as_bytes(),
        status.map_or("", JourneyStatus::as_str).as_bytes(),
        &first.to_be_bytes(),
        &last.to_be_bytes(),
        &first_registered.to_be_bytes(),
        &last_registered.to_be_bytes(),
        place,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn operator(number: u32) -> OperatorId {
        OperatorId::new(number).unwrap()
    }

    #[test]
    fn dates_without_a_moment_between_them_are_none() {
        let (one, other) = (at("2024-03-15T00:00:00Z"), at("2024-03-15T00:00:00.001Z"));
        assert_eq!(ListedDates::new(Some(one), Some(other)).unwrap().millis(), [one.millis(), one.millis()]);
        assert_eq!(ListedDates::new(Some(one), Some(one)), None);
        assert_eq!(ListedDates::new(Some(other), Some(one)), None);
        let ends = ["0000-01-01", "9999-12-31T23:59:60Z"].map(|text| Instant::parse_bound(text).unwrap());
        for dates in [ListedDates::default(), ListedDates::new(None, None).unwrap()] {
            let [first, last] = dates.millis();
            assert!(first <= ends[0].millis() && ends[1].millis() <= last, "{first} {last}");
        }
        for dates in [ListedDates::new(None, Some(ends[0])), ListedDates::new(Some(ends[1]), None)] {
            let [first, last] = dates.unwrap().millis();
            assert!(first <= last, "{first} {last}");
        }
        let [first, last] = ListedDates::new(Some(one), None).unwrap().millis();
        assert!(first == one.millis() && last >= ends[1].millis());
        let [first, last] = ListedDates::new(None, Some(one)).unwrap().millis();
        assert!(first <= ends[0].millis() && last == one.millis() - 1);
    }

    #[test]
    fn cursor_is_good_for_its_operator_and_its_filter_alone() {
        let keys = ClaimKeys::new(&[7; 32]).unwrap();
        let uuid = ApplicationId::parse("1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b").unwrap();
        let place = ListPlace { datetime: at("2024-03-15T07:30:00Z"), uuid };
        let filter = ListFilter::default();
        let cursor = place.cursor(&keys, operator(1), &filter);
        assert_eq!(cursor.len(), ListPlace::CURSOR_LENGTH);
        assert_eq!(ListPlace::of_cursor(&cursor, &keys, operator(1), &filter), Some(place));
        assert_eq!(ListPlace::of_cursor(&cursor, &keys, operator(2), &filter), None);
        let other_pepper = ClaimKeys::new(&[8; 32]).unwrap();
        assert_eq!(ListPlace::of_cursor(&cursor, &other_pepper, operator(1), &filter), None);
        let dates = |from, to| ListFilter { dates: ListedDates::new(from, to).unwrap(), ..filter };
        let registered = |from, to| ListFilter { registered: ListedDates::new(from, to).unwrap(), ..filter };
        let others = [
            ListFilter { journey_type: Some(JourneyType::Short), ..filter },
            ListFilter { journey_type: Some(JourneyType::Long), ..filter },
            ListFilter { status: Some(JourneyStatus::Ok), ..filter },
            ListFilter { status: Some(JourneyStatus::Pending), ..filter },
            dates(Some(place.datetime), None),
            dates(None, Some(at("2025-01-01T00:00:00Z"))),
            registered(Some(place.datetime), None),
            registered(None, Some(at("2025-01-01T00:00:00Z"))),
        ];
        for other in others {
            assert_eq!(ListPlace::of_cursor(&cursor, &keys, operator(1), &other), None, "{other:?}");
            let its = place.cursor(&keys, operator(1), &other);
            assert_eq!(ListPlace::of_cursor(&its, &keys, operator(1), &other), Some(place), "{other:?}");
        }
    }

    #[test]
    fn cursor_with_any_change_is_refused() {
        let keys = ClaimKeys::new(&[7; 32]).unwrap();
        let place = ListPlace { datetime: at("2024-03-15T07:30:00Z"), uuid: ApplicationId::from_bytes([9; 16]) };
        let filter = ListFilter::default();
        let cursor = place.cursor(&keys, operator(1), &filter);
        let read = |text: &str| ListPlace::of_cursor(text, &keys, operator(1), &filter);
        for position in 0..cursor.len() {
            for other in ["A", "B", "-", "_", "9", "=", "+", " "] {
                let mut changed = cursor.clone();
                changed.replace_range(position..=position, other);
                assert!(changed == cursor || read(&changed).is_none(), "{position} {other}");
            }
            assert_eq!(read(&cursor[..position]), None, "{position}");
        }
        for longer in [format!("{cursor}A"), format!("{cursor}AA"), format!("{cursor}="), format!("{cursor}{cursor}")] {
            assert_eq!(read(&longer), None, "{longer}");
        }
        assert_eq!(read(&place.datetime.to_string()), None);
    }
}
