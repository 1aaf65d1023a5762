//! The events that invoke the audit function: its schedule, and changes of the tables.

use cee_registry::{Affected, TableAuditor};
use serde::Deserialize;

/// An event of the schedule, or records of a DynamoDB stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AuditEvent {
    /// Empty for the schedule.
    #[serde(default, rename = "Records")]
    records: Vec<Record>,
}

#[derive(Clone, Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventSourceARN")]
    stream: String,
    dynamodb: Images,
}

/// The item before and after a change.
#[derive(Clone, Debug, Default, Deserialize)]
struct Images {
    #[serde(default, rename = "OldImage")]
    before: Option<serde_dynamo::Item>,
    #[serde(default, rename = "NewImage")]
    after: Option<serde_dynamo::Item>,
}

impl AuditEvent {
    /// The items that the changes may have damaged. `None`: the schedule invokes the function.
    pub(crate) fn affected(self, auditor: &TableAuditor) -> Option<Affected> {
        if self.records.is_empty() {
            return None;
        }
        let mut affected = Affected::default();
        for Record { stream, dynamodb: Images { before, after } } in self.records {
            let Some(table) = table(&stream) else { continue };
            for image in [before, after].into_iter().flatten() {
                auditor.add_affected(table, &image.into(), &mut affected);
            }
        }
        Some(affected)
    }
}

/// The table whose stream has this ARN: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`.
fn table(stream: &str) -> Option<&str> {
    let (_, after) = stream.split_once(":table/")?;
    after.split_once("/stream/").map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_arn_names_its_table() {
        let arn = "arn:aws:dynamodb:eu-west-3:123456789012:table/cee-claims/stream/2026-11-28T00:00:00.000";
        assert_eq!(table(arn), Some("cee-claims"));
        for other in ["arn:aws:sqs:eu-west-3:123456789012:queue", "arn:aws:dynamodb:eu-west-3:1:table/cee-claims"] {
            assert_eq!(table(other), None, "{other}");
        }
    }

    #[test]
    fn event_of_schedule_holds_no_records() {
        for event in [r#"{"detail-type":"Scheduled Event","resources":[]}"#, "{}", r#"{"Records":[]}"#] {
            assert!(serde_json::from_str::<AuditEvent>(event).unwrap().records.is_empty(), "{event}");
        }
    }
}
