//! A file that replaces an import: the operator's own, which was wrong.
//!
//! First every row of the new file is written, then the old import is taken back. So no driver is free in between, and whatever stops the
//! work, it goes on: the new import stays `running`, with all its rows behind it, until the old one is undone. A file that is refused
//! takes nothing back, for its survey comes before its first row; nor does one that is refused in the middle because it is gone, nor one
//! with a rejected row, whose driver would then have neither date, nor one without rows, nor one that is only checked. The report says
//! why. The rejected rows of an import, sent back, are no replacement of it: they would take its good rows back.
//!
//! What goes is what an undo takes: records that nothing else brought. A row that both files have is `already_known` in the new one, and
//! stays.
//!
//! Which import it is, the operator says in the call for a place (kept in the import's item) or in the file's name, as it says that dates are
//! right.

use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_history::{Counts, Progress, Replaced, Report, UndoProgress, Verdict, name};
use cee_registry::{Hold, ImportId, ImportState, take_back_refusal};
use cee_service::clock::machine_now;

use crate::context::{Budget, Context, ImportError};
use crate::file::checkpoint::Checkpoint;
use crate::s3::event::{File, Owner};
use crate::undo::{Replacing, Taken, take_back};

/// How long it waits before it looks again at an undo that another invocation works on.
const LOOK: Duration = Duration::from_secs(1);

/// What a file says that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaces {
    Nothing,
    Import(OperatorId, ImportId),
    /// Something that is not the name of an import.
    Unreadable,
}

impl Replaces {
    /// As the call for a place said, or else the file's name.
    pub(crate) fn of(file: &File, hold: &Hold) -> Self {
        let Owner::Operator(operator) = file.owner else { return Self::Nothing };
        match hold.wishes().replaces.map_or_else(|| Self::named(&file.key), |id| Some(Ok(id))) {
            None => Self::Nothing,
            Some(Ok(id)) => Self::Import(operator, id),
            Some(Err(())) => Self::Unreadable,
        }
    }

    /// `replaces-`, or `replaces` with `_` or a space, and an `import_id` somewhere in the file's name, in any case. A word there that is no
    /// hexadecimal number is part of a name like any other. A number of another length is a mistake, and so are two of them.
    fn named(key: &str) -> Option<Result<ImportId, ()>> {
        let name = name::words(key);
        let mut said = name.split("replaces-").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            let number = rest.get(..end).unwrap_or_default();
            (end >= SHORTEST_MISTAKE).then(|| ImportId::parse(number).ok_or(()))
        });
        let first = said.next()?;
        Some(if said.next().is_some() { Err(()) } else { first })
    }
}

/// How many hexadecimal digits are no word any more: `facade` has six, a date eight.
const SHORTEST_MISTAKE: usize = 9;

/// Why this file cannot replace what it says, if it cannot: asked before its first row is written.
pub(crate) async fn refusal(
    context: &Context,
    file: &File,
    hold: &Hold,
    verdict: &Verdict,
) -> Result<Option<String>, ImportError> {
    let (operator, old) = match Replaces::of(file, hold) {
        Replaces::Nothing => return Ok(None),
        Replaces::Import(operator, old) if old != file.id => (operator, old),
        Replaces::Import(..) => return Ok(Some(ITSELF.to_owned())),
        Replaces::Unreadable => return Ok(Some(UNREADABLE.to_owned())),
    };
    let Some(status) = context.imports.find::<Progress, Report, UndoProgress>(operator, old, machine_now()).await?
    else {
        return Ok(Some(UNKNOWN.to_owned()));
    };
    if status.state == ImportState::Undone {
        return Ok(Some(GONE.to_owned()));
    }
    if verdict.is_of_rejected_rows() {
        return Ok(Some(REJECTED_ROWS.to_owned()));
    }
    let refusal = take_back_refusal(&status, (context.clock.now(), machine_now()), context.take_back_days);
    Ok(refusal.map(|why| {
        format!("The import that this file is to replace cannot be taken back now: {why}. Nothing was imported.")
    }))
}

