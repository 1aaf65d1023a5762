//! Sample operators and journeys, with which you can get every response of the interface by hand.
//!
//! The drivers are invented: their phones lie in the blocks that the French regulator reserves for works of fiction, except the
//! overseas phone, because there is no such block overseas.

use cee_eligibility::{Instant, OperatorId, OperatorJourneyId, Siret};
use cee_registry::Operator;

/// Three operators.
///
/// # Panics
/// Never: the numbers are constants, and a test reads them.
#[must_use]
#[allow(clippy::expect_used)]
pub fn operators() -> Vec<Operator> {
    [(1, "Aller-Retour", "12000101100010"), (2, "Bon Voisinage", "12000202200021"), (3, "Cap Commun", "12000303300032")]
        .into_iter()
        .map(|(id, name, siret)| Operator {
            id: OperatorId::new(id).expect("a number"),
            name: name.to_owned(),
            siret: Siret::parse(siret).expect("14 digits"),
            suspended: false,
        })
        .collect()
}

/// The journeys as a file of the trip export. `now` dates the journey that is too recent to be used.
#[must_use]
pub fn journeys(now: Instant) -> String {
    let mut csv = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                   start_insee,end_insee,driver_phone_trunc,driver_identity_key,acquisition_status,fraud_status,\
                   anomaly_status\n"
        .to_owned();
    let today = now.to_string();
    let spring = ("2024-03-15T08:05:00+01:00", "2024-03-15T08:30:00+01:00");
    // operator, name, class, (start, end), metres, from, to, phone, statuses
    let rows = [
        (1, "ar:2024-03-15_0001", "C", spring, "14300", "35238", "35047", "+336399801", "processed,passed,passed"),
        (1, "ar:2024-03-15_0002", "C", spring, "14300", "35238", "35047", "+336399802", "processed,,"),
        (1, "ar:2024-03-15_0003", "C", spring, "14300", "35238", "35047", "+336399803", "processed,passed,failed"),
        (1, "ar:2024-03-15_0004", "C", spring, "14300", "35238", "35047", "+336399804", "processed,failed,passed"),
        (1, "ar:2024-03-15_0005", "C", spring, "14300", "35238", "35047", "+336399805", "canceled,,"),
        (1, "ar:class-b", "B", spring, "14300", "35238", "35047", "+336399806", "processed,passed,passed"),
        (1, "ar:too-far", "C", spring, "80001", "35238", "75056", "+336399807", "processed,passed,passed"),
        (1, "ar:abroad", "C", spring, "14300", "99140", "99137", "+336399808", "processed,passed,passed"),
        (
            1,
            "ar:before-the-scheme",
            "C",
            ("2022-12-31T08:05:00+01:00", "2022-12-31T08:30:00+01:00"),
            "14300",
            "35238",
            "35047",
            "+336399809",
            "processed,passed,passed",
        ),
        (
            1,
            "ar:everything-wrong",
            "A",
            ("2019-07-14T08:05:00+02:00", "2019-07-14T09:30:00+02:00"),
            "120000",
            "99140",
            "99137",
            "+336399810",
            "processed,passed,passed",
        ),
        (1, "ar:today", "C", (&today, &today), "14300", "35238", "35047", "+336399811", "processed,passed,passed"),
        // The driver of the first journey, on another platform; and one at home in La Réunion.
        (2, "bv_0001", "C", spring, "21000", "35238", "35047", "+336399801", "processed,passed,passed"),
        (2, "bv_0002", "C", spring, "9000", "97411", "97415", "+2626920102", "processed,passed,passed"),
        (3, "cc-0001", "C", spring, "52700", "67482", "99109", "+336399812", "processed,passed,passed"),
    ];
    for (number, (operator, name, class, (start, end), metres, from, to, phone, statuses)) in rows.iter().enumerate() {
        csv.push_str(&format!(
            "{},{operator},{name},{class},{start},{end},{metres},{from},{to},{phone},,{statuses}\n",
            1001 + number
        ));
    }
    csv
}

/// The operators and names of the journeys in such a file.
#[must_use]
pub fn names(file: &str) -> Vec<(OperatorId, OperatorJourneyId)> {
    let cells = file.lines().skip(1).map(|line| line.split(',').skip(1));
    let named = cells.filter_map(|mut cells| {
        let operator = OperatorId::parse(cells.next()?).ok()?;
        Some((operator, OperatorJourneyId::parse(cells.next()?).ok()?))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::Journey;
    use cee_history::{Dates, Line, Reader, survey};

    #[test]
    fn samples_are_read_without_rejection() {
        assert_eq!(operators().len(), 3);
        let now = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let verdict = survey::<Journey>(journeys(now).as_bytes(), Dates::Unconfirmed).unwrap();
        let mut reader = Reader::<Journey>::new(&verdict, now).unwrap();
        let mut lines = Vec::new();
        reader.push(journeys(now).as_bytes(), |line| lines.push(line));
        reader.finish(|line| lines.push(line));
        assert_eq!(lines.len(), 14);
        assert_eq!(names(&journeys(now)).len(), 14);
        assert!(lines.iter().all(|line| matches!(line, Line::Row { .. })), "{lines:?}");
    }
}
