//! The first reading of a file, before its first row is written: it decides what only the whole file shows.

use cee_history::{Dates, Row, Survey, Verdict, catalogue};
use cee_service::clock::machine_now;
use cee_service::metrics::Metric;
use cee_service::objects::ObjectError;
use tokio::time::Instant as Moment;

use crate::context::ImportError;
use crate::drivers;
use crate::file::run::{PAUSE, Run};
use crate::replace::{self, Replaces};

/// How a survey ended.
pub(super) enum SurveyEnd {
    /// The file can be read.
    Done(Verdict),
    /// The file is refused.
    Refused(String),
    /// The invocation has used its budget.
    Paused,
}

impl Run<'_> {
    /// Reads the file once from beginning to end, for what only the whole file shows.
    pub(super) async fn survey<R: Row>(&mut self) -> Result<SurveyEnd, ImportError> {
        let mut object = match self.open().await? {
            Ok(object) => object,
            Err(why) => return Ok(SurveyEnd::Refused(why.to_owned())),
        };
        let said = Dates::confirmed_if(self.hold.wishes().dates_confirmed);
        let mut survey = Survey::<R>::new(said.or(Dates::of_name(&self.file.key)));
        let mut last = Moment::now();
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|_| ObjectError::body())?;
            survey.push(&chunk);
            loop {
                match survey.read() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(refusal) => return Ok(SurveyEnd::Refused(catalogue::file(&refusal, self.language))),
                }
            }
            if self.budget.is_over(0) {
                return Ok(SurveyEnd::Paused);
            }
            if last.elapsed() >= PAUSE {
                // Nothing in the checkpoint has changed but the time: writing it renews the lease.
                self.note_work();
                self.context.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
                self.kept = self.checkpoint.clone();
                last = Moment::now();
            }
        }
        Ok(match survey.verdict() {
            Ok(verdict) => {
                let (worker, language) = (self.reported.worker(), self.language);
                let refusal = replace::refusal(self.context, self.file, (self.hold, worker), &verdict, language);
                if let Some(why) = refusal.await? {
                    return Ok(SurveyEnd::Refused(why));
                }
                let rows = verdict.surveyed().rows;
                // Not if it is only checked: then nothing is asked.
                if self.checkpoint.progress.counts.is_of_drivers() {
                    let (context, file, how) = (self.context, self.file, (self.language, self.budget.deadline));
                    if let Some(why) = drivers::refusal(context, file, rows, how).await? {
                        self.reported.count(context, Metric::DriverListsRefused);
                        return Ok(SurveyEnd::Refused(why));
                    }
                }
                self.checkpoint.progress.rows_total = Some(rows);
                self.checkpoint.verdict = Some(verdict.clone());
                self.kept = self.checkpoint.clone();
                // Once rows are written, the state of the import to be replaced can no longer refuse the file.
                if Replaces::of(self.file, self.hold) != Replaces::Nothing {
                    self.context.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
                }
                SurveyEnd::Done(verdict)
            }
            Err(refusal) => SurveyEnd::Refused(catalogue::file(&refusal, self.language)),
        })
    }
}
