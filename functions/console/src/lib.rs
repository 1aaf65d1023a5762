//! `/` and `/console`: pages for the people of an operator, who have a browser and no terminal. Made on the server, in French and in English.
//! Every page works without the script, which shows how far a file is.
//!
//! | to find | look in |
//! |---|---|
//! | which address shows which page | [`HttpFunction::answer`] of [`Console`] |
//! | the list of applications, its download, the delete | `applications` |
//! | the list of imports, new files, the undo | `files` |
//! | cookies, sessions, forms of other sites | `session` |
//! | what a page may load and send | `policy` |
//! | what the overview counts | `overview` |
//! | the texts | `words` |
//! | the pages | `pages` |
//! | how a file is sent | `pages::upload` (options), `pages::file` (the form of S3), `pages::sent`, [`Files`] |
//! | the script and the stylesheet | `assets`, `script.js`, `style.css` |
//!
//! The console holds no rule. It calls what the functions of the API call ([`SignIn`], [`Files`], [`Simulations`],
//! [`own`](cee_edge::application::own), [`Deleter`]), for the operator of the session instead of the one of a token. Every page is made for
//! one reader, and kept by no cache. A refusal has the texts of the API, with the labels of the page.

#[cfg(test)]
mod tests;

mod applications;
mod assets;
mod files;
mod overview;
mod pages;
mod policy;
mod session;
mod view;
mod words;

use cee_edge::access::Admission;
use cee_edge::problem::{BrokenRule, FieldFault, InternalError};
use cee_edge::{Call, Fields, HttpFunction, ProblemType, Refusal, Reply};
use cee_eligibility::{FieldError, Instant};
use cee_fn_access::SignIn;
use cee_fn_simulate::Simulations;
use cee_fn_uploads::{Files, read_import_id};
use cee_registry::{
    Applications, ClaimKeys, Credentials, Deleter, Imports, Operator, Operators, Proofs, Session, SessionId, Sessions,
    Simulator, Statistics,
};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::{KeySet, VerifiedProof};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, Response, StatusCode};
use lambda_http::Body;

use crate::assets::Asset;
use crate::overview::{Overview, Period};
use crate::pages::proof::Checked;
use crate::pages::refused::refused;
use crate::pages::simulate::{Said, Typed};
use crate::view::{FORM_TOKEN, SignedIn, View};
use crate::words::Text;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "CHANGES_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "CREDENTIALS_TABLE",
    "SESSIONS_TABLE",
    "LIMITS_TABLE",
    "STATISTICS_TABLE",
];

/// The first page after signing in.
const FIRST: &str = "/console/overview";

/// The number of imports, or of applications, on a page.
const LISTED: usize = 25;

/// Answers `GET /`, and `GET` and `POST` of `/console` and all that is below it. `HEAD` is answered as `GET`: the gateway leaves out the body.
#[derive(Debug)]
pub struct Console {
    sign_in: SignIn,
    sessions: Sessions,
    admission: Admission,
    files: Files,
    clock: Clock,
    applications: Applications,
    deleter: Deleter,
    /// Sign the cursors of lists.
    list_keys: ClaimKeys,
    simulations: Simulations,
    proofs: Proofs,
    statistics: Statistics,
    keys: KeySet,
}

/// A call of somebody who is signed in.
struct Signed {
    id: SessionId,
    operator: Operator,
}

