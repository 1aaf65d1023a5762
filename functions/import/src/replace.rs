//! A file that replaces an import: an earlier import of the same operator, which was wrong.
//!
//! First every row of the new file is written, then the old import is undone. So a driver is never free in between. If the work
//! stops, it resumes: the new import stays `running`, with all its rows written, until the old one is undone.
//!
//! The old import stays if the new file is refused (the survey comes before the first row), if the file disappears in the middle,
//! if a row is rejected (its driver would then have neither date), if the file has no rows, or if it is only checked. The report
//! says why. The corrected rejected rows of an import do not replace it: they would undo its good rows.
//!
//! Of several files that are to replace one import at the same time, the first whose survey ends does ([`Replacement`]). The others are
//! refused before their first row. A first one that was given up is ended by the next, and its rows stay as they are.
//!
//! The undo removes only records that nothing else brought. A row that both files have is `already_known` in the new import, and
//! stays.
//!
//! The operator names the replaced import in the call that creates the upload (kept in the import's item) or in the file's name, as
//! it confirms dates.

use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::{Language, OperatorId};
use cee_history::{Counts, Progress, Replaced, Report, UndoProgress, Verdict, name};
use cee_registry::{
    Hold, ImportId, ImportState, ImportStatus, ReplaceRefusal, Replacement, replace_refusal, take_back_refusal,
};
use cee_service::clock::machine_now;

use crate::context::{Budget, Context, ImportError};
use crate::drivers::is_list_of_drivers;
use crate::file::checkpoint::Checkpoint;
use crate::file::given_up::end_given_up;
use crate::s3::event::{File, Owner};
use crate::undo::{Replacing, Taken, take_back};

/// The time before it checks again on an undo that another invocation works on.
const LOOK: Duration = Duration::from_secs(1);

/// The import that a file names as the one to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaces {
    Nothing,
    Import(OperatorId, ImportId),
    /// Something that is not an import id.
    Unreadable,
}

impl Replaces {
    /// From the call that created the upload, or else from the file's name.
    pub(crate) fn of(file: &File, hold: &Hold) -> Self {
        let Owner::Operator(operator) = file.owner else { return Self::Nothing };
        // A question imports nothing.
        if is_list_of_drivers(file, hold) {
            return Self::Nothing;
        }
        match hold.wishes().replaces.map_or_else(|| Self::named(&file.key), |id| Some(Ok(id))) {
            None => Self::Nothing,
            Some(Ok(id)) => Self::Import(operator, id),
            Some(Err(())) => Self::Unreadable,
        }
    }

