//! `POST /v3/policies/cee/batch`: up to a hundred registrations, each with the response of a single call, in their order.
//!
//! Some are registered at the same time, but two that may be about one driver, one journey or one idempotency key one after the other, as
//! they came. Which these are is read from the keys that their transactions would write ([`crate::order`]), so a batch that holds a driver
//! twice grants the first of the two. The tables decide in any case: no order of registrations grants a driver two certificates.
//!
//! Each registration counts as a call of its operator. When the operator's calls are used up in the middle of a batch, the others are
//! answered 429, and the client sends them again.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use cee_edge::body::SentRow;
use cee_edge::call::Part;
use cee_edge::problem::{InternalError, Malformed, Shape};
use cee_edge::{Call, Fields, HttpFunction as _, Refusal, Reply};
use cee_eligibility::{IdempotencyKey, Instant, JourneyType};
use cee_registry::StoredJourney;
use cee_service::trap;
use cee_tokens::Caller;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::body::Demand;
use crate::order::groups;
use crate::{Register, Sent};

/// The largest number of registrations in a batch.
pub const MOST: usize = 100;

/// The number of registrations of a batch that are under way at the same time.
const AT_ONCE: usize = 10;

/// The member of a registration in a batch that stands for the header of a single call.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// A registration of a batch.
struct Item {
    sent: Result<Sent, Refusal>,
    /// The journey of a short one, if it could be read.
    journey: Option<StoredJourney>,
    /// The keys of what it is about.
    keys: Vec<String>,
    /// Its members as they came, by which a test makes it panic. Personal data.
    members: Map<String, Value>,
}

impl Register {
    /// Answers a batch.
    pub(crate) async fn batch(&self, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
        let now = self.clock.now();
        let rows = Fields::rows(call.request(), MOST)?;
        let mut items = Vec::with_capacity(rows.len());
        for (index, row) in rows.into_iter().enumerate() {
            // The call itself has counted as the first.
            let counted = if index == 0 { Ok(()) } else { self.gate.count(caller, 1).await };
            items.push((counted, row));
        }
        let items = stream::iter(items).map(|(counted, row)| self.item(caller, counted, row, now));
        let mut items: Vec<Option<Item>> = items.buffered(AT_ONCE).map(Some).collect().await;
        let keys: Vec<Vec<String>> = items
            .iter_mut()
            .map(|item| item.as_mut().map(|item| std::mem::take(&mut item.keys)).unwrap_or_default())
            .collect();
        let mut grouped = Vec::new();
        for group in groups(&keys) {
            let of_group = group.into_iter().filter_map(|index| Some((index, items.get_mut(index)?.take()?)));
            grouped.push(of_group.collect::<Vec<_>>());
        }
        let answers = stream::iter(grouped).map(|group| async move {
            let mut answers = Vec::with_capacity(group.len());
            for (index, item) in group {
                answers.push((index, self.answer_item(call, caller, item, now).await));
            }
            answers
        });
        let mut answers: Vec<(usize, Part)> = answers.buffer_unordered(AT_ONCE).flat_map(stream::iter).collect().await;
        answers.sort_by_key(|(index, _)| *index);
        let written = written(answers.iter().map(|(_, answer)| answer));
        Ok(Reply::written(StatusCode::OK, written).in_language(call.language()))
    }

    /// Reads a registration, and the journey of a short one.
    async fn item(&self, caller: &Caller, counted: Result<(), Refusal>, row: SentRow, now: Instant) -> Item {
        let SentRow { sent: members, fields } = row;
        let mut item = Item { sent: Err(Refusal::Busy), journey: None, keys: Vec::new(), members };
        let sent = match (counted, fields) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), None) => Err(Refusal::MalformedBody(Malformed::Not(Shape::Object))),
            (Ok(()), Some(mut fields)) => {
                let key = fields.optional(IDEMPOTENCY_KEY, IdempotencyKey::parse).flatten();
                item.keys.extend(key.as_ref().map(|key| format!("request {}", key.as_str())));
                Ok(self.sent(caller, key.as_ref(), fields, now))
            }
        };
        match sent.as_ref().ok().and_then(|sent| sent.demand.as_ref().ok()) {
            Some(Demand::Long(long)) => {
                item.keys.extend(self.registrar.driver_keys(JourneyType::Long, &long.identity()));
            }
            Some(Demand::Short(short)) => {
                item.keys.push(format!("journey {}", short.operator_journey_id.as_str()));
                // If it cannot be read now, its registration reads it again, and answers what comes of it.
                item.journey =
                    self.journeys.find(caller.operator, &short.operator_journey_id).await.unwrap_or_default();
                if let Some(journey) = &item.journey {
                    let identity = short.identity(journey);
                    item.keys.extend(self.registrar.driver_keys(JourneyType::Short, &identity));
                }
            }
            None => {}
        }
        item.sent = sent;
        item
    }

    async fn answer_item(&self, call: &Call, caller: &Caller, item: Item, now: Instant) -> Part {
        let Item { sent, journey, members, .. } = item;
        let journey_type = sent.as_ref().ok().and_then(Sent::journey_type);
        let answer = async {
            trap::spring("item", || members.values().map(ToString::to_string).collect::<String>());
            let sent = sent?;
            // Too late to begin: nothing is written, and the response must still be sent.
            if call.deadline().has_passed() {
                return Err(Refusal::Busy);
            }
            self.answer_one((call, caller, now), sent, journey).await
        };
        // A panic concerns this registration alone.
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        let answer = answer.unwrap_or(Err(Refusal::Internal(InternalError::Panic)));
        if let Some(metric) = Self::counts(answer.as_ref().map_err(Refusal::problem_type)) {
            call.count(metric, 1);
        }
        self.tally.count(caller.operator, now, journey_type, &answer);
        call.part(answer)
    }
}

/// The responses as JSON. Each body is the body of a single call, byte for byte.
fn written<'a>(answers: impl Iterator<Item = &'a Part>) -> String {
    let mut json = "{\"answers\":[".to_owned();
    for (index, Part { status, retry_after, json: body }) in answers.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let wait = retry_after.map(|seconds| format!("\"retry_after\":{seconds},")).unwrap_or_default();
        let _ = write!(json, "{comma}{{\"status\":{},{wait}\"body\":{body}}}", status.as_u16());
    }
    json.push_str("]}");
    json
}