impl Console {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (aws, keys) = (Aws::of_function(environment), environment.claim_keys()?);
        let db = aws.dynamodb();
        let applications = Applications::new(db.clone(), &tables);
        let simulator = Simulator::new(db.clone(), &tables, keys.clone());
        Ok(Self {
            sign_in: SignIn::new(
                environment,
                Credentials::new(db.clone(), &tables),
                Operators::new(db.clone(), &tables),
            )?,
            sessions: Sessions::new(db.clone(), &tables),
            files: Files::new(environment, aws.s3(), Imports::new(db.clone(), &tables))?,
            simulations: Simulations::new(environment, applications.clone(), simulator)?,
            clock: environment.clock()?,
            applications,
            deleter: Deleter::new(db.clone(), &tables, keys.clone()),
            list_keys: keys.clone(),
            proofs: Proofs::new(db.clone(), &tables),
            statistics: Statistics::new(db.clone(), &tables),
            keys: environment.key_set("PROOF_JWKS")?,
            admission: Admission::from_environment(environment, (&db, &tables), Some(&keys)).await?,
        })
    }

    /// The signed-in operator: none without a cookie, or with the cookie of a session that has ended. The session of an operator that may not call
    /// any more ends here: otherwise its browser would get neither the public pages nor the form for signing in.
    async fn signed(&self, call: &Call) -> Result<Option<Signed>, Refusal> {
        let Some(id) = session::session_id(call.request().headers()) else { return Ok(None) };
        let Some(session) = self.sessions.find(&id, machine_now()).await? else { return Ok(None) };
        call.note_caller(session.operator);
        match self.admission.admit(call, session.operator, None).await {
            Ok(operator) => Ok(Some(Signed { id, operator })),
            Err(Refusal::OperatorNotAdmitted(_)) => {
                self.sessions.end(&id).await?;
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn route(&self, call: &Call, view: &mut View) -> Result<Reply, Refusal> {
        let is_post = call.request().method() == Method::POST;
        if is_post && !session::is_own_form(call.request().headers()) {
            return Ok(foreign(view));
        }
        if let (false, Some(id)) = (is_post, call.path().strip_prefix("/console/sent/")) {
            let id = read_import_id(id).ok_or(Refusal::UnknownImport)?;
            return Ok(html(pages::sent::sent(view, &id.to_string())));
        }
        match (is_post, call.path()) {
            (false, "") => return Ok(html(pages::home::home(view))),
            (true, "/console/sign-in") => return self.begin(call, view).await,
            _ => {}
        }
        let signed = self.signed(call).await?;
        if let Some(Signed { id, operator }) = &signed {
            view.signed_in = Some(SignedIn { operator: operator.name.clone(), form_token: id.form_token() });
        }
        match (is_post, call.path()) {
            (false, "/console/proof") => return Ok(html(pages::proof::proof(view, &Checked::Nothing))),
            (true, "/console/proof") => return self.check_proof(call, view).await,
            (false, "/console/sign-in") if signed.is_none() => {
                let has_ended = call.query().value(session::ENDED).is_some();
                let why = has_ended.then(|| (view.t(Text::SessionEnded), view.t(Text::SessionEndedDetail)));
                return Ok(html(pages::sign_in::sign_in(view, why)));
            }
            _ => {}
        }
        let Some(signed) = signed else {
            // Without a word, the sender of a form would believe that it was carried out.
            let is_lost = is_post && call.path() != "/console/sign-out";
            return Ok(Reply::see_other(if is_lost { session::SIGN_IN_AGAIN } else { "/console/sign-in" }));
        };
        match (is_post, call.path()) {
            (false, "/console" | "/console/sign-in") => Ok(Reply::see_other(FIRST)),
            (true, "/console/sign-out") => self.end(call, view, &signed).await,
            (false, "/console/overview") => self.overview(call, view, &signed).await,
            (false, "/console/files") => self.list(call, view, &signed).await,
            (false, "/console/upload") => self.choose(call, view).await,
            (true, "/console/upload") => self.upload(call, view, &signed).await,
            (false, "/console/take-back") => self.ask_take_back(call, view, &signed).await,
            (true, "/console/take-back") => self.take_back(call, view, &signed).await,
            (false, "/console/applications") => self.applications(call, view, &signed).await,
            (false, "/console/applications.csv") => self.download(call, view, &signed).await,
            (false, "/console/application") => self.application(call, view, &signed).await,
            (false, "/console/delete") => self.ask_delete(call, view, &signed).await,
            (true, "/console/delete") => self.delete(call, view, &signed).await,
            (false, "/console/simulate") => {
                Ok(html(pages::simulate::simulate(view, &Typed::default(), &Said::Nothing)))
            }
            (true, "/console/simulate") => self.simulate(call, view, &signed).await,
            (false, path) => match path.strip_prefix("/console/files/") {
                Some(id) => match id.split_once('/') {
                    Some((id, what)) => self.left(view, &signed, id, what).await,
                    None => self.file(call, view, &signed, id).await,
                },
                None => Ok(no_such_page(view)),
            },
            (true, _) => Ok(no_such_page(view)),
        }
    }

    /// Signs in. The operator of an earlier session of this browser is signed out.
    async fn begin(&self, call: &Call, view: &View) -> Result<Reply, Refusal> {
        let read = Fields::of_form(call.request()).and_then(cee_fn_access::read);
        let signed_in = match read {
            Ok(pair) => self.sign_in.operator(call, pair).await,
            Err(refusal) => Err(refusal),
        };
        let operator = match signed_in {
            Ok(operator) => operator,
            Err(refusal) if is_for_person(&refusal) => {
                let (title, detail) = texts(&refusal, view);
                let page = pages::sign_in::sign_in(view, Some((title, detail.as_str())));
                return Ok(with_retry(Reply::page(status(&refusal), page), &refusal));
            }
            Err(refusal) => return Err(refusal),
        };
        if let Some(earlier) = session::session_id(call.request().headers()) {
            self.sessions.end(&earlier).await?;
        }
        let impossible = |what| Refusal::Internal(InternalError::Impossible(what));
        let id = SessionId::generate().map_err(|_| impossible("a system without randomness"))?;
        // Sessions end in real time, even if the registry's clock is pinned.
        let ends = Instant::from_millis(machine_now().millis() + session::LASTS_SECONDS * 1000);
        let expires_at = ends.ok_or(impossible("a session beyond all dates"))?;
        self.sessions.begin(&id, Session { operator: operator.id, expires_at }).await?;
        let cookie = session::begin(&id).ok_or(impossible("a cookie that is not a header value"))?;
        Ok(Reply::see_other(FIRST).with_header(SET_COOKIE, cookie))
    }

    /// Signs out: from this moment on the session's id is worth nothing, also to somebody who copied it.
    async fn end(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let Some(_) = own_fields(call, signed)? else { return Ok(foreign(view)) };
        self.sessions.end(&signed.id).await?;
        let reply = Reply::see_other("/console/sign-in");
        Ok(match session::end() {
            Some(cookie) => reply.with_header(SET_COOKIE, cookie),
            None => reply,
        })
    }

    /// The operator's numbers of some weeks, and its imports in progress among the latest.
    async fn overview(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let query = call.query();
        let (operator, now) = (signed.operator.id, self.clock.now());
        let period = Period::read(query.value("weeks"), query.value("to"), now);
        let weeks = (period.first(), period.last());
        let (found, counted_at) = self.statistics.of_operator(operator, weeks, call.deadline()).await?;
        let list = self.files.list(operator, (None, LISTED), call.deadline()).await?;
        let overview = Overview::new(period, &found, counted_at, now);
        Ok(html(pages::overview::overview(view, &overview, &list)))
    }

    async fn simulate(&self, call: &Call, view: &View, signed: &Signed) -> Result<Reply, Refusal> {
        let Some(fields) = own_fields(call, signed)? else { return Ok(foreign(view)) };
        let typed = Typed {
            journey_type: fields.text("journey_type"),
            last_name_trunc: fields.text("last_name_trunc"),
            phone_trunc: fields.text("phone_trunc"),
            driving_license: fields.text("driving_license"),
            identity_key: fields.text("identity_key"),
        };
        let asked = match cee_fn_simulate::read(fields) {
            Ok(question) => self.simulations.ask(question, signed.operator.id, call.deadline()).await,
            Err(refusal) => Err(refusal),
        };
        let (status, said) = match asked {
            Ok(_) => (StatusCode::OK, Said::Eligible),
            Err(refusal) if is_for_person(&refusal) => {
                let (title, detail) = texts(&refusal, view);
                (status(&refusal), Said::Refused(title.to_owned(), detail))
            }
            Err(refusal) => return Err(refusal),
        };
        Ok(Reply::page(status, pages::simulate::simulate(view, &typed, &said)))
    }

    async fn check_proof(&self, call: &Call, view: &View) -> Result<Reply, Refusal> {
        let token = Fields::of_form(call.request())?.text("token");
        // A mail program breaks long lines; a proof has no space.
        let token: String = token.split_whitespace().collect();
        let checked = match VerifiedProof::verify(&token, &self.keys) {
            Err(error) => Checked::Not(error),
            Ok(proof) => {
                let state = self.proofs.state(proof.uuid).await?;
                Checked::Proof(Box::new(proof), state)
            }
        };
        Ok(html(pages::proof::proof(view, &checked)))
    }
}

/// The fields of a form of the session's pages; `None` if another page made it.
fn own_fields(call: &Call, signed: &Signed) -> Result<Option<Fields>, Refusal> {
    let mut fields = Fields::of_form(call.request())?;
    let token = fields.take_text(FORM_TOKEN);
    Ok(token.is_some_and(|token| signed.id.is_form_token(&token)).then_some(fields))
}

fn html(page: String) -> Reply {
    Reply::page(StatusCode::OK, page)
}

/// A form that was not made by a page of the session.
fn foreign(view: &View) -> Reply {
    let detail = format!("{} {}", view.t(Text::ForeignFormDetail), view.t(Text::Back));
    Reply::page(StatusCode::FORBIDDEN, refused(view, view.t(Text::ForeignForm), &detail, None))
}

fn no_such_page(view: &View) -> Reply {
    Reply::page(StatusCode::NOT_FOUND, refused(view, view.t(Text::NoSuchPage), "", None))
}

/// Whether a refusal is an answer to what a person typed. Any other refusal is one of the page as a whole.
fn is_for_person(refusal: &Refusal) -> bool {
    refusal.problem_type().status().is_client_error()
}

/// The status of a page about a refusal. A 401 would ask the browser for a way to authenticate that it does not have.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.problem_type().status() {
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        status => status,
    }
}

