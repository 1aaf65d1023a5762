//! The rows of a journey file: the registry's own trip export. It is written by a machine, so dates are RFC 3339 only.

use cee_eligibility::journey::{Insee, parse_operator_class};
use cee_eligibility::{FieldError, IdentityKey, Journey, JourneyStatus, OperatorId, OperatorJourneyId};

use crate::cells::Cells;
use crate::column::Field;
use crate::context::Context;
use crate::date;
use crate::fault::Fault;
use crate::phone::phone;
use crate::repair::Repair;
use crate::row::Row;
use crate::strip::{bare, trim};

const END: usize = 5;
const STATUSES: [usize; 3] = [11, 12, 13];

impl Row for Journey {
    const FIELDS: &'static [Field] = &[
        Field::required("journey_id"),
        Field::required("operator_id"),
        Field::required("operator_journey_id"),
        Field::required("operator_class"),
        Field::required("start_datetime"),
        Field::required("end_datetime"),
        Field::required("distance"),
        Field::required("start_insee"),
        Field::required("end_insee"),
        Field::required("driver_phone_trunc"),
        Field::optional("driver_identity_key"),
        Field::required("acquisition_status"),
        Field::optional("fraud_status"),
        Field::optional("anomaly_status"),
    ];

    fn read(cells: &mut Cells<'_>) -> Option<Self> {
        let journey_id = cells.read(0, |text, context| number(text, context, FieldError::WholeNumber));
        let operator = cells.read(1, |text, context| Ok(OperatorId::parse(bare(text, &mut context.repairs)?)?));
        // The operator's own id for it: spaces may belong to it, so nothing is trimmed.
        let operator_journey_id = cells.read(2, |text, _| Ok(OperatorJourneyId::parse(text)?));
        let operator_class =
            cells.read(3, |text, context| Ok(parse_operator_class(bare(text, &mut context.repairs)?)?));
        let start = cells.read(4, date::exact);
        let end = cells.read(END, date::exact);
        let distance_metres = cells.read(6, |text, context| number(text, context, FieldError::Distance));
        let start_insee = cells.read(7, insee);
        let end_insee = cells.read(8, insee);
        let driver_phone_trunc = cells.read(9, phone);
        let driver_identity_key = cells.read(10, identity_key);
        let [acquisition, fraud, anomaly] = STATUSES.map(|column| cells.read(column, word).unwrap_or_default());
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            cells.fault(END, FieldError::EndBeforeStart.into());
        }
        let status = if acquisition.is_empty() {
            cells.fault(STATUSES[0], Fault::Empty);
            None
        } else {
            JourneyStatus::derive(&acquisition, &fraud, &anomaly)
                .map_err(|(column, fault)| cells.fault(STATUSES[column], fault.into()))
                .ok()
        };
        Some(Self {
            journey_id: journey_id?,
            operator: operator?,
            operator_journey_id: operator_journey_id?,
            operator_class: operator_class?,
            start: start?,
            end: end?,
            distance_metres: distance_metres?,
            start_insee: start_insee?,
            end_insee: end_insee?,
            driver_phone_trunc: driver_phone_trunc?,
            driver_identity_key: driver_identity_key?,
            status: status?,
        })
    }
}

/// Digits and nothing else: Rust would read `+5` too.
fn number<N: std::str::FromStr>(text: &str, context: &mut Context, fault: FieldError) -> Result<N, Fault> {
    let text = bare(text, &mut context.repairs)?;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(fault.into())
}

fn insee(text: &str, context: &mut Context) -> Result<Insee, Fault> {
    let text = bare(text, &mut context.repairs)?;
    if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        context.repairs.insert(Repair::InseeLostZero);
        return Ok(Insee::parse(&format!("0{text}"))?);
    }
    Ok(Insee::parse(text)?)
}

/// An identity key; an empty cell is none.
pub(crate) fn identity_key(text: &str, context: &mut Context) -> Result<Option<IdentityKey>, Fault> {
    match trim(text, &mut context.repairs) {
        "" => Ok(None),
        key => Ok(Some(IdentityKey::parse(key)?)),
    }
}

fn word(text: &str, context: &mut Context) -> Result<String, Fault> {
    Ok(trim(text, &mut context.repairs).to_owned())
}
