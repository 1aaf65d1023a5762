//! The query of a list, read into types that hold no bad value.

use cee_edge::problem::{ApplicationKind, BrokenRule};
use cee_edge::{Fields, Query, Refusal};
use cee_eligibility::{Instant, JourneyStatus, JourneyType};
use cee_registry::{ListFilter, ListPlace, ListedDates, MOST_ON_A_PAGE};

/// The number of applications on a page if the call does not say.
pub(crate) const USUAL: usize = 100;

/// The parameters of the call.
const PARAMETERS: &[&str] =
    &["journey_type", "from", "to", "registered_from", "registered_to", "status", "cursor", "limit"];

/// A page of a list, as a call wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The filter of the list.
    pub filter: ListFilter,
    /// Where the page begins; `None`: the first page.
    pub after: Option<ListPlace>,
    /// The largest number of applications on the page.
    pub most: usize,
}

impl Wanted {
    /// Reads the query of a call. `place` reads a cursor of the caller's list with this filter.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuery`] with every fault.
    pub fn read(mut query: Query, place: impl FnOnce(&str, &ListFilter) -> Option<ListPlace>) -> Result<Self, Refusal> {
        let filter = filter(&mut query);
        let most = query.limit(MOST_ON_A_PAGE);
        let after = query.optional("cursor", |text| match &filter {
            Some(filter) => place(text, filter).map(Some).ok_or(BrokenRule::CursorOfFilter),
            // Without its filter a cursor cannot be checked, and the filter is refused anyway.
            None => Ok(None),
        });
        let read = filter.zip(after).zip(most);
        let read =
            read.map(|((filter, after), most)| Self { filter, after: after.flatten(), most: most.unwrap_or(USUAL) });
        query.finish(PARAMETERS, read)
    }

    /// The query of the next page. No character in it needs percent-encoding.
    #[must_use]
    pub fn next_query(&self, cursor: &str) -> String {
        let ListFilter { journey_type, status, dates, registered } = self.filter;
        let parameters = [
            ("journey_type", journey_type.map(|journey_type| journey_type.as_str().to_owned())),
            ("from", dates.from().map(|from| from.to_string())),
            ("to", dates.to().map(|to| to.to_string())),
            ("registered_from", registered.from().map(|from| from.to_string())),
            ("registered_to", registered.to().map(|to| to.to_string())),
            ("status", status.map(|status| status.as_str().to_owned())),
            ("limit", Some(self.most.to_string())),
            ("cursor", Some(cursor.to_owned())),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        given.collect::<Vec<_>>().join("&")
    }
}

/// The place of a filter: the query of a list, or the body of a call.
pub(crate) trait Given {
    /// Reads an optional value. `None`: it has a fault, which is noted.
    fn optional<T, E: Into<BrokenRule>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>>;

    /// Notes a fault of a value.
    fn fault(&mut self, name: &str, rule: BrokenRule);
}

/// Both places have methods of these names.
macro_rules! given {
    ($($place:ty),+) => {$(
        impl Given for $place {
            fn optional<T, E: Into<BrokenRule>>(
                &mut self,
                name: &str,
                parse: impl FnOnce(&str) -> Result<T, E>,
            ) -> Option<Option<T>> {
                Self::optional(self, name, parse)
            }

            fn fault(&mut self, name: &str, rule: BrokenRule) {
                Self::fault(self, name, rule);
            }
        }
    )+};
}

given!(Query, Fields);

/// Reads a filter. `None`: a part of it has a fault, which is noted.
pub(crate) fn filter(given: &mut impl Given) -> Option<ListFilter> {
    let journey_type = given.optional("journey_type", JourneyType::parse);
    let status = given.optional("status", status);
    if let (Some(Some(JourneyType::Long)), Some(Some(_))) = (journey_type, status) {
        given.fault("status", BrokenRule::Foreign(ApplicationKind::Long));
    }
    let dates = period(given, ["from", "to"]);
    let registered = period(given, ["registered_from", "registered_to"]);
    let (journey_type, status) = journey_type.zip(status)?;
    let (dates, registered) = dates.zip(registered)?;
    Some(ListFilter { journey_type, status, dates, registered })
}

/// The dates between two values, either of which may be missing. `None`: one of them has a fault, which is noted.
fn period(given: &mut impl Given, [from, to]: [&'static str; 2]) -> Option<ListedDates> {
    let (first, end) = given.optional(from, Instant::parse_bound).zip(given.optional(to, Instant::parse_bound))?;
    let dates = ListedDates::new(first, end);
    if dates.is_none() {
        given.fault(to, BrokenRule::After(from));
    }
    dates
}

/// A status in the words of the interface. `expired`, which files may hold, is not one of them.
fn status(text: &str) -> Result<JourneyStatus, BrokenRule> {
    let found = JourneyStatus::ALL.into_iter().find(|(_, word)| *word == text);
    found.map(|(status, _)| status).ok_or(BrokenRule::Status)
}
