//! The forms of a page: JSON, or CSV if the header `Accept` names `text/csv`.

use std::borrow::Cow;

use cee_edge::Refusal;
use cee_edge::accept::ranges;
use cee_edge::problem::InternalError;
use cee_eligibility::Language;
use cee_registry::ListedApplication;
use cee_service::spreadsheet::unlike_a_formula;
use http::HeaderMap;
use http::header::ACCEPT;

/// The form of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `text/csv`.
    Csv,
}

impl Format {
    /// The form that the caller wants: CSV if the caller names it and does not prefer JSON, or any type (RFC 9110). A type that the
    /// registry does not have, or `*/*` alone, means JSON.
    #[must_use]
    pub fn wanted(headers: &HeaderMap) -> Self {
        let (mut csv, mut json, mut any) = (0, None, 0);
        for (range, quality) in ranges(headers, &ACCEPT) {
            if range.eq_ignore_ascii_case("text/csv") {
                csv = quality;
            } else if range.eq_ignore_ascii_case("application/json") {
                json = Some(quality);
            } else if range == "*/*" {
                any = quality;
            }
        }
        let is_csv = json.map_or(csv > 0 && csv >= any, |json| csv > json);
        if is_csv { Self::Csv } else { Self::Json }
    }
}

/// A page as CSV: a header line, and a line for each application.
///
/// # Errors
/// [`Refusal::Internal`] for a page that cannot be written.
pub fn to_csv(applications: &[ListedApplication]) -> Result<String, Refusal> {
    written(ListedApplication::csv_table(applications, b',', |cell| cell))
}

/// The same for a person who opens it in Excel. A cell that begins like a formula has an apostrophe before it. The file begins with a byte
/// order mark, without which Excel reads UTF-8 as windows-1252, and has the separator that Excel expects in this language.
///
/// # Errors
/// As [`to_csv`].
pub fn to_csv_for_spreadsheet(applications: &[ListedApplication], language: Language) -> Result<String, Refusal> {
    let table = ListedApplication::csv_table(applications, language.choose(b',', b';'), |cell| {
        let guarded = match unlike_a_formula(&cell) {
            Cow::Owned(guarded) => Some(guarded),
            Cow::Borrowed(_) => None,
        };
        guarded.map_or(cell, Cow::Owned)
    });
    Ok(format!("\u{feff}{}", written(table)?))
}

