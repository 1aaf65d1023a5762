//! How an import ends: in the table, where only one invocation can end it, then with its report.

use cee_history::{Counts, Report, Verdict};
use cee_registry::{FileOutcome, Hold, HoldError, ImportRecord};
use cee_service::metrics::Import;
use cee_service::objects::{List, put};

use crate::context::{Context, ImportError};
use crate::file::checkpoint::{Checkpoint, ForTheTeam, Reported, work};

/// The result of a run that has read everything.
pub(super) struct Finished {
    pub(super) progress: Checkpoint,
    pub(super) lists: Lists,
    pub(super) reported: Reported,
}

/// The keys of the lists beside the report, if they are not empty.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) rejected: Option<String>,
    pub(super) answers: Option<String>,
    pub(super) contradictions: Option<String>,
}

pub(super) fn report(
    context: &Context,
    hold: &Hold,
    error: Option<String>,
    Finished { progress: Checkpoint { progress, verdict, .. }, lists, .. }: &Finished,
    sha256: Option<String>,
) -> Report {
    let ended_at = context.clock.now();
    let took = ended_at.millis() - hold.started_at().millis();
    Report {
        import_id: hold.record().id.to_string(),
        operator_id: hold.record().operator.map(cee_eligibility::OperatorId::get),
        key: hold.record().key.clone(),
        state: if error.is_some() { FileOutcome::Failed } else { FileOutcome::Completed }.as_str().to_owned(),
        error,
        check_only: progress.counts.accepted.is_some(),
        counts: progress.counts.clone(),
        survey: verdict.as_ref().map(Verdict::surveyed),
        // The whole size, however much of a refused file was read.
        bytes: progress.bytes.max(progress.bytes_total),
        sha256,
        rejected_rows: lists.rejected.clone(),
        answers: lists.answers.clone(),
        started_at: hold.started_at().to_string(),
        ended_at: ended_at.to_string(),
        duration_ms: u64::try_from(took).unwrap_or(0),
        work_ms: progress.work_ms,
        undone: None,
        replaced: None,
        not_replaced: None,
    }
}

/// Ends the import in the table, which only one run can do, then puts the report: so two runs cannot write different reports.
pub(super) async fn end(
    context: &Context,
    hold: &Hold,
    outcome: FileOutcome,
    report: Report,
    Finished { progress, lists, mut reported }: Finished,
) -> Result<(), ImportError> {
    if !report.counts.adds_up() {
        return Err(ImportError::Impossible("counts that do not add up"));
    }
    let late_contradictions = progress.late_contradictions;
    let for_the_team = ForTheTeam { late_contradictions, list: lists.contradictions };
    match context.imports.end(hold, outcome, &report, &for_the_team).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    reported.report(context, &progress, Some(counted(outcome)));
    put_report(context, hold.record(), &report).await?;
    List::clear(&context.s3, &context.bucket, &work(hold.record().id)).await;
    let (import_id, operator_id) = (&report.import_id, report.operator_id);
    if late_contradictions > 0 {
        tracing::warn!(import_id, operator_id, late_contradictions, "history contradicts granted applications");
    }
    let Report { state, check_only, counts, bytes, duration_ms, .. } = &report;
    let Counts { read, imported, already_known, rejected, eligible, history, duplicate, .. } = counts;
    tracing::info!(
        import_id,
        operator_id,
        state,
        check_only,
        read,
        imported,
        already_known,
        rejected,
        eligible,
        history,
        duplicate,
        bytes,
        duration_ms,
        "an import ended"
    );
    Ok(())
}

/// The metric for how an import ended.
pub(crate) const fn counted(outcome: FileOutcome) -> Import {
    match outcome {
        FileOutcome::Completed => Import::Completed,
        FileOutcome::Failed => Import::Failed,
        FileOutcome::Undone => Import::Undone,
    }
}

pub(crate) async fn put_report(context: &Context, record: &ImportRecord, report: &Report) -> Result<(), ImportError> {
    // A batch has neither a file nor a report.
    if record.is_batch() {
        return Ok(());
    }
    let json = serde_json::to_vec_pretty(report).map_err(|_| ImportError::Impossible("a report that is no JSON"))?;
    Ok(put(&context.s3, &context.bucket, &record.beside(ImportRecord::REPORT), "application/json", json).await?)
}
