//! The command `token`: prints an application token of an operator of this machine.

use std::path::PathBuf;

use anyhow::Result;
use cee_eligibility::OperatorId;
use cee_local::samples;
use cee_local::stack::{known, running, tables};
use cee_tokens::Scope;
use clap::Args;

use crate::operators::Admissions;
use crate::output::{block_on, say};
use crate::parse::{operator, scope};

/// Which token.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The operator: 1, 2 or 3; or, while the service runs, an operator that was created.
    #[arg(long, value_parser = operator)]
    operator: OperatorId,
    /// The number of minutes for which the token is valid.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// A scope of the token, such as cee:simulate; may be repeated. Without this, every scope.
    #[arg(long = "scope", value_parser = scope)]
    scopes: Vec<Scope>,
    /// The data directory of the service.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
}

/// Prints the token.
///
/// # Errors
/// If no stack was ever started on the data directory, or there is no such operator.
pub fn run(command: Command) -> Result<()> {
    let Command { operator, minutes, scopes, data_dir } = command;
    let (description, secrets) = known(&data_dir)?;
    let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
    let now = description.clock().now();
    // The sample operators are known without the service.
    let token = if samples::operators().iter().any(|sample| sample.id == operator) {
        secrets.token(operator, scopes, now, minutes)?
    } else {
        let caller = block_on(async {
            running(&data_dir).await?;
            Admissions::new(&description.aws(), &tables(), description.clock()).caller(operator, scopes).await
        })?;
        secrets.token_for(&caller, now, minutes)?
    };
    say(&token);
    Ok(())
}