fn written(csv: Option<String>) -> Result<String, Refusal> {
    csv.ok_or(Refusal::Internal(InternalError::Impossible("a page that cannot be written as CSV")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::answer::Entry;
    use cee_eligibility::{ApplicationId, DrivingLicense, Instant, JourneyStatus, JourneyType, OperatorJourneyId};
    use cee_registry::ListedJourney;

    #[test]
    fn csv_is_sent_to_callers_that_name_it() {
        for (accept, expected) in [
            (&[][..], Format::Json),
            (&[""], Format::Json),
            (&["*/*"], Format::Json),
            (&["text/*"], Format::Json),
            (&["application/json"], Format::Json),
            (&["text/html,application/xml;q=0.9,*/*;q=0.8"], Format::Json),
            (&["text/csv"], Format::Csv),
            (&["Text/CSV; charset=utf-8; header=present"], Format::Csv),
            (&["text/csv, */*"], Format::Csv),
            (&["*/*;q=0.8, text/csv;q=0.9"], Format::Csv),
            (&["text/csv;q=0.8, */*;q=0.9"], Format::Json),
            (&["text/csv;q=0.8, */*;q=0.9, application/json;q=0.1"], Format::Csv),
            (&["text/csv;"], Format::Csv),
            (&["text/csv; ; header=present"], Format::Csv),
            (&["text/csv;q=0.5"], Format::Csv),
            (&["application/json;q=0.5, text/csv;q=0.6"], Format::Csv),
            (&["application/json", "text/csv"], Format::Json),
            (&["application/json;q=0.5", "text/csv"], Format::Csv),
            (&["application/json, text/csv;q=0.9"], Format::Json),
            (&["text/csv;q=0"], Format::Json),
            (&["text/csv;Q=0"], Format::Json),
            (&["text/csv;q=high"], Format::Json),
            (&["text/csvx"], Format::Json),
            (&["text/csv;q=NaN"], Format::Json),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            assert_eq!(Format::wanted(&headers), expected, "{accept:?}");
        }
    }

    fn application(journey: Option<&str>, license: &str) -> ListedApplication {
        let at = |text| Instant::parse(text).unwrap();
        ListedApplication {
            uuid: ApplicationId::parse("1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b").unwrap(),
            journey_type: if journey.is_some() { JourneyType::Short } else { JourneyType::Long },
            datetime: at("2024-03-15T07:30:00Z"),
            registered_at: at("2024-05-01T00:00:00Z"),
            driving_license: DrivingLicense::parse(license).unwrap(),
            journey: journey.map(|id| ListedJourney {
                operator_journey_id: OperatorJourneyId::parse(id).unwrap(),
                journey_id: 1001,
                status: JourneyStatus::Ok,
            }),
            token: "a.b.c".to_owned(),
        }
    }

    #[test]
    fn cells_with_separators_stay_under_their_columns() {
        let ids = ["a,b", "a\"b", "\"\"", "=1+1", " a ", "a;b\u{e9}", "'"];
        let mut entries: Vec<ListedApplication> = ids.iter().map(|id| application(Some(id), "051227308989")).collect();
        entries.push(application(None, "99-\u{c9}TRANGER"));
        let written = to_csv(&entries).unwrap();
        assert!(!written.contains('\r'));
        let mut reader = csv::Reader::from_reader(written.as_bytes());
        assert_eq!(reader.headers().unwrap(), ListedApplication::COLUMNS.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), entries.len());
        for (row, id) in rows.iter().zip(ids) {
            let expected = [
                "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b",
                "short",
                "2024-03-15T07:30:00.000Z",
                "2024-05-01T00:00:00.000Z",
                "1001",
                id,
                "ok",
                "051227308989",
                "a.b.c",
            ];
            assert_eq!(row, expected.as_slice());
        }
        let long: Vec<&str> = rows[ids.len()].iter().skip(4).collect();
        assert_eq!(long, ["", "", "", "99-\u{c9}TRANGER", "a.b.c"]);
    }

    #[test]
    fn cells_like_formulas_are_guarded_for_a_spreadsheet_alone() {
        let ids = ["=1+1", "+1", "-nano_id", "@SUM(A1)", "a=1", " =1", "'=1"];
        let shown = ["'=1+1", "'+1", "'-nano_id", "'@SUM(A1)", "a=1", " =1", "'=1"];
        let entries: Vec<ListedApplication> = ids.iter().map(|id| application(Some(id), "051227308989")).collect();
        let column = |csv: String| -> Vec<String> {
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            reader.records().map(|row| row.unwrap()[5].to_owned()).collect()
        };
        assert_eq!(column(to_csv(&entries).unwrap()), ids);
        assert_eq!(column(to_csv_for_spreadsheet(&entries, Language::English).unwrap()), shown);
    }

    #[test]
    fn empty_page_is_a_header_line() {
        assert_eq!(to_csv(&[]).unwrap(), format!("{}\n", ListedApplication::COLUMNS.join(",")));
    }

    #[test]
    fn columns_are_the_members_of_json() {
        let json = serde_json::to_string(&Entry::from(application(Some("j"), "051227308989"))).unwrap();
        let places: Vec<usize> =
            ListedApplication::COLUMNS.map(|column| json.find(&format!("\"{column}\":")).unwrap()).into();
        assert!(places.is_sorted(), "{json}");
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(members.len(), ListedApplication::COLUMNS.len());
    }
}
