//! `POST /v3/policies/cee/import` and `…/import/identity`: imports history, and gives identity keys to rows that came without, up
//! to a thousand rows a call.
//!
//! A bad row fails alone, and the response says what is wrong with it. Sending a row again has no effect: a client that lost a
//! response sends the whole batch again. For more than a few thousand rows there are files (`…/imports`).
//!
//! A batch of history is an import, as a file is: it is recorded before its first row is written, it is listed, and it can be
//! undone. A batch of identity keys is not an import: a key adds no row, and is removed with the row that it was given to.
//!
//! The rows and how they are read are in `body`, the sentences about a row that failed in `failure`. The rows of history are written by the
//! type that the import function uses ([`HistoryWriter`]), the keys by [`KeyGiver`].

mod body;
mod failure;
pub mod openapi;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

use cee_edge::body::SentRow;
use cee_edge::problem::Malformed;
use cee_edge::{Call, Fields, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::{OperatorId, Rules, TruncatedIdentity};
use cee_history::{Counts, Report};
use cee_registry::{
    Contradicted, Deadline, GivenKey, HistoryApplication, HistoryKey, HistoryOutcome, HistoryWriter, ImportId,
    ImportRecord, Imports, KeyGiver, RowSource, StoreError,
};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::metrics::{LateKey, Row};
use cee_service::{Clock, Environment, Metric, SettingError, trap};
use cee_tokens::Scope;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::StatusCode;

use crate::body::{Batch, FailedRow, ImportedBatch};
use crate::failure::{Failure, unanswered};

pub use body::{
    HistoryRow, IdentityRow, MOST_ROWS, SpecificIdentity, StandardizedIdentity, read_history, read_identity,
};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["CLAIMS_TABLE", "APPLICATIONS_TABLE", "IMPORTS_TABLE", "OPERATORS_TABLE", "LIMITS_TABLE"];

/// The time limit for recording the result of a batch: within the time that a call leaves of its invocation.
const NOTING: Duration = Duration::from_secs(1);

/// The rows that count as one of the operator's calls: together they write about as much as a registration (docs/adr/0019).
const ROWS_OF_A_CALL: usize = 10;

/// The number of rows written at once.
const AT_ONCE: usize = 32;

/// Answers `POST /v3/policies/cee/import` and `POST /v3/policies/cee/import/identity`.
#[derive(Debug)]
pub struct Batches {
    gate: Gate,
    rules: Rules,
    clock: Clock,
    history: HistoryWriter,
    key_giver: KeyGiver,
    imports: Imports,
}

/// The result of one row.
enum Outcome {
    Imported(Vec<Contradicted>),
    AlreadyKnown,
    Failed(Failure),
}

impl Batches {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (db, keys) = (Aws::of_function(environment).dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::from_environment(environment, (&db, &tables), Some(&keys)).await?,
            rules: environment.rules()?,
            clock: environment.clock()?,
            imports: Imports::new(db.clone(), &tables),
            history: HistoryWriter::new(db.clone(), &tables, keys.clone()),
            key_giver: KeyGiver::new(db, &tables, keys),
        })
    }

    /// Processes all rows, some at a time, and returns their results in order.
    async fn each<R, F: Future<Output = Outcome>>(
        &self,
        rows: Vec<SentRow>,
        (call, counts): (&Call, fn(Row) -> Metric),
        read: impl Fn(Fields) -> Result<R, Refusal> + Copy,
        work: impl Fn(usize, R) -> F + Copy,
    ) -> Batch {
        let (deadline, language) = (call.deadline(), call.language());
        let outcomes = stream::iter(rows.into_iter().enumerate()).map(|(index, SentRow { sent, fields })| async move {
            let outcome = async {
                trap::spring("row", || sent.values().map(ToString::to_string).collect::<String>());
                match fields.ok_or(Refusal::MalformedBody(Malformed::Row)).and_then(read) {
                    // Too late to start: the response must still be sent.
                    Ok(_) if deadline.has_passed() => Outcome::Failed(Failure::TooBusy),
                    Ok(row) => work(index, row).await,
                    Err(refusal) => Outcome::Failed(Failure::Refused(refusal)),
                }
            };
            // A panic concerns this row alone. It leaves nothing half changed: the rows only read the data they share.
            let outcome = AssertUnwindSafe(outcome).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(index, "a row of a batch panicked");
                Outcome::Failed(Failure::Internal)
            });
            if let Outcome::Imported(contradicts) = &outcome {
                contradicts.iter().for_each(list);
            }
            (index, sent, outcome)
        });
        let outcomes: Vec<_> = outcomes.buffered(AT_ONCE).collect().await;
        let mut batch = Batch { imported: 0, already_known: 0, failed: 0, failed_details: Vec::new() };
        let mut late_contradictions = 0;
        for (index, mut row, outcome) in outcomes {
            match outcome {
                Outcome::Imported(contradicts) => {
                    batch.imported += 1;
                    late_contradictions += u64::from(!contradicts.is_empty());
                }
                Outcome::AlreadyKnown => batch.already_known += 1,
                Outcome::Failed(failure) => {
                    batch.failed += 1;
                    // A row of an earlier response's `failed_details` that the client sends back unchanged has these two members.
                    row.retain(|name, _| name != "index" && name != "error");
                    batch.failed_details.push(FailedRow { row, index, error: failure.message(language) });
                }
            }
        }
        let rows =
            [(Row::Imported, batch.imported), (Row::AlreadyKnown, batch.already_known), (Row::Rejected, batch.failed)];
        for (row, number) in rows.into_iter().filter(|(_, number)| *number > 0) {
            call.count(counts(row), number as u64);
        }
        if late_contradictions > 0 {
            call.count(Metric::LateContradictions, late_contradictions);
        }
        batch
    }

    async fn import(&self, call: &Call, operator: OperatorId, rows: Vec<SentRow>) -> Result<Reply, Refusal> {
        let (now, began) = (self.clock.now(), Moment::now());
        // An import id of this call's own: no later call has the same.
        let import = ImportId::from_bytes(uuid::Uuid::new_v4().into_bytes());
        let record = ImportRecord { id: import, operator: Some(operator), key: ImportRecord::BATCH.to_owned() };
        let report = |ended: Result<Counts, String>| {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let times = (now.to_string(), self.clock.now().to_string());
            Report::of_batch((import.to_string(), operator.get()), ImportRecord::BATCH, ended, times, took)
        };
        self.imports
            .begin_batch(&record, &report(Err(unanswered(call.language()).to_owned())), now, machine_now())
            .await?;
        let write = |index: usize, row: HistoryRow| async move {
            let HistoryRow { journey_type, last_name_trunc, phone_trunc, datetime } = row;
            let application = HistoryApplication {
                journey_type,
                identity: &TruncatedIdentity { last_name_trunc, phone_trunc },
                datetime,
                operator,
                source: RowSource { import, line: index as u64 + 1 },
            };
            match self.history.import_history(&application, &self.rules, call.deadline()).await {
                Ok(imported) => match imported.outcome {
                    HistoryOutcome::Imported { contradicts } => Outcome::Imported(contradicts),
                    HistoryOutcome::AlreadyKnown => Outcome::AlreadyKnown,
                    HistoryOutcome::NoRoom(why) => Outcome::Failed(Failure::NoRoom(why)),
                },
                Err(error) => unwritten(&error),
            }
        };
        let batch =
            self.each(rows, (call, Metric::HistoryRows), |fields| read_history(fields, &self.rules, now), write).await;
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let Batch { imported, already_known, failed, failed_details } = batch;
        let counts = Counts {
            read: count(imported + already_known + failed),
            imported: count(imported),
            already_known: count(already_known),
            rejected: count(failed),
            ..Counts::default()
        };
        // The response to the caller is still true. The list of its imports then says that nothing counted the rows.
        let report = report(Ok(counts));
        let noted = self.imports.end_batch(&record, &report, Deadline::after(NOTING));
        match tokio::time::timeout(NOTING, noted).await.unwrap_or(Err(StoreError::Busy)) {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, import_id = %import, "what came of a batch is not noted"),
        }
        let import_id = import.to_string();
        let batch = ImportedBatch { import_id, imported, already_known, failed, failed_details };
        Ok(Reply::json(StatusCode::CREATED, &batch)?.in_language(call.language()))
    }

    async fn identity(&self, call: &Call, operator: OperatorId, rows: Vec<SentRow>) -> Result<Reply, Refusal> {
        let now = self.clock.now();
        let given_to = [AtomicU64::new(0), AtomicU64::new(0)];
        let [standardized, specific] = &given_to;
        let give = |_, row: IdentityRow| async move {
            let count = match &row {
                IdentityRow::Standardized(_) => standardized,
                IdentityRow::Specific(_) => specific,
            };
            let given = match row {
                IdentityRow::Standardized(StandardizedIdentity { cee_application_uuid, identity_key, .. }) => {
                    let key = &identity_key;
                    self.key_giver.give_key(operator, cee_application_uuid, key, &self.rules, call.deadline()).await
                }
                IdentityRow::Specific(row) => {
                    let SpecificIdentity { journey_type, last_name_trunc, phone_trunc, datetime, identity_key, .. } =
                        row;
                    let identity = &TruncatedIdentity { last_name_trunc, phone_trunc };
                    let identity_key = &identity_key;
                    let history = HistoryKey { journey_type, identity, datetime, operator, identity_key };
                    self.key_giver.give_key_to_history(&history, &self.rules, call.deadline()).await
                }
            };
            match given {
                Ok(GivenKey::Given { contradicts }) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    Outcome::Imported(contradicts)
                }
                Ok(GivenKey::AlreadyHas) => Outcome::AlreadyKnown,
                Ok(GivenKey::Unknown) => Outcome::Failed(Failure::Unknown),
                Ok(GivenKey::Closed(journey_type)) => Outcome::Failed(Failure::Closed(journey_type)),
                Ok(GivenKey::HasAnother) => Outcome::Failed(Failure::HasAnother),
                Ok(GivenKey::Blocked(blocker)) => Outcome::Failed(Failure::Second(blocker.datetime)),
                Ok(GivenKey::NoRoom(why)) => Outcome::Failed(Failure::NoRoom(why)),
                Err(error) => unwritten(&error),
            }
        };
        let batch =
            self.each(rows, (call, Metric::IdentityRows), |fields| read_identity(fields, &self.rules, now), give).await;
        let [standardized, specific] = given_to.map(AtomicU64::into_inner);
        for (kind, number) in [(LateKey::Standardized, standardized), (LateKey::Specific, specific)] {
            if number > 0 {
                call.count(Metric::LateKeys(kind), number);
            }
        }
        if standardized + specific > 0 {
            // For the registry's team, as figures only: which operators' drivers, and how many.
            let operator_id = operator.get();
            tracing::info!(operator_id, standardized, specific, "identity keys were given later");
        }
        Ok(Reply::json(StatusCode::OK, &batch)?.in_language(call.language()))
    }
}

