//! The functions, in this process or as processes of their own, with the routes and time limits of the template.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_stand_in::gateway::Route;
use aws_stand_in::invoke::{Function, InProcess, InvokeError, Invoker};
use aws_stand_in::runtime_api::Process;
use cee_edge::HttpFunction;
use cee_fn_access::Access;
use cee_fn_applications::OwnApplications;
use cee_fn_audit::{AuditEvent, AuditFunction};
use cee_fn_batches::Batches;
use cee_fn_console::Console;
use cee_fn_export::ExportFunction;
use cee_fn_import::ImportFunction;
use cee_fn_public::Public;
use cee_fn_register::Register;
use cee_fn_simulate::Simulate;
use cee_fn_uploads::Uploads;
use cee_registry::EXPORT_NOTES;
use cee_service::event::Event;
use cee_service::{Environment, Metrics, SettingError};
use futures_util::future::BoxFuture;
use http::Method;
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use serde_json::Value;

use crate::error::Error;
use crate::settings::{
    ACCESS, APPLICATIONS, AUDIT, BATCHES, CONSOLE, EXPORT, Given, IMPORT, PUBLIC, REGISTER, SIMULATE, Settings, UPLOADS,
};

/// The time limit of an invocation of a function behind HTTP, as in the template.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of an invocation of the import or the export function, as in the template.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(900);
/// The time limit of an invocation of the audit function, as in the template.
pub const AUDIT_TIMEOUT: Duration = Duration::from_secs(180);
/// The time between two invocations of the audit function by its schedule, as in the template.
pub const AUDIT_EVERY: Duration = Duration::from_secs(15 * 60);

/// The binaries of all functions.
pub const BINARIES: [&str; 11] = [
    "cee-simulate",
    "cee-register",
    "cee-applications",
    "cee-batches",
    "cee-uploads",
    "cee-access",
    "cee-public",
    "cee-console",
    "cee-import",
    "cee-export",
    "cee-audit",
];

/// The console's routes. Each form has its own, as the form for signing in has a limit of its own: a route for all of them would also take
/// another spelling of its path, such as one with a `/` at its end, without the limit.
pub const PAGES: [(Method, &str); 13] = [
    (Method::GET, "/"),
    (Method::GET, "/console"),
    (Method::GET, "/console/{page+}"),
    (Method::HEAD, "/"),
    (Method::HEAD, "/console"),
    (Method::HEAD, "/console/{page+}"),
    (Method::POST, "/console/sign-in"),
    (Method::POST, "/console/sign-out"),
    (Method::POST, "/console/simulate"),
    (Method::POST, "/console/proof"),
    (Method::POST, "/console/upload"),
    (Method::POST, "/console/take-back"),
    (Method::POST, "/console/delete"),
];

/// The reference page, of the public function. No call of the interface.
pub const REFERENCE: [(Method, &str); 2] = [(Method::GET, "/docs"), (Method::HEAD, "/docs")];

/// The request that a browser sends before the call of a page of another site (CORS preflight). No call of the interface.
pub const PREFLIGHT: (Method, &str) = (Method::OPTIONS, "/{version}/{call+}");

/// Where the functions run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// In this process.
    #[default]
    InProcess,
    /// As the compiled binaries in this folder, each a separate process behind a Lambda Runtime API.
    Binaries(PathBuf),
}

/// Starts functions, here or as processes.
pub(crate) struct Starter<'a> {
    pub(crate) functions: &'a Functions,
    pub(crate) settings: &'a Settings,
    pub(crate) processes: Vec<Arc<Process>>,
}