/// The texts of the API about a refusal. Faults of a form name the labels of its fields: a person sees neither a body nor a query.
fn texts(refusal: &Refusal, view: &View) -> (&'static str, String) {
    match refusal {
        Refusal::InvalidFields(faults) | Refusal::InvalidQuery(faults) => {
            let faults: Vec<String> = faults.iter().map(|fault| of_form(fault, view)).collect();
            (view.t(Text::InvalidForm), faults.join(view.language.choose("; ", "\u{a0}; ")))
        }
        _ => (refusal.problem_type().title(view.language), refusal.detail(view.language)),
    }
}

/// What is wrong with a field of a form, or with an address.
fn of_form(FieldFault { pointer, rule }: &FieldFault, view: &View) -> String {
    let message = match rule {
        BrokenRule::Cursor | BrokenRule::CursorOfFilter => return view.t(Text::OtherList).to_owned(),
        BrokenRule::After(_) => view.t(Text::LaterDay).to_owned(),
        BrokenRule::Field(FieldError::Bound) => view.t(Text::WantedDay).to_owned(),
        rule => rule.message(view.language),
    };
    let name = pointer.trim_start_matches('/');
    match words::field(name) {
        Some(label) => words::about(view.t(label), &message, view.language),
        None => format!("{name} {message}"),
    }
}

