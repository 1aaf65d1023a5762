//! The calls about files: the list of imports, the form for a new file, one import, and the undo.

use cee_edge::problem::InternalError;
use cee_edge::{Call, Refusal, Reply};
use cee_fn_uploads::{Import, read_form, read_import_id};
use cee_history::RejectedTable;
use cee_registry::{Cursor, ImportId};
use http::HeaderValue;
use http::header::HOST;

use crate::pages::file::Place;
use crate::pages::upload::{Chosen, address};
use crate::view::{FORM_NUMBER, View};
use crate::{
    Console, LISTED, Signed, foreign, html, is_for_person, no_such_page, own_fields, pages, status, texts, with_retry,
};

/// How much of a file of rejected rows a page reads and shows: a page stays below 100 KB.
const REJECTED_BYTES: usize = 32 * 1024;
const REJECTED_ROWS: usize = 50;

impl Console {
    pub(super) async fn list(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        // A cursor that is not one shows the first page, as an address that was cut off does.
        let after = call.query().value("cursor").and_then(Cursor::parse);
        let list = self.files.list(signed.operator.id, (after, LISTED), call.deadline()).await?;
        Ok(html(pages::files::files(view, &list, after.is_none())))
    }

    /// The form for a new file.
    pub(super) async fn choose(&self, call: &Call, view: &mut View) -> Result<Reply, Refusal> {
        view.bucket = Some(self.files.bucket_url().await?);
        let query = call.query();
        let replaces = query.value("replaces").and_then(read_import_id).map(|id| id.to_string());
        let is_import = query.value("check").is_none() && (replaces.is_some() || query.value("import").is_some());
        let chosen = Chosen { form_number: call.id().to_owned(), replaces, is_import, ..Chosen::default() };
        if let Err(refusal) = self.files.check_open(false) {
            let (title, detail) = texts(&refusal, view);
            let page = pages::upload::upload(view, &chosen, Some((title, detail.as_str())));
            return Ok(Reply::page(status(&refusal), page));
        }
        Ok(html(pages::upload::upload(view, &chosen, None)))
    }

    /// Awaits a new file. The page of its import has the form that sends it. A form that is sent twice has one import.
    pub(super) async fn upload(&self, call: &Call, view: &mut View, signed: &Signed) -> Result<Reply, Refusal> {
        let Some(mut fields) = own_fields(call, signed)? else { return Ok(foreign(view)) };
        let wanted = fields.take_text(FORM_NUMBER).map(|number| signed.id.import_id(&number));
        let chosen = Chosen {
            form_number: call.id().to_owned(),
            replaces: read_import_id(&fields.text("replaces")).map(|id| id.to_string()),
            is_import: fields.text("check_only") == "false",
            dates_confirmed: !fields.text("dates_confirmed").is_empty(),
            file_name: fields.text("file_name"),
        };
        let awaited = match read_form(fields, view.language) {
            Ok(upload) => self.files.await_form(signed.operator.id, &upload, wanted).await,
            Err(refusal) => Err(refusal),
        };
        match awaited {
            Ok(id) => see_import(id),
            Err(refusal) if is_for_person(&refusal) => {
                view.bucket = Some(self.files.bucket_url().await?);
                view.switch_to(&address(chosen.replaces.as_deref(), chosen.is_import));
                let (title, detail) = texts(&refusal, view);
                let page = pages::upload::upload(view, &chosen, Some((title, detail.as_str())));
                Ok(Reply::page(status(&refusal), page))
            }
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) async fn ask_take_back(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let id = call.query().value("import_id").and_then(read_import_id).ok_or(Refusal::UnknownImport)?;
        let import = self.files.find(signed.operator.id, id).await?;
        Ok(html(pages::take_back::take_back(view, &import, None)))
    }

    pub(super) async fn take_back(&self, call: &Call, view: &mut View, signed: &Signed) -> Result<Reply, Refusal> {
        let Some(fields) = own_fields(call, signed)? else { return Ok(foreign(view)) };
        let id = read_import_id(&fields.text("import_id")).ok_or(Refusal::UnknownImport)?;
        let taken = match self.files.check_take_back_open() {
            Ok(()) => self.files.take_back(signed.operator.id, id).await,
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok(_) => see_import(id),
            Err(refusal @ Refusal::UnknownImport) => Err(refusal),
            Err(refusal) if is_for_person(&refusal) => {
                let import = self.files.find(signed.operator.id, id).await?;
                view.switch_to(&format!("/console/take-back?import_id={id}"));
                let (title, detail) = texts(&refusal, view);
                let page = pages::take_back::take_back(view, &import, Some((title, detail.as_str())));
                Ok(with_retry(Reply::page(status(&refusal), page), &refusal))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The state of the upload of an import's file.
    async fn place(&self, call: &Call, import: &Import) -> Result<Place, Refusal> {
        if import.state != "awaiting_upload" {
            return Ok(Place::None);
        }
        if import.arrived || call.query().value("sent").is_some() {
            // S3 reports a file within seconds, but such an address may be opened at any time.
            return Ok(if import.late { Place::Missing } else { Place::Sent });
        }
        let sent = format!("{}/console/sent/{}", own_origin(call), import.import_id);
        Ok(match self.files.form(import, &sent).await? {
            Some(form) => Place::Open(form),
            None => Place::Over,
        })
    }

    /// Leads to a file that an import has left, by a link to S3 that is signed now.
    pub(super) async fn left(&self, view: &View, signed: &Signed, id: &str, what: &str) -> Result<Reply, Refusal> {
        let id = read_import_id(id).ok_or(Refusal::UnknownImport)?;
        let import = self.files.find(signed.operator.id, id).await?;
        let link = match what {
            "answers" => import.answers_url,
            "rejected" => import.rejected_rows_url,
            "report" => import.report_url,
            _ => None,
        };
        let link = link.and_then(|link| HeaderValue::from_str(&link).ok());
        Ok(link.map_or_else(|| no_such_page(view), Reply::see_other_at))
    }

    pub(super) async fn file(&self, call: &Call, view: &mut View, signed: &Signed, id: &str) -> Result<Reply, Refusal> {
        let id = read_import_id(id).ok_or(Refusal::UnknownImport)?;
        let import = self.files.find(signed.operator.id, id).await?;
        let rejected = self.files.rejected_rows(&import, REJECTED_BYTES).await?;
        let rejected = rejected.map(|(bytes, is_cut)| {
            let mut table = RejectedTable::read(&bytes, REJECTED_ROWS + 1);
            let has_more = is_cut || table.rows.len() > REJECTED_ROWS;
            table.rows.truncate(REJECTED_ROWS);
            (table, has_more)
        });
        let place = self.place(call, &import).await?;
        if let Place::Open(form) = &place {
            view.bucket = Some(form.url.clone());
        }
        Ok(html(pages::file::file(view, &import, &rejected, &place)))
    }
}

/// The page of an import.
fn see_import(id: ImportId) -> Result<Reply, Refusal> {
    let path = HeaderValue::from_str(&format!("/console/files/{id}"));
    let impossible = |_| Refusal::Internal(InternalError::Impossible("an id that is not a header value"));
    Ok(Reply::see_other_at(path.map_err(impossible)?))
}

/// The scheme and the host under which the browser reached this page. API Gateway sends no call for another host here.
fn own_origin(call: &Call) -> String {
    let header = |name: &str| call.request().headers().get(name).and_then(|value| value.to_str().ok());
    let scheme = if header("x-forwarded-proto") == Some("http") { "http" } else { "https" };
    format!("{scheme}://{}", header(HOST.as_str()).unwrap_or_default())
}
