//! The calls about an operator's own applications:
//!
//! | call | what it does | look in |
//! |---|---|---|
//! | `GET /v3/policies/cee` | lists them | [`list`] |
//! | `GET /v3/policies/cee/changes` | returns what has changed since a cursor | [`changes`], [`cee_registry::stores::changes`] |
//! | `GET /v3/policies/cee/{uuid}` | returns one of them | this file |
//! | `DELETE /v3/policies/cee/{uuid}` | deletes one of them | this file, [`cee_registry::protocol::delete`] |
//! | the calls below `/v3/policies/cee/exports` | request and show exports of the list as a file, which the function `export` writes | [`exports`] |
//!
//! Another operator's application is a 404, as if it did not exist: a 403 would reveal that it exists (docs/adr/0016).

use std::sync::LazyLock;

use cee_edge::application::own;
use cee_edge::{Call, Fields, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::{ApplicationId, OperatorId};
use cee_registry::{
    Applications, Changes, ChangesPlace, ChangesRead, ClaimKeys, Deleted, Deleter, Exports, ListFilter, ListPlace,
};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::Scope;
use http::{Method, StatusCode};

use crate::changes::{Changed, ChangesPage, WantedChanges};
use crate::exports::ExportCalls;
use crate::list::answer::{Entry, Page};
use crate::list::format::{Format, to_csv};
use crate::list::query::Wanted;

pub mod changes;
pub mod exports;
pub mod list;
pub mod openapi;
mod schema;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "CHANGES_TABLE",
    "JOURNEYS_TABLE",
    "EXPORTS_TABLE",
    "OPERATORS_TABLE",
    "LIMITS_TABLE",
];

/// Answers `GET /v3/policies/cee`, `GET /v3/policies/cee/changes`, `GET` and `DELETE /v3/policies/cee/{uuid}`, and the calls below
/// `/v3/policies/cee/exports`.
#[derive(Debug)]
pub struct OwnApplications {
    gate: Gate,
    clock: Clock,
    applications: Applications,
    changes: Changes,
    deleter: Deleter,
    /// Sign the cursors of lists and of changes.
    keys: ClaimKeys,
    exports: ExportCalls,
}

impl OwnApplications {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let aws = Aws::of_function(environment);
        let (db, keys) = (aws.dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::from_environment(environment, (&db, &tables), Some(&keys)).await?,
            exports: ExportCalls {
                clock: environment.clock()?,
                bucket: environment.required("BUCKET")?,
                exports: Exports::new(db.clone(), &tables),
                s3: LazyLock::new(Box::new(move || aws.s3())),
            },
            clock: environment.clock()?,
            applications: Applications::new(db.clone(), &tables),
            changes: Changes::new(db.clone(), &tables),
            deleter: Deleter::new(db, &tables, keys.clone()),
            keys,
        })
    }

    async fn list(&self, call: &Call, operator: OperatorId) -> Result<Reply, Refusal> {
        let place = |text: &str, filter: &ListFilter| ListPlace::of_cursor(text, &self.keys, operator, filter);
        let wanted = Wanted::read(call.query(), place)?;
        let (found, next) = self.applications.list(operator, &wanted.filter, wanted.after, wanted.most).await?;
        let next_cursor = next.map(|next| next.cursor(&self.keys, operator, &wanted.filter));
        let next_query = next_cursor.as_deref().map(|cursor| wanted.next_query(cursor));
        let reply = match Format::wanted(call.request().headers()) {
            Format::Json => {
                let applications: Vec<Entry> = found.into_iter().map(Entry::from).collect();
                Reply::json(StatusCode::OK, &Page { applications, next_cursor })?
            }
            Format::Csv => Reply::csv(StatusCode::OK, to_csv(&found)?),
        };
        match next_query {
            Some(query) => reply.with_next(&query),
            None => Ok(reply),
        }
    }

    async fn changes(&self, call: &Call, operator: OperatorId) -> Result<Reply, Refusal> {
        let place = |text: &str| ChangesPlace::of_cursor(text, &self.keys, operator);
        let wanted = WantedChanges::read(call.query(), place)?;
        match self.changes.read(operator, wanted.since, wanted.most, self.clock.now()).await? {
            ChangesRead::Gone => Err(Refusal::CursorExpired),
            ChangesRead::Page(page) => {
                let next_cursor = page.next.cursor(&self.keys, operator);
                let changes = page.changes.into_iter().map(Changed::from).collect();
                Reply::json(StatusCode::OK, &ChangesPage { changes, next_cursor, more: page.more })
            }
        }
    }

    /// The calls below `…/exports`; `id` is what follows it.
    async fn export(&self, call: &Call, operator: OperatorId, id: Option<&str>) -> Result<Reply, Refusal> {
        match (id, call.request().method()) {
            (None, &Method::POST) => {
                let wish = exports::read(Fields::of(call.request())?)?;
                Reply::json(StatusCode::ACCEPTED, &self.exports.request(operator, &wish).await?)
            }
            (None, _) => Reply::json(StatusCode::OK, &self.exports.list(call, operator).await?),
            (Some(id), _) => Reply::json(StatusCode::OK, &self.exports.find(operator, id).await?),
        }
    }

    async fn find(&self, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        let found = own(uuid, operator, &self.applications).await?;
        Reply::json(StatusCode::OK, &found.ok_or(Refusal::UnknownApplication)?)
    }

    async fn delete(&self, call: &Call, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        match self.deleter.delete(operator, uuid, self.clock.now(), call.deadline()).await? {
            Deleted::Done => Ok(Reply::nothing()),
            Deleted::Unknown => Err(Refusal::UnknownApplication),
        }
    }
}

impl HttpFunction for OwnApplications {
    const NAME: &'static str = "applications";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let operator = self.gate.admit(call, Scope::Register).await?.operator;
        // API Gateway sends only its routes' paths here: `/{version}/policies/cee`, the same with one more segment, or with `exports` and
        // one more segment.
        let Some(name) = call.path().splitn(5, '/').nth(4) else {
            return self.list(call, operator).await;
        };
        let is_delete = call.request().method() == Method::DELETE;
        if name == "changes" && !is_delete {
            return self.changes(call, operator).await;
        }
        let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
        if first == "exports" && !is_delete {
            return self.export(call, operator, rest).await;
        }
        let uuid = ApplicationId::parse(name).ok_or(match name {
            // The other calls under this prefix, with the method of this one.
            "changes" => Refusal::NoSuchCall { path: "/policies/cee/changes", methods: &["GET"] },
            "batch" => Refusal::NoSuchCall { path: "/policies/cee/batch", methods: &["POST"] },
            "simulate" => Refusal::NoSuchCall { path: "/policies/cee/simulate", methods: &["POST"] },
            "import" => Refusal::NoSuchCall { path: "/policies/cee/import", methods: &["POST"] },
            "exports" => Refusal::NoSuchCall { path: "/policies/cee/exports", methods: &["POST", "GET"] },
            "imports" => Refusal::NoSuchCall { path: "/policies/cee/imports", methods: &["POST", "GET"] },
            _ => Refusal::UnknownApplication,
        })?;
        if is_delete { self.delete(call, operator, uuid).await } else { self.find(operator, uuid).await }
    }
}