/// Why a file takes nothing back, though all its rows are done, if so.
pub(crate) fn stays(counts: &Counts) -> Option<String> {
    let Counts { read, rejected, accepted, .. } = *counts;
    if accepted.is_some() {
        Some("The file was only checked, so the import that it is to replace was not taken back.".to_owned())
    } else if read == 0 {
        Some("The file has no rows, so the import that it is to replace was not taken back.".to_owned())
    } else if rejected > 0 {
        Some(format!(
            "{rejected} of the rows were rejected, so the import that the file is to replace was not taken back: their drivers would \
             have neither date. The other rows are imported. Correct the whole file and send it again with `replaces`."
        ))
    } else {
        None
    }
}

const GONE: &str = "The import that this file is to replace is taken back already. Nothing was imported: send the file without `replaces`, or \
                    with the `import_id` of a later import.";

const REJECTED_ROWS: &str = "The file has a column of a rejected file (line, column, reason), so it holds only some rows of the import that it is to \
                             replace: the others would be taken back. Nothing was imported. Send the rejected rows without `replaces`, \
                             or the whole corrected file without these columns.";

const ITSELF: &str = "The file is to replace its own import. Nothing was imported.";

const UNKNOWN: &str = "The import that this file is to replace is none of yours: list your imports for its import_id. Nothing was imported.";

const UNREADABLE: &str = "The file's name says that it replaces an import, and the import_id in it does not have 32 hexadecimal digits. \
                          Nothing was imported.";

/// Takes back what this import replaces, once all its rows are written. `None`: the invocation has used its budget.
pub(crate) async fn take_back_replaced(
    context: &Arc<Context>,
    (operator, old): (OperatorId, ImportId),
    hold: &Hold,
    checkpoint: &Checkpoint,
    (worker, budget): (&str, Budget),
) -> Result<Option<Replaced>, ImportError> {
    loop {
        let by = Replacing { hold, checkpoint };
        match take_back(context, operator, old, (worker, budget), Some(by)).await? {
            Taken::Done(report) => {
                let undone = report.undone.filter(|undone| undone.replaced_by == Some(hold.record().id.to_string()));
                // Taken back by somebody else, it was not this import's doing.
                let (removed, kept) = undone.map_or((0, 0), |undone| (undone.removed, undone.kept));
                return Ok(Some(Replaced { import_id: old.to_string(), removed, kept }));
            }
            Taken::Paused => return Ok(None),
            Taken::Elsewhere if budget.is_over(0) => return Ok(None),
            Taken::Elsewhere => {
                tokio::time::sleep(LOOK).await;
                context.imports.checkpoint(hold, checkpoint, machine_now()).await?;
            }
            Taken::Refused(reason) => {
                tracing::error!(import_id = %old, operator_id = operator.get(), %reason, "a replaced import cannot be undone");
                return Err(ImportError::Impossible("a replaced import that cannot be undone"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_says_which_import_it_replaces() {
        let id = "0123456789abcdef0123456789abcdef";
        let named = |key: &str| Replaces::named(key).map(|id| id.map(|id| id.to_string()));
        for name in [
            format!("imports/1/replaces-{id}.csv"),
            format!("imports/1/corrected_REPLACES_{}_dates-confirmed.csv.gz", id.to_uppercase()),
            format!("replaces-{id}"),
            format!("imports/1/history replaces {id}.csv"),
            format!("replaces-facade-replaces-{id}.csv"),
        ] {
            assert_eq!(named(&name), Some(Ok(id.to_owned())), "{name}");
        }
        for name in [
            format!("imports/1/replaces-{id}/history.csv"),
            "history.csv".to_owned(),
            "replaces-".to_owned(),
            "replaces-facade.csv".to_owned(),
            "replaces-20240501.csv".to_owned(),
            "replaces-été.csv".to_owned(),
        ] {
            assert_eq!(named(&name), None, "{name}");
        }
        for name in [
            format!("replaces-{}.csv", &id[1..]),
            format!("replaces-{id}0.csv"),
            "replaces-012345678".to_owned(),
            format!("replaces-{id}-replaces-{id}.csv"),
        ] {
            assert_eq!(named(&name), Some(Err(())), "{name}");
        }
    }
}
