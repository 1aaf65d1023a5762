//! Calls the registry with the client that OpenAPI Generator's `rust` made from the document without its discriminators.

use std::env;
use std::fmt::Debug;

use cee_client::apis::applications_api::{RegisterError, register, simulate};
use cee_client::apis::configuration::Configuration;
use cee_client::apis::{Error, access_api::get_access_token, history_api::import_history};
use cee_client::models::{
    Credentials, DuplicateProblem, HistoryRow, JourneyType, LongRegistration, Register400Response, Register409Response,
    Registration, Simulation, long_registration,
};
use chrono::DateTime;
use serde_json::Value;

const NAME: &str = "RUS";
const PHONE: &str = "+336399801";

async fn client(keys: &Value) -> Configuration {
    let mut configuration = Configuration { base_path: env::var("API").unwrap(), ..Configuration::default() };
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    let credentials = Credentials::new(key("access_key"), key("secret_key"));
    configuration.bearer_access_token = Some(get_access_token(&configuration, credentials).await.unwrap().access_token);
    configuration
}

fn registration(signed: Option<&str>) -> Registration {
    let date = DateTime::parse_from_rfc3339("2024-03-15T07:30:00Z").unwrap();
    let (name, phone) = (NAME.to_owned(), PHONE.to_owned());
    let long = LongRegistration {
        application_timestamp: signed.map(|text| DateTime::parse_from_rfc3339(text).unwrap()),
        ..LongRegistration::new(long_registration::JourneyType::Long, name, phone, "99-DERUS01".to_owned(), date)
    };
    Registration::LongRegistration(Box::new(long))
}

/// The typed problem of a call that must be refused with this status.
fn refused<T: Debug>(answer: Result<T, Error<RegisterError>>, status: u16) -> RegisterError {
    let Err(Error::ResponseError(response)) = answer else { panic!("{answer:?}") };
    assert_eq!(response.status.as_u16(), status, "{}", response.content);
    response.entity.expect("a typed problem")
}

fn duplicate(refusal: RegisterError) -> DuplicateProblem {
    match refusal {
        RegisterError::Status409(Register409Response::DuplicateProblem(problem)) => *problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let keys: Vec<Value> = serde_json::from_str(&env::var("KEYS").unwrap()).unwrap();
    let (ours, theirs) = (client(&keys[0]).await, client(&keys[1]).await);

    let question = Simulation::new(JourneyType::Long, NAME.to_owned(), PHONE.to_owned());
    assert!(simulate(&ours, question).await.unwrap().eligible);
    let granted = register(&ours, registration(None), None).await.unwrap();
    assert_eq!(granted.datetime, DateTime::parse_from_rfc3339("2024-03-15T07:30:00Z").unwrap());

    let blocked = duplicate(refused(register(&theirs, registration(None), None).await, 409));
    assert_eq!((blocked.datetime, blocked.uuid, blocked.token), (granted.datetime, None, None));
    let own = duplicate(refused(register(&ours, registration(None), None).await, 409));
    assert_eq!((own.uuid, own.token), (Some(granted.uuid), Some(granted.token)));
    match refused(register(&ours, registration(Some("2124-01-01T00:00:00Z")), None).await, 400) {
        RegisterError::Status400(Register400Response::InvalidFieldsProblem(problem)) => {
            let pointers: Vec<&str> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, ["/application_timestamp"]);
        }
        other => panic!("{other:?}"),
    }

    let row = |date: &str| {
        let date = DateTime::parse_from_rfc3339(date).unwrap();
        HistoryRow::new(JourneyType::Short, NAME.to_owned(), PHONE.to_owned(), date)
    };
    let rows = vec![row("2021-01-01T00:00:00Z"), row("2021-02-01T00:00:00Z")];
    let batch = import_history(&ours, rows).await.unwrap();
    assert_eq!((batch.imported, batch.failed, batch.failed_details.len()), (2, 0, 0));
    println!("rust: done");
}