    /// `replaces-`, or `replaces` with `_` or a space, and an `import_id` somewhere in the file's name, in any case. A word in its
    /// place that is not a hexadecimal number is part of an ordinary name. A number of another length is a mistake, and so are two
    /// numbers.
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

/// From this many hexadecimal digits on it is not a word: `facade` has six, a date eight.
const SHORTEST_MISTAKE: usize = 9;

/// Why this file cannot replace the import that it names, if it cannot. Checked before its first row is written.
pub(crate) async fn refusal(
    context: &Context,
    file: &File,
    (hold, worker): (&Hold, &str),
    verdict: &Verdict,
    language: Language,
) -> Result<Option<String>, ImportError> {
    let refused = |(english, french): (&str, &str)| Ok(Some(language.choose(english, french).to_owned()));
    let (operator, old) = match Replaces::of(file, hold) {
        Replaces::Nothing => return Ok(None),
        Replaces::Import(operator, old) if old != file.id => (operator, old),
        Replaces::Import(..) => return refused(ITSELF),
        Replaces::Unreadable => return refused(UNREADABLE),
    };
    let find = || context.imports.find::<Progress, Report, UndoProgress>(operator, old, machine_now());
    let Some(status) = find().await? else { return refused(UNKNOWN) };
    match replace_refusal(&status, name::imports_nothing) {
        Some(ReplaceRefusal::NothingImported) => return refused(NOTHING_IMPORTED),
        Some(ReplaceRefusal::Undone) if status.state == ImportState::Undone => {
            return Ok(Some(gone(&status, language)));
        }
        // An import whose undo has begun is refused by the claim below, which a file that is only checked does not need.
        Some(ReplaceRefusal::Undone) | None => {}
    }
    if verdict.is_of_rejected_rows() {
        return refused(REJECTED_ROWS);
    }
    let refusal = take_back_refusal(&status, (context.clock.now(), machine_now()), context.take_back_days);
    if let Some(why) = refusal {
        let why = why.message(language);
        return Ok(Some(match language {
            Language::English => {
                format!("The import that this file replaces cannot be undone now: {why}. Nothing was imported.")
            }
            Language::French => {
                format!(
                    "L'import que ce fichier remplace ne peut pas être annulé maintenant : {why}. Rien n'a été importé."
                )
            }
        }));
    }
    // A check imports nothing, and so replaces nothing.
    if hold.wishes().check_only || name::is_check_only(&file.key) {
        return Ok(None);
    }
    let claim = || context.imports.claim_replacement(operator, old, file.id, machine_now());
    let mut claimed = claim().await?;
    if let Replacement::GivenUp(other) = claimed
        && end_given_up(context, (operator, other), file.id, worker).await?
    {
        claimed = claim().await?;
    }
    Ok(match claimed {
        Replacement::Granted => None,
        // Given up: something has it in hand again at this moment.
        Replacement::By(by) | Replacement::GivenUp(by) => Some(replaced_by(by, language)),
        // Its undo has begun since, or has ended, and then the report says for which import.
        Replacement::Gone => Some(gone(&find().await?.unwrap_or(status), language)),
    })
}

/// Why a file cannot replace an import that is undone, or whose undo has begun.
fn gone(old: &ImportStatus<Progress, Report, UndoProgress>, language: Language) -> String {
    let undone = old.report.as_ref().and_then(|report| report.undone.as_ref());
    let Some(by) = undone.and_then(|undone| undone.replaced_by.as_deref()) else {
        let (english, french) = GONE;
        return language.choose(english, french).to_owned();
    };
    match language {
        Language::English => format!(
            "The import that this file replaces is already undone: the import {by} has replaced it. Nothing was imported. If the \
             file is to replace that import, send it with the `import_id` {by}."
        ),
        Language::French => format!(
            "L'import que ce fichier remplace est déjà annulé : l'import {by} l'a remplacé. Rien n'a été importé. Si le fichier doit \
             remplacer cet import-là, envoyez-le avec l'`import_id` {by}."
        ),
    }
}

/// Why a file cannot replace an import that another import, which has not ended, replaces.
fn replaced_by(by: ImportId, language: Language) -> String {
    match language {
        Language::English => format!(
            "The import {by} already replaces the import that this file names: its file came first. Nothing was imported. Wait until that \
             import has ended. If this file is still needed, send it again then: with the `import_id` {by} if that import has replaced the \
             old one, or else as now."
        ),
        Language::French => format!(
            "L'import {by} remplace déjà l'import que ce fichier nomme : son fichier est arrivé avant. Rien n'a été importé. Attendez que \
             cet import soit terminé. S'il faut encore ce fichier, renvoyez-le alors : avec l'`import_id` {by} si cet import a remplacé \
             l'ancien, sinon comme maintenant."
        ),
    }
}

/// Why a file undoes nothing although all its rows are done, if so.
pub(crate) fn stays(counts: &Counts, language: Language) -> Option<String> {
    let Counts { read, rejected, accepted, .. } = *counts;
    let (english, french) = if accepted.is_some() {
        ONLY_CHECKED
    } else if read == 0 {
        NO_ROWS
    } else if rejected > 0 {
        return Some(match language {
            Language::English => format!(
                "Rejected rows: {rejected}. The import that the file replaces was therefore not undone: the drivers of these rows would \
                 have lost their dates. The other rows are imported. Correct the whole file and send it again with `replaces`."
            ),
            Language::French => format!(
                "Lignes rejetées : {rejected}. L'import que le fichier remplace n'a donc pas été annulé : les conducteurs de ces lignes \
                 n'auraient plus eu de date. Les autres lignes sont importées. Corrigez le fichier entier et renvoyez-le avec \
                 `replaces`."
            ),
        });
    } else {
        return None;
    };
    Some(language.choose(english, french).to_owned())
}

/// A text in English and in French.
type Both = (&'static str, &'static str);

const ONLY_CHECKED: Both = (
    "The file was only checked, so the import that it replaces was not undone.",
    "Le fichier a seulement été vérifié : l'import qu'il remplace n'a pas été annulé.",
);

const NO_ROWS: Both = (
    "The file has no rows, so the import that it replaces was not undone.",
    "Le fichier n'a aucune ligne : l'import qu'il remplace n'a pas été annulé.",
);

const GONE: Both = (
    "The import that this file replaces is already undone, or being undone. Nothing was imported: send the file without `replaces`, or with the \
     `import_id` of a later import.",
    "L'import que ce fichier remplace est déjà annulé, ou en cours d'annulation. Rien n'a été importé : envoyez le fichier sans `replaces`, ou avec l'`import_id` \
     d'un import plus récent.",
);

const NOTHING_IMPORTED: Both = (
    "The import that this file replaces was a check or a list of drivers, which imported nothing. Nothing was imported now either: send \
     the file with the `import_id` of the import itself.",
    "L'import que ce fichier remplace était une vérification ou une liste de conducteurs, qui n'a rien importé. Rien n'a été importé \
     cette fois non plus : envoyez le fichier avec l'`import_id` de l'import lui-même.",
);

const REJECTED_ROWS: Both = (
    "The file has a column of a rejected file (line, column, reason), so it holds only some rows of the import that it replaces, and the \
     others would be undone. Nothing was imported. Send the rejected rows without `replaces`, or the whole corrected file without these \
     columns.",
    "Le fichier a une colonne d'un fichier de lignes rejetées (ligne, colonne, motif) : il ne contient qu'une partie des lignes de \
     l'import qu'il remplace, et les autres seraient annulées. Rien n'a été importé. Envoyez les lignes rejetées sans `replaces`, ou le \
     fichier entier corrigé sans ces colonnes.",
);

const ITSELF: Both = (
    "The file cannot replace its own import. Nothing was imported.",
    "Un fichier ne peut pas remplacer son propre import. Rien n'a été importé.",
);

const UNKNOWN: Both = (
    "You have no import with the import_id that this file replaces: look for the import_id in your list of imports. Nothing was \
     imported.",
    "Aucun de vos imports n'a l'import_id que ce fichier remplace : cherchez l'import_id dans la liste de vos imports. Rien n'a été \
     importé.",
);

const UNREADABLE: Both = (
    "The file's name says that the file replaces an import, but the import_id in it does not have 32 hexadecimal digits. Nothing was \
     imported.",
    "Le nom du fichier indique que le fichier remplace un import, mais l'import_id qu'il contient n'a pas 32 chiffres hexadécimaux. Rien \
     n'a été importé.",
);

/// Undoes the replaced import, once all rows of this import are written. `None`: the invocation has used its budget.
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
                // Another request undid it, not this import.
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