/// The page of a refusal that no other page shows.
fn whole_page(refusal: &Refusal, view: &View, call: Option<&str>) -> Reply {
    let (title, detail) = texts(refusal, view);
    with_retry(Reply::page(status(refusal), refused(view, title, &detail, call)), refusal)
}

fn with_retry(reply: Reply, refusal: &Refusal) -> Reply {
    match refusal.retry_after() {
        Some(seconds) => reply.with_header(RETRY_AFTER, HeaderValue::from(seconds)),
        None => reply,
    }
}

/// A page's headers beside those of every response.
fn finish(reply: Reply, view: &View) -> Reply {
    let headers = policy::headers(view.bucket.as_deref());
    let reply = headers.into_iter().fold(reply, |reply, (name, value)| reply.with_header(name, value));
    let reply = reply.in_language(view.language);
    match session::keep_language(view.language).filter(|_| view.is_chosen_now) {
        Some(cookie) => reply.with_header(SET_COOKIE, cookie),
        None => reply,
    }
}

impl HttpFunction for Console {
    const NAME: &'static str = "console";
    const IS_VERSIONED: bool = false;

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        if let Some(asset) = Asset::at(call.path()) {
            let keep = "public, max-age=31536000, immutable";
            return Ok(Reply::public(asset.content.to_owned(), asset.content_type, keep));
        }
        let mut view = View::of(call);
        let reply = match self.route(call, &mut view).await {
            // With the menu: without it, the page would look as if the session had ended.
            Err(refusal) if view.signed_in.is_some() && is_for_person(&refusal) => whole_page(&refusal, &view, None),
            answered => answered?,
        };
        Ok(finish(reply, &view))
    }

    fn refused(&self, call: &Call, refusal: Refusal) -> Response<Body> {
        let view = View::of(call);
        let failed = refusal.problem_type() == ProblemType::Internal;
        finish(whole_page(&refusal, &view, failed.then(|| call.id())), &view).into_response()
    }
}
