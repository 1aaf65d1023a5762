//! What `sam local` needs to reach a stack.

use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use crate::data_dir::{DataDir, known};
use crate::endpoint::Signing;
use crate::error::Error;
use crate::secrets::write_private;
use crate::settings::Settings;

/// What `sam local` needs so that its containers find a stack: the file of `--env-vars`, which holds secrets and is in the data
/// directory, and variables of its own environment, for the credentials, which that file cannot hold.
pub struct ForSam {
    /// The file.
    pub file: PathBuf,
    /// The exported variables. No keys if the environment has its own for a service elsewhere.
    pub exported: Vec<(&'static str, String)>,
}

/// The variables that the file cannot hold.
const SIGNING: [&str; 4] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Writes what `sam local` needs to reach the stack on a data directory. Its containers reach a stack that listens only on this machine,
/// or everywhere, under Docker's name for this machine, and any other stack at its own address. `sam local` passes each function only
/// the variables that the template names for it.
///
/// # Errors
/// [`Error::Secrets`] if no stack was ever started there; [`Error::File`] if the file cannot be written.
pub fn for_sam(data_dir: &Path) -> Result<ForSam, Error> {
    let (mut description, secrets) = known(data_dir)?;
    for url in [&mut description.dynamodb_url, &mut description.s3_url] {
        *url = ["//127.0.0.1:", "//[::1]:"]
            .iter()
            .fold(url.clone(), |url, here| url.replace(here, "//host.docker.internal:"));
    }
    let mut exported = description.signing(&Signing::default());
    if description.has_own_keys() {
        exported.retain(|(name, _)| *name == "AWS_REGION");
    }
    let settings = Settings::new(&secrets, &description, &Signing::default())?.all.into_iter();
    let in_file = settings.filter(|(name, _)| !SIGNING.contains(&name.as_str()));
    let variables: Map<_, _> = in_file.map(|(name, value)| (name, json!(value))).collect();
    let json = serde_json::to_vec_pretty(&json!({ "Parameters": variables }))
        .map_err(|error| Error::Secrets(error.to_string()))?;
    let file = DataDir(data_dir.to_owned()).for_sam();
    write_private(&file, &json)?;
    Ok(ForSam { file, exported })
}