impl HttpFunction for Batches {
    const NAME: &'static str = "batches";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let caller = self.gate.admit(call, Scope::Import).await?;
        let operator = caller.operator;
        // If the call is closed for one journey type, only the rows of that type fail.
        if !self.rules.any_open(|open| open.import) {
            return Err(Refusal::CallClosed(None));
        }
        let rows = Fields::rows(call.request(), MOST_ROWS)?;
        // The call itself has counted as the first.
        let more = rows.len().div_ceil(ROWS_OF_A_CALL).saturating_sub(1);
        self.gate.count(&caller, u32::try_from(more).unwrap_or(u32::MAX)).await?;
        // API Gateway sends only its routes' paths here.
        if call.path().ends_with("/identity") {
            self.identity(call, operator, rows).await
        } else {
            self.import(call, operator, rows).await
        }
    }
}

/// Reports an application that history contradicts to the registry's team alone. Names no driver.
fn list(contradicted: &Contradicted) {
    let Contradicted { uuid, datetime, operator } = contradicted;
    tracing::warn!(
        application_uuid = %uuid,
        application_operator_id = operator.get(),
        application_datetime = %datetime,
        "history contradicts this application"
    );
}

fn unwritten(error: &StoreError) -> Outcome {
    tracing::error!(%error, "a row of a batch was not written");
    let is_corrupt = matches!(error, StoreError::Corrupt { .. });
    Outcome::Failed(if is_corrupt { Failure::Internal } else { Failure::TooBusy })
}
