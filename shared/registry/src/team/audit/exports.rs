//! Checks an export's item: whether its state has what belongs to it, and which objects on S3 it must have, and must not have.

use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::item::{Item, instant, integer, text};
use crate::records::export::{ExportRecord, ExportState, KEPT_DAYS, export_pieces, name, progress};
use crate::records::ids::ExportId;
use crate::team::audit::finding::Finding;

/// The days after its end within which an export's pieces are removed: by the invocation that ends it, or by the bucket's lifecycle rule,
/// which removes objects of a day, and takes a day or two to do it.
const CLEARED_DAYS: u16 = 4;

/// What an export says of objects on S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportObjects {
    /// The operator.
    pub operator: OperatorId,
    /// The export.
    pub id: ExportId,
    /// The key of its file, and until when it must be there.
    pub file: Option<(String, Instant)>,
    /// The prefix of the keys of its pieces, and from when on there must not be any.
    pub pieces: (String, Instant),
}

/// The findings about an export's item, and what it says of S3. An item that cannot be read says nothing.
pub(super) fn export_findings(item: &Item) -> (Vec<Finding>, Option<ExportObjects>) {
    let Some((operator, id)) = name(item) else {
        // The key may contain anything, but the operator's number is a number.
        let whose = integer(item, "operator_id").unwrap_or_default();
        return (vec![Finding::Unreadable("exports", format!("{whose}/of no name"))], None);
    };
    let unreadable = || (vec![Finding::Unreadable("exports", format!("{operator}/{id}"))], None);
    let (Ok(record), Ok(progress)) = (ExportRecord::of(item), progress(item)) else { return unreadable() };
    let moment = |name| integer(item, name).and_then(Instant::from_millis);
    let has = |name: &str| item.contains_key(name);
    let mut found = Vec::new();
    let mut wrong = |is_wrong: bool, what| {
        if is_wrong {
            found.push(Finding::ExportWrong(operator, id, what));
        }
    };
    let pieces = export_pieces(id);
    let (file, ended) = match text(item, "state").and_then(ExportState::parse) {
        Some(ExportState::Running) => {
            let alive_until = moment("alive_until");
            wrong(alive_until.is_none(), "is in progress, and does not say until when");
            wrong(has("ended_at") || has("bytes") || has("expires_at"), "is in progress, and has an end");
            (None, alive_until)
        }
        Some(ExportState::Ready) => {
            let expires_at = moment("expires_at");
            let has_end =
                expires_at.is_some() && instant(item, "ended_at").is_some() && integer(item, "bytes").is_some();
            wrong(!has_end, "is ready, and lacks a part of its end");
            wrong(!progress.is_read, "is ready, and its list was not read to the end");
            wrong(!progress.pieces.is_empty(), "is ready, and names pieces");
            wrong(has("worker") || has("leased_until"), "is ready, and is worked on");
            let ended = expires_at.map(|at| at.days_before(KEPT_DAYS));
            (expires_at.map(|until| (record.key(), until)), ended)
        }
        // The other states follow from the time, and no item holds them.
        _ => return unreadable(),
    };
    // Their lines would be in the operator's file.
    if progress.pieces.iter().any(|piece| !piece.starts_with(&pieces)) {
        found.push(Finding::Foreign(Some(operator), "pieces of another export"));
    }
    let objects =
        ended.map(|ended| ExportObjects { operator, id, file, pieces: (pieces, ended.days_after(CLEARED_DAYS)) });
    (found, objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::export::{ExportFormat, ExportProgress, stored};
    use crate::records::listed::ListFilter;
    use aws_sdk_dynamodb::types::AttributeValue;

    const NOW: &str = "2024-05-01T09:00:00Z";

    fn now() -> Instant {
        Instant::parse(NOW).unwrap()
    }

    fn record() -> ExportRecord {
        ExportRecord {
            id: ExportId::new(now(), 7),
            operator: OperatorId::new(12).unwrap(),
            format: ExportFormat::Csv,
            filter: ListFilter::default(),
            created_at: now(),
        }
    }

    #[test]
    fn objects_of_an_export_follow_its_state() {
        let record = record();
        let mut item = record.to_item(now());
        let (found, objects) = export_findings(&item);
        let objects = objects.unwrap();
        assert_eq!((found, objects.file, objects.pieces.0), (vec![], None, format!("export-work/{}/", record.id)));
        let end = ExportProgress { is_read: true, applications: 3, ..ExportProgress::default() };
        let millis = |at: Instant| AttributeValue::N(at.millis().to_string());
        item.insert("progress".to_owned(), stored(&end).unwrap());
        item.insert("state".to_owned(), AttributeValue::S("ready".to_owned()));
        item.insert("bytes".to_owned(), AttributeValue::N("9".to_owned()));
        item.insert("ended_at".to_owned(), millis(now()));
        item.insert("expires_at".to_owned(), millis(now().days_after(KEPT_DAYS)));
        let (found, objects) = export_findings(&item);
        assert_eq!(found, []);
        let objects = objects.unwrap();
        assert_eq!(objects.file, Some((record.key(), now().days_after(KEPT_DAYS))));
        assert_eq!(objects.pieces.1, now().days_after(CLEARED_DAYS));
    }
}
