//! The audit function: checks the tables, the reports and the exports against the invariants of the claim protocol (docs/reliability.md), and reports
//! findings in metrics and in the log. It repairs nothing.
//!
//! | to find | look in |
//! |---|---|
//! | which parts are checked, and how the command and this function go through them | [`auditor`] |
//! | what invokes the function | [`event`] |
//! | how the bucket is read and written | `bucket` |
//! | damage that changes of the tables left behind | `damage` |
//! | what is wrong with an item of a table | `cee_registry::team::audit` |
//!
//! Two things invoke the function. The streams of the tables of claims, applications, journeys and changes invoke it with what changed: it checks
//! those items within minutes (docs/adr/0051). The schedule invokes it every quarter of an hour: it checks the next share of the tables and
//! of the reports, and a round over all of them takes as many invocations as they need. The local stack has no streams.
//!
//! The function keeps its position and its findings in an object of the bucket, `audit/place.json`, and continues from there. It
//! checks damaged items again at each scheduled invocation, so an alarm about them clears after a repair. Other findings, such as those
//! about reports, count until the next round has ended.
//!
//! A panic at a part is a finding, and the audit continues with the next part: [`Auditor::walk`]. Any other panic fails that
//! invocation: [`AuditFunction::handle`].

pub mod auditor;
mod bucket;
mod damage;
mod error;
pub mod event;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::Instant;
use cee_registry::{Affected, AuditPlace, Audited, Deadline, Finding, FindingKind};
use cee_service::aws::Aws;
use cee_service::clock::{machine_now, time_left};
use cee_service::metrics::{Metric, Numbers};
use cee_service::{CheckedPepper, Clock, Environment, Metrics, SettingError, telemetry, trap};
use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;
use serde::{Deserialize, Serialize};
use tokio::time::Instant as Moment;
use tracing::Instrument as _;

pub use auditor::{Auditor, TABLES};
pub use error::AuditError;
pub use event::AuditEvent;

/// The function's name in the log and in its metrics.
const NAME: &str = "audit";

/// The key of the object that holds the position.
pub const PLACE: &str = "audit/place.json";

/// How many damaged items a note lists. Those beyond count until the next round has ended.
const MOST_DAMAGED: usize = 1000;

/// The part of an invocation's time that is reserved: for a part under way on slow tables, and for saving the position.
const RESERVE: Duration = Duration::from_secs(75);

/// The audit function.
#[derive(Clone, Debug)]
pub struct AuditFunction {
    auditor: Auditor,
    pepper: Arc<CheckedPepper>,
    clock: Clock,
    metrics: Metrics,
    /// The number of parts, of a hundred items each, that one invocation checks at most.
    parts: u32,
    parts_per_second: u32,
}

/// The number of findings of each kind.
type Counts = BTreeMap<String, u64>;

/// The state that an invocation leaves for the next one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The position of the round.
    place: String,
    /// The start of the round, in milliseconds since 1970 by the machine's clock.
    began_at: i64,
    /// The findings of this round so far that are not about damaged items.
    found: Counts,
    /// The last complete round.
    last: Option<Round>,
    /// The damaged items, which each scheduled invocation checks again.
    #[serde(default)]
    damaged: Affected,
    /// The findings about the damaged items, as this invocation found them.
    #[serde(skip)]
    damage: BTreeSet<Finding>,
}

/// A complete round.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    ended_at: i64,
    found: Counts,
}

impl Note {
    fn of(json: &[u8]) -> Option<(Self, AuditPlace)> {
        let note: Self = serde_json::from_slice(json).ok()?;
        let place = note.place.parse().ok()?;
        Some((note, place))
    }

    /// The current findings of each kind: those about damaged items, and the others of the last round, or of this round if they are
    /// more.
    fn known(&self, kind: FindingKind) -> u64 {
        let of = |found: &Counts| found.get(kind.as_str()).copied().unwrap_or(0);
        let damage = self.damage.iter().filter(|finding| finding.kind() == kind).count() as u64;
        damage + of(&self.found).max(self.last.as_ref().map_or(0, |last| of(&last.found)))
    }

