//! One export from its note to its file.

use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_registry::{
    ExportBegun, ExportHold, ExportId, ExportProgress, HoldError, MOST_ON_A_PAGE, export_note, export_pieces,
};
use cee_service::clock::machine_now;
use cee_service::objects::{List, Whole, get, put};
use tokio::time::Instant as Moment;

use crate::context::{Budget, Context, ExportError};
use crate::file::{File, append};

/// The longest time between two checkpoints: well within the lease, and short enough for an operator that watches the export.
const PAUSE: Duration = Duration::from_secs(20);

/// Works on an export, unless it has ended before or another invocation works on it.
pub(crate) async fn export(
    context: &Context,
    (operator, id): (OperatorId, ExportId),
    worker: &str,
    budget: Budget,
) -> Result<(), ExportError> {
    let operator_id = operator.get();
    let (hold, progress) = match context.exports.begin(operator, id, worker, machine_now()).await? {
        ExportBegun::Yours(hold, progress) => (hold, progress),
        ExportBegun::Held => {
            tracing::info!(export_id = %id, operator_id, "an export that another invocation works on");
            return Ok(());
        }
        // The invocation that ended it may have had no time left to clean up.
        ExportBegun::Over => {
            tracing::info!(export_id = %id, operator_id, "an export that has ended");
            List::clear(&context.s3, &context.bucket, &export_pieces(id)).await;
            return Ok(());
        }
    };
    let resumed = progress != ExportProgress::default();
    tracing::info!(export_id = %id, operator_id, resumed, "an export begins");
    // On the heap: by far the largest of the futures around it.
    match Box::pin(work(context, &hold, progress, budget)).await {
        Ok(Some((applications, bytes))) => {
            List::clear(&context.s3, &context.bucket, &export_pieces(id)).await;
            tracing::info!(export_id = %id, operator_id, applications, bytes, "an export ended");
            Ok(())
        }
        Ok(None) => go_on_later(context, &hold).await,
        // The invocation that has taken over does the rest.
        Err(ExportError::Hold(HoldError::Lost)) => {
            tracing::info!(export_id = %id, operator_id, "another invocation has taken the export over");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Releases the export and starts another invocation for it.
async fn go_on_later(context: &Context, hold: &ExportHold) -> Result<(), ExportError> {
    match context.exports.release(hold).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let record = hold.record();
    let note = export_note(record.operator, record.id);
    put(&context.s3, &context.bucket, &note, "application/json", Vec::new()).await?;
    tracing::info!(export_id = %record.id, "an export goes on in another invocation");
    Ok(())
}

/// Reads what is left of the list, then writes the file: the applications in it, and its bytes. `None`: the invocation has used its budget.
async fn work(
    context: &Context,
    hold: &ExportHold,
    mut progress: ExportProgress,
    budget: Budget,
) -> Result<Option<(u64, u64)>, ExportError> {
    let record = hold.record();
    let folder = export_pieces(record.id);
    let pieces = std::mem::take(&mut progress.pieces);
    let mut list = List::new(&context.s3, &context.bucket, (&folder, "rows", hold.fence()), pieces);
    let (mut last, mut read) = (Moment::now(), 0_u64);
    while !progress.is_read {
        let most = usize::try_from(budget.rows - read).unwrap_or(MOST_ON_A_PAGE).min(MOST_ON_A_PAGE);
        let (page, next) = context.applications.list(record.operator, &record.filter, progress.after, most).await?;
        let rows = append(&page)?;
        list.add(|buffer| buffer.extend(rows)).await?;
        read += page.len() as u64;
        progress.applications += page.len() as u64;
        (progress.after, progress.is_read) = (next, next.is_none());
        let is_over = read >= budget.rows || Moment::now() >= budget.reading;
        if progress.is_read || is_over || last.elapsed() >= PAUSE {
            progress.pieces = list.keep().await?.to_vec();
            context.exports.checkpoint(hold, &progress, machine_now()).await?;
            last = Moment::now();
        }
        if is_over {
            return Ok(None);
        }
    }
    if Moment::now() >= budget.writing {
        return Ok(None);
    }
    let (key, format) = (record.key(), record.format);
    let mut whole = Whole::new(&context.s3, &context.bucket, &key, File::content_type(format));
    let written = async {
        let mut file = File::new(format)?;
        let mut bytes = 0;
        for piece in list.keys() {
            let rows = get(&context.s3, &context.bucket, &piece).await?;
            bytes += add(&mut whole, &file.add(&rows)?).await?;
            if last.elapsed() >= PAUSE {
                // Nothing in the checkpoint has changed but the time: writing it renews the lease.
                progress.pieces = list.keep().await?.to_vec();
                context.exports.checkpoint(hold, &progress, machine_now()).await?;
                last = Moment::now();
            }
        }
        Ok::<_, ExportError>(bytes + add(&mut whole, &file.finish()?).await?)
    };
    let bytes = match written.await {
        Ok(bytes) => bytes,
        Err(error) => {
            whole.abandon().await;
            return Err(error);
        }
    };
    whole.finish().await?;
    context.exports.end(hold, progress.applications, bytes, (context.clock.now(), machine_now())).await?;
    Ok(Some((progress.applications, bytes)))
}

/// Adds bytes to an object, and returns their number.
async fn add(whole: &mut Whole<'_>, bytes: &[u8]) -> Result<u64, ExportError> {
    whole.add(bytes).await?;
    Ok(bytes.len() as u64)
}
