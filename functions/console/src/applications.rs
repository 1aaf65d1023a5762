//! The calls about applications: a list with a filter, its download, one of them, and the delete.

use cee_edge::application::own;
use cee_edge::{Call, Refusal, Reply};
use cee_eligibility::ApplicationId;
use cee_fn_applications::list::answer::Entry;
use cee_fn_applications::list::format::to_csv_for_spreadsheet;
use cee_fn_applications::list::query::Wanted;
use cee_registry::{Deleted, ListFilter, ListPlace, MOST_ON_A_PAGE};
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, StatusCode};

use crate::pages::application::Found;
use crate::pages::applications::{Filter, Listed};
use crate::pages::refused::refused;
use crate::view::View;
use crate::words::Text;
use crate::{Console, LISTED, Signed, foreign, html, own_fields, pages, status, texts};

/// The parameters of a filter of applications.
const FILTER: [&str; 4] = ["journey_type", "status", "from", "to"];

/// The number of applications that a download holds at most: read by a few requests.
const DOWNLOADED: usize = 10 * MOST_ON_A_PAGE;

/// The bytes of a download in the response of the function, at most: Lambda takes 6 MB (6,291,556 bytes) with everything around it.
const DOWNLOADED_BYTES: usize = 6_000_000;

impl Console {
    /// The filter in a query. Empty fields of a form are not part of the filter, and neither are the parameters of the page.
    fn wanted(&self, call: &Call, signed: &Signed) -> Result<Wanted, Refusal> {
        let place =
            |text: &str, filter: &ListFilter| ListPlace::of_cursor(text, &self.list_keys, signed.operator.id, filter);
        let is_wanted = |name: &str, value: &str| (name == "cursor" || FILTER.contains(&name)) && !value.is_empty();
        Wanted::read(call.query().only(is_wanted), place)
    }

    pub(super) async fn applications(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let query = call.query().only(|name, value| FILTER.contains(&name) && !value.is_empty());
        let text = |name: &str| query.value(name).unwrap_or_default().to_owned();
        let [journey_type, status_text, from, to] = FILTER.map(text);
        let filter = Filter { journey_type, status: status_text, from, to };
        let wanted = match self.wanted(call, signed) {
            Ok(wanted) => Wanted { most: LISTED, ..wanted },
            Err(refusal) => {
                let (title, detail) = texts(&refusal, view);
                let page = pages::applications::applications(view, &filter, Err((title, detail.as_str())));
                return Ok(Reply::page(status(&refusal), page));
            }
        };
        let operator = signed.operator.id;
        let (found, next) = self.applications.list(operator, &wanted.filter, wanted.after, wanted.most).await?;
        let whole = form_urlencoded::Serializer::new(String::new()).extend_pairs(query.pairs()).finish();
        // The filter as it was typed: the form of the next page shows a day, and would show a moment as no day.
        let next = next.map(|next| {
            let cursor = next.cursor(&self.list_keys, operator, &wanted.filter);
            form_urlencoded::Serializer::new(whole.clone()).append_pair("cursor", &cursor).finish()
        });
        let listed = Listed { entries: found.into_iter().map(Entry::from).collect(), query: whole, next };
        Ok(html(pages::applications::applications(view, &filter, Ok(&listed))))
    }

    /// The whole list as CSV for a spreadsheet. Never a part of it without saying so.
    pub(super) async fn download(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let Wanted { filter, mut after, .. } = self.wanted(call, signed)?;
        let mut listed = Vec::new();
        let csv = loop {
            let (found, next) = self.applications.list(signed.operator.id, &filter, after, MOST_ON_A_PAGE).await?;
            listed.extend(found);
            after = next;
            if listed.len() > DOWNLOADED || (after.is_some() && call.deadline().has_passed()) {
                break None;
            }
            if after.is_none() {
                break Some(to_csv_for_spreadsheet(&listed, view.language)?)
                    .filter(|csv| bytes_in_json(csv) <= DOWNLOADED_BYTES);
            }
        };
        let Some(csv) = csv else {
            let (title, detail) = (view.t(Text::ListTooLong), view.t(Text::ListTooLongDetail));
            return Ok(Reply::page(StatusCode::PAYLOAD_TOO_LARGE, refused(view, title, detail, None)));
        };
        let name = HeaderValue::from_static("attachment; filename=\"applications.csv\"");
        Ok(Reply::csv(StatusCode::OK, csv).with_header(CONTENT_DISPOSITION, name))
    }

    pub(super) async fn ask_delete(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let uuid = call.query().value("uuid").and_then(ApplicationId::parse).ok_or(Refusal::UnknownApplication)?;
        let found = own(uuid, signed.operator.id, &self.applications).await?.ok_or(Refusal::UnknownApplication)?;
        Ok(html(pages::application::delete(view, &found)))
    }

    pub(super) async fn delete(&self, call: &Call, view: &mut View, signed: &Signed) -> Result<Reply, Refusal> {
        let Some(fields) = own_fields(call, signed)? else { return Ok(foreign(view)) };
        let uuid = ApplicationId::parse(&fields.text("uuid")).ok_or(Refusal::UnknownApplication)?;
        match self.deleter.delete(signed.operator.id, uuid, self.clock.now(), call.deadline()).await? {
            Deleted::Done => {
                view.switch_to("/console/application");
                Ok(html(pages::application::application(view, "", &Found::Deleted)))
            }
            Deleted::Unknown => Err(Refusal::UnknownApplication),
        }
    }

    pub(super) async fn application(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let query = call.query();
        let Some(text) = query.value("uuid").map(str::trim) else {
            return Ok(html(pages::application::application(view, "", &Found::Nothing)));
        };
        let found = match ApplicationId::parse(text) {
            Some(uuid) => own(uuid, signed.operator.id, &self.applications).await?,
            None => None,
        };
        // Another operator's application is as unknown as one that never was.
        Ok(match found {
            Some(application) => html(pages::application::application(view, text, &Found::Application(&application))),
            None => {
                let (title, detail) = texts(&Refusal::UnknownApplication, view);
                let page = pages::application::application(view, text, &Found::Refused(title, &detail));
                Reply::page(StatusCode::NOT_FOUND, page)
            }
        })
    }
}

/// The bytes of a text in JSON, in which a function returns its response, if it has no control characters but line ends.
pub(crate) fn bytes_in_json(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n')).count()
}