impl Starter<'_> {
    /// The console's routes of the template: pages, which the document of the interface does not describe.
    pub(crate) async fn pages(&mut self) -> Result<Vec<Route>, Error> {
        let console = self.http(&CONSOLE, async |env| Console::from_environment(&env).await).await?;
        let route =
            |(method, path): (Method, &str)| Route { method, path: path.to_owned(), invoker: Arc::clone(&console) };
        Ok(PAGES.map(route).into())
    }

    /// The routes of the template that the interface consists of.
    pub(crate) async fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let simulate = self.http(&SIMULATE, async |env| Simulate::from_environment(&env).await).await?;
        let register = self.http(&REGISTER, async |env| Register::from_environment(&env).await).await?;
        let applications = self.http(&APPLICATIONS, async |env| OwnApplications::from_environment(&env).await).await?;
        let batches = self.http(&BATCHES, async |env| Batches::from_environment(&env).await).await?;
        let uploads = self.http(&UPLOADS, async |env| Uploads::from_environment(&env).await).await?;
        let access = self.http(&ACCESS, async |env| Access::from_environment(&env).await).await?;
        let public = self.http(&PUBLIC, async |env| Public::from_environment(&env)).await?;
        let route = |method, path: &str, invoker: &Arc<dyn Invoker>| Route {
            method,
            path: path.to_owned(),
            invoker: Arc::clone(invoker),
        };
        let [page, page_head] = REFERENCE;
        Ok(vec![
            route(Method::POST, "/{version}/policies/cee/simulate", &simulate),
            route(Method::POST, "/{version}/policies/cee", &register),
            route(Method::POST, "/{version}/policies/cee/batch", &register),
            route(Method::GET, "/{version}/policies/cee", &applications),
            route(Method::GET, "/{version}/policies/cee/changes", &applications),
            route(Method::GET, "/{version}/policies/cee/{uuid}", &applications),
            route(Method::DELETE, "/{version}/policies/cee/{uuid}", &applications),
            route(Method::POST, "/{version}/policies/cee/exports", &applications),
            route(Method::GET, "/{version}/policies/cee/exports", &applications),
            route(Method::GET, "/{version}/policies/cee/exports/{export_id}", &applications),
            route(Method::POST, "/{version}/policies/cee/import", &batches),
            route(Method::POST, "/{version}/policies/cee/import/identity", &batches),
            route(Method::POST, "/{version}/policies/cee/imports", &uploads),
            route(Method::GET, "/{version}/policies/cee/imports", &uploads),
            route(Method::GET, "/{version}/policies/cee/imports/{import_id}", &uploads),
            route(Method::DELETE, "/{version}/policies/cee/imports/{import_id}", &uploads),
            route(Method::POST, "/{version}/auth/access_token", &access),
            route(Method::GET, "/{version}/.well-known/jwks.json", &public),
            route(Method::GET, "/{version}/openapi.json", &public),
            route(Method::GET, "/{version}/health", &public),
            route(Method::GET, "/{version}/proofs/{uuid}", &public),
            route(Method::HEAD, "/{version}/.well-known/jwks.json", &public),
            route(Method::HEAD, "/{version}/openapi.json", &public),
            route(Method::HEAD, "/{version}/health", &public),
            route(Method::HEAD, "/{version}/proofs/{uuid}", &public),
            route(PREFLIGHT.0, PREFLIGHT.1, &public),
            route(page.0, page.1, &public),
            route(page_head.0, page_head.1, &public),
        ])
    }

    /// A function behind HTTP with the settings that the template gives it: here or as a process.
    async fn http<F: HttpFunction>(
        &mut self,
        given: &Given,
        start: impl AsyncFnOnce(Environment) -> Result<F, SettingError>,
    ) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary(given, HTTP_TIMEOUT).await? {
            return Ok(process);
        }
        let environment = self.settings.environment(given);
        let metrics = environment.metrics();
        let function = start(environment).await.map_err(|error| Error::Function(error.to_string()))?;
        Ok(http_function(function, metrics))
    }

    /// The functions that S3 invokes: export for notes of exports, import for everything else.
    pub(crate) async fn of_bucket(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        Ok(Arc::new(OfBucket { import: self.import().await?, export: self.export().await? }))
    }

    async fn export(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary(&EXPORT, IMPORT_TIMEOUT).await? {
            return Ok(process);
        }
        let export = ExportFunction::from_environment(&self.settings.environment(&EXPORT))
            .map_err(|error| Error::Function(error.to_string()))?;
        let service = lambda_runtime::service_fn(move |event| {
            let export = export.clone();
            async move { export.handle(event).await }
        });
        Ok(Arc::new(InProcess::<_, Event>::new(service, Function::new("cee-export", IMPORT_TIMEOUT))))
    }

    async fn import(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary(&IMPORT, IMPORT_TIMEOUT).await? {
            return Ok(process);
        }
        let import = ImportFunction::from_environment(&self.settings.environment(&IMPORT))
            .await
            .map_err(|error| Error::Function(error.to_string()))?;
        let service = lambda_runtime::service_fn(move |event| {
            let import = import.clone();
            async move { import.handle(event).await }
        });
        Ok(Arc::new(InProcess::<_, Event>::new(service, Function::new("cee-import", IMPORT_TIMEOUT))))
    }

    pub(crate) async fn audit(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary(&AUDIT, AUDIT_TIMEOUT).await? {
            return Ok(process);
        }
        let audit = AuditFunction::from_environment(&self.settings.environment(&AUDIT))
            .await
            .map_err(|error| Error::Function(error.to_string()))?;
        let service = lambda_runtime::service_fn(move |event| {
            let audit = audit.clone();
            async move { audit.handle(event).await }
        });
        Ok(Arc::new(InProcess::<_, AuditEvent>::new(service, Function::new("cee-audit", AUDIT_TIMEOUT))))
    }

    /// The function as a process, if the functions run as processes.
    async fn binary(&mut self, given: &Given, timeout: Duration) -> Result<Option<Arc<dyn Invoker>>, Error> {
        let Functions::Binaries(folder) = self.functions else { return Ok(None) };
        let name = given.binary;
        let process = Process::start(&folder.join(name), name, self.settings.of(given), timeout).await?;
        process.ready().await.map_err(|error| Error::Function(format!("{name}: {error}")))?;
        let process = Arc::new(process);
        self.processes.push(Arc::clone(&process));
        Ok(Some(process))
    }
}

/// The functions that S3 invokes, each for the prefixes that the template gives it.
struct OfBucket {
    import: Arc<dyn Invoker>,
    export: Arc<dyn Invoker>,
}

impl Invoker for OfBucket {
    fn invoke<'a>(&'a self, event: Value, request_id: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>> {
        let key = event.pointer("/Records/0/s3/object/key").and_then(Value::as_str);
        let is_export = key.is_some_and(|key| key.starts_with(EXPORT_NOTES));
        let function = if is_export { &self.export } else { &self.import };
        function.invoke(event, request_id)
    }
}

fn http_function<F: HttpFunction>(function: F, metrics: Metrics) -> Arc<dyn Invoker> {
    let adapter = Adapter::from(cee_edge::service(Arc::new(function), metrics));
    Arc::new(InProcess::<_, LambdaRequest>::new(adapter, Function::new(F::NAME, HTTP_TIMEOUT)))
}
