//! The ports on which a stack listens, and how it is reached there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cee_service::Clock;
use tokio::net::TcpListener;

use super::options::Options;
use crate::description::{BUCKET, Description, OperatorDescription, REGION};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::samples;
use crate::secrets::Secrets;

/// How long an application token in `local.json` is valid: a working day and the night after it.
const TOKEN_MINUTES: u32 = 24 * 60;

/// The ports on which the stack listens. A service that runs elsewhere has none.
pub(super) struct Ports {
    pub(super) api: TcpListener,
    pub(super) dynamodb: Option<TcpListener>,
    pub(super) s3: Option<TcpListener>,
}

impl Ports {
    pub(super) async fn take(options: &Options) -> Result<Self, Error> {
        let Options { host, elsewhere, .. } = options;
        let mut ports = Self { api: listen(*host, options.port, "--port").await?, dynamodb: None, s3: None };
        if elsewhere.dynamodb.is_none() {
            ports.dynamodb = Some(listen(*host, options.dynamodb_port, "--dynamodb-port").await?);
        }
        if elsewhere.s3.is_none() {
            ports.s3 = Some(listen(*host, options.s3_port, "--s3-port").await?);
        }
        Ok(ports)
    }
}

pub(super) async fn listen(host: IpAddr, port: u16, option: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind((host, port)).await.map_err(|source| Error::Port { option, port, source })
}

/// How to reach everything, for `local.json`.
pub(super) fn describe(options: &Options, secrets: &Secrets, ports: &Ports) -> Result<Description, Error> {
    let clock = options.now.map_or(Clock::Machine, Clock::Pinned);
    let url = |listener: &TcpListener| -> Result<String, Error> {
        let address = listener.local_addr()?;
        // A stack that listens everywhere is reached at this address too.
        let host = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
        Ok(format!("http://{}", SocketAddr::new(host, address.port())))
    };
    let operators = samples::operators()
        .into_iter()
        .map(|operator| {
            let keys = secrets.operators.iter().find(|keys| keys.operator_id == operator.id.get());
            let keys = &keys.ok_or_else(|| Error::Secrets(format!("no keys of operator {}", operator.id)))?.keys;
            Ok(OperatorDescription {
                id: operator.id.get(),
                token: secrets.token(operator.id, cee_tokens::Scope::ALL.to_vec(), clock.now(), TOKEN_MINUTES)?,
                name: operator.name,
                siret: operator.siret.as_str().to_owned(),
                access_key: keys.access_key.clone(),
                secret_key: keys.secret_key.clone(),
            })
        })
        .collect::<Result<_, Error>>()?;
    let elsewhere = &options.elsewhere;
    let own_or = |listener: Option<&TcpListener>, endpoint: &Option<Endpoint>| match (listener, endpoint) {
        (Some(listener), _) => url(listener),
        (None, Some(endpoint)) => Ok(endpoint.to_string()),
        (None, None) => Ok(String::new()),
    };
    Ok(Description {
        api_url: format!("{}/v3", url(&ports.api)?),
        dynamodb_url: own_or(ports.dynamodb.as_ref(), &elsewhere.dynamodb)?,
        s3_url: own_or(ports.s3.as_ref(), &elsewhere.s3)?,
        bucket: BUCKET.to_owned(),
        region: elsewhere.signing.region.clone().unwrap_or_else(|| REGION.to_owned()),
        foreign: elsewhere.which(),
        aws_access_key_id: secrets.root.access_key.clone(),
        aws_secret_access_key: secrets.root.secret_key.clone(),
        now: options.now.map(|now| now.to_string()),
        operators,
    })
}