    /// Replaces what is known about damaged items by the result of checking them again.
    fn replace_damage(&mut self, checked: Audited) {
        self.damage = checked.findings;
        self.damaged = checked.damaged;
    }

    fn add(&mut self, part: &Audited) {
        log(&part.findings);
        let listed = self.damaged.items() + part.damaged.items() <= MOST_DAMAGED;
        if listed {
            self.damaged.extend(part.damaged.clone());
        }
        for finding in &part.findings {
            if listed && finding.is_checked_again() {
                self.damage.insert(finding.clone());
            } else {
                *self.found.entry(finding.kind().as_str().to_owned()).or_default() += 1;
            }
        }
        self.place = part.place.to_string();
        if part.place == AuditPlace::End {
            tracing::info!(findings = self.found.values().sum::<u64>(), "a round of the audit ended");
            self.last = Some(Round { ended_at: machine_now().millis(), found: std::mem::take(&mut self.found) });
        }
    }
}

impl AuditFunction {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let (parts, parts_per_second) = environment.audit_parts()?;
        let (auditor, pepper) = Auditor::from_environment(environment, &Aws::of_function(environment))?;
        Ok(Self {
            pepper: Arc::new(CheckedPepper::at_start(pepper).await?),
            auditor,
            clock: environment.clock()?,
            metrics: environment.metrics(),
            parts,
            parts_per_second,
        })
    }

    /// Checks what changed, or the next share of the tables.
    ///
    /// # Errors
    /// [`AuditError`] if something cannot be read; the next invocation continues where this one stopped.
    pub async fn handle(&self, event: LambdaEvent<AuditEvent>) -> Result<(), AuditError> {
        let context = event.context;
        let trace = context.xray_trace_id.as_deref().and_then(telemetry::trace_id);
        let span = telemetry::call(NAME, &context.request_id, trace);
        let until = Moment::now() + time_left(context.deadline()).saturating_sub(RESERVE);
        // Caught here and not by the runtime, which would report the panic's message.
        let audited = AssertUnwindSafe(self.audit(event.payload, until, &context.request_id)).catch_unwind();
        let audited = audited.instrument(span.clone()).await.unwrap_or(Err(AuditError::Panic));
        if let Err(error) = &audited {
            span.in_scope(|| tracing::error!(%error, "the audit stopped"));
        }
        audited
    }

    async fn audit(&self, event: AuditEvent, until: Moment, request_id: &str) -> Result<(), AuditError> {
        trap::spring("event", || NAME);
        self.pepper.ensure(Deadline::after(RESERVE)).await?;
        match self.auditor.affected(event) {
            Some(affected) => self.audit_changes(&affected, request_id).await,
            None => self.audit_share(until, request_id).await,
        }
    }

    /// Checks what changes may have damaged. Leaves damage for the next scheduled invocation.
    async fn audit_changes(&self, affected: &Affected, request_id: &str) -> Result<(), AuditError> {
        let audited = self.auditor.audit_affected(affected).await?;
        if audited.findings.is_empty() {
            return Ok(());
        }
        log(&audited.findings);
        let numbers = Numbers::default();
        for kind in FindingKind::ALL {
            let found = audited.findings.iter().filter(|finding| finding.kind() == *kind).count();
            if found > 0 {
                numbers.gauge(Metric::Findings(*kind), found as u64);
            }
        }
        self.metrics.write(&numbers, NAME, request_id);
        damage::leave(self.auditor.bucket(), request_id, &audited.damaged).await
    }

    async fn audit_share(&self, until: Moment, request_id: &str) -> Result<(), AuditError> {
        let (mut note, mut place) = self.read().await?.unwrap_or_default();
        if place == AuditPlace::End || note.began_at == 0 {
            (note.began_at, place) = (machine_now().millis(), AuditPlace::Start);
        }
        note.place = place.to_string();
        let left = damage::collect(self.auditor.bucket(), &mut note.damaged, MOST_DAMAGED).await?;
        if !note.damaged.is_empty() {
            note.replace_damage(self.auditor.audit_affected(&note.damaged).await?);
        }
        let numbers = Numbers::default();
        let mut parts = 0;
        let walked = self.auditor.walk(place, self.parts_per_second, |part| {
            note.add(part);
            numbers.count(Metric::AuditedItems, part.items());
            parts += 1;
            if parts < self.parts && Moment::now() < until { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let walked = walked.await;
        let kept = match self.auditor.bucket().write(PLACE, &note).await {
            Ok(()) => damage::forget(self.auditor.bucket(), &left).await,
            error => error,
        };
        // A failed audit writes no metric: then the alarm on missing data goes off.
        if parts > 0 {
            for kind in FindingKind::ALL {
                numbers.gauge(Metric::Findings(*kind), note.known(*kind));
            }
            let since = note.last.as_ref().map_or(note.began_at, |last| last.ended_at);
            numbers.gauge(Metric::AuditRoundAge, seconds(machine_now().millis() - since));
        }
        let oldest = self.auditor.imports().oldest_running().await;
        if let Ok(oldest) = &oldest {
            let age = oldest.map_or(0, |since: Instant| seconds(self.clock.now().millis() - since.millis()));
            numbers.gauge(Metric::OldestRunningImport, age);
        }
        self.metrics.write(&numbers, NAME, request_id);
        walked.and(kept).and(oldest.map(drop).map_err(AuditError::from))
    }

    /// The state of the last invocation. If it is missing or unreadable, the audit starts from the beginning.
    async fn read(&self) -> Result<Option<(Note, AuditPlace)>, AuditError> {
        let Some(json) = self.auditor.bucket().read(PLACE).await? else { return Ok(None) };
        let note = Note::of(&json);
        if note.is_none() {
            tracing::warn!("the note of the audit's place cannot be read: it begins again");
        }
        Ok(note)
    }
}

/// Findings hold no personal data.
fn log(findings: &BTreeSet<Finding>) {
    for finding in findings {
        tracing::error!(kind = finding.kind().as_str(), "{finding}");
    }
}

fn seconds(millis: i64) -> u64 {
    u64::try_from(millis / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::ApplicationId;
    use cee_registry::Finding;

    #[test]
    fn finding_about_damaged_item_counts_until_it_is_checked_again() {
        let uuid = ApplicationId::parse("1c9d8b1e-0000-4000-8000-000000000000").unwrap();
        let orphan = part(AuditPlace::Claims(None), &[Finding::Orphan(uuid, "k".to_owned())]);
        let mut note = Note::default();
        note.add(&orphan);
        note.add(&part(AuditPlace::End, &[]));
        note.add(&orphan);
        assert_eq!(note.known(FindingKind::Orphan), 1, "found twice, counted once");
        note.replace_damage(orphan);
        assert_eq!(note.known(FindingKind::Orphan), 1, "it is still there");
        note.replace_damage(Audited::default());
        assert_eq!(note.known(FindingKind::Orphan), 0, "it was repaired");
    }

    fn part(place: AuditPlace, findings: &[Finding]) -> Audited {
        Audited { place, findings: findings.iter().cloned().collect(), ..Audited::default() }
    }

    #[test]
    fn finding_about_report_counts_until_next_round_has_ended() {
        let foreign = || Finding::Foreign(None, "a report");
        let mut note = Note::default();
        note.add(&part(AuditPlace::Claims(None), &[foreign()]));
        assert_eq!(note.known(FindingKind::Foreign), 1, "at once");
        note.add(&part(AuditPlace::End, &[]));
        note.add(&part(AuditPlace::Claims(None), &[]));
        assert_eq!(note.known(FindingKind::Foreign), 1, "a part without it proves nothing");
        let json = serde_json::to_vec(&note).unwrap();
        let (mut note, place) = Note::of(&json).unwrap();
        assert_eq!(place, AuditPlace::Claims(None));
        assert_eq!((note.known(FindingKind::Foreign), note.known(FindingKind::Unclaimed)), (1, 0));
        note.add(&part(AuditPlace::End, &[]));
        assert_eq!(note.known(FindingKind::Foreign), 0, "everything was looked at again");
        assert!(
            Note::of(b"{}").is_none() && Note::of(br#"{"place":"x","began_at":0,"found":{},"last":null}"#).is_none()
        );
    }
}
