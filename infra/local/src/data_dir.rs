//! The directory in which a stack keeps its data.

use std::fs::{DirBuilder, DirEntry, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::description::Description;
use crate::error::Error;
use crate::secrets::Secrets;

/// A data directory.
pub(crate) struct DataDir(pub(crate) PathBuf);

/// The lock on a data directory, until it is dropped.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a process that this one starts at the same moment has a copy of it until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the data directory is not unlocked");
        }
    }
}

impl DataDir {
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("dynamodb.sqlite")
    }

    pub(crate) fn s3(&self) -> PathBuf {
        self.0.join("s3")
    }

    pub(crate) fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets.json")
    }

    pub(crate) fn description(&self) -> PathBuf {
        self.0.join("local.json")
    }

    pub(crate) fn for_sam(&self) -> PathBuf {
        self.0.join("sam.json")
    }

    /// Locks the directory for this process: two processes on one set of data would not see one another's writes.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let made = DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(&self.0);
        made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::NoFolder(self.0.clone()),
            _ => Error::file(&self.0)(error),
        })?;
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(&path);
        let file = file.map_err(Error::file(&path))?;
        let lock = match file.try_lock() {
            Ok(()) => Lock(file),
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::InUse(self.0.clone())),
            Err(std::fs::TryLockError::Error(error)) => return Err(Error::file(&path)(error)),
        };
        self.check_owner()?;
        Ok(lock)
    }

    /// Makes sure that the files with our names belong to a stack, because we overwrite them: one of the two files that identify it
    /// must exist. A stack's secrets are its first file, and the last that [`clear`](Self::clear) removes.
    fn check_owner(&self) -> Result<(), Error> {
        if std::fs::symlink_metadata(self.secrets()).is_ok() {
            return Secrets::read(&self.secrets()).map(drop);
        }
        let description = std::fs::read(self.description()).ok();
        if description.is_some_and(|json| serde_json::from_slice::<Description>(&json).is_ok()) {
            return Ok(());
        }
        let ours = [self.database(), self.s3(), self.queue(), self.description(), self.for_sam()];
        match ours.into_iter().find(|path| std::fs::symlink_metadata(path).is_ok()) {
            Some(path) => Err(Error::Foreign(path)),
            None => Ok(()),
        }
    }

    /// Lets only the owner read a stack's files, also those of an earlier release. The directory itself stays as it is if it also
    /// holds other files.
    pub(crate) fn make_private(&self) -> Result<(), Error> {
        let mut is_ours_alone = true;
        for entry in std::fs::read_dir(&self.0).map_err(Error::file(&self.0))? {
            let entry = entry.map_err(Error::file(&self.0))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = ["lock", "secrets.json", "local.json", "sam.json", "s3", "queue"].contains(&name.as_str())
                || name.starts_with("dynamodb.sqlite")
                || (name.starts_with(".cee-") && name.ends_with(".part"));
            if is_ours {
                narrow(&entry.path())?;
            } else {
                is_ours_alone = false;
            }
        }
        if is_ours_alone {
            // The directory itself may be a link.
            self.0.canonicalize().and_then(|folder| narrow_one(&folder)).map_err(Error::file(&self.0))?;
        }
        Ok(())
    }

    /// Removes a stack's files, and no other file in the directory.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        let gone = |path: &Path, result: std::io::Result<()>| match result {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path)(error)),
            _ => Ok(()),
        };
        let database = self.database();
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.clone().into_os_string();
            name.push(suffix);
            let path = PathBuf::from(name);
            gone(&path, std::fs::remove_file(&path))?;
        }
        for folder in [self.s3(), self.queue()] {
            gone(&folder, std::fs::remove_dir_all(&folder))?;
        }
        for file in [self.description(), self.for_sam(), self.secrets()] {
            gone(&file, std::fs::remove_file(&file))?;
        }
        Ok(())
    }
}

/// The permissions of a folder that only its owner may enter.
const PRIVATE_FOLDER: u32 = 0o700;
/// The permissions of a file that only its owner may read.
const PRIVATE_FILE: u32 = 0o600;

/// Removes the rights of everybody but the owner from a file, or from a folder and everything in it. Follows no link. A file
/// may be removed at the same time: a stack that ends closes its database.
fn narrow(path: &Path) -> Result<(), Error> {
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let entries = narrow_one(&path)
            .and_then(|is_folder| if is_folder { std::fs::read_dir(&path)?.collect() } else { Ok(Vec::new()) });
        match entries {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            entries => left.extend(entries.map_err(Error::file(&path))?.iter().map(DirEntry::path)),
        }
    }
    Ok(())
}

/// As [`narrow`], without what is in a folder. Returns whether it is a folder.
fn narrow_one(path: &Path) -> io::Result<bool> {
    let known = std::fs::symlink_metadata(path)?;
    let permissions = match known.file_type() {
        kind if kind.is_dir() => PRIVATE_FOLDER,
        kind if kind.is_file() => PRIVATE_FILE,
        _ => return Ok(false),
    };
    if known.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(permissions))?;
    }
    Ok(known.is_dir())
}

/// The description and the secrets of the stack on a data directory.
///
/// # Errors
/// [`Error::Secrets`] if no stack was ever started there. [`Error::File`] if its description cannot be read, or its secrets are missing.
pub fn known(data_dir: &Path) -> Result<(Description, Secrets), Error> {
    let data = DataDir(data_dir.to_owned());
    let path = data.description();
    let json = std::fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => never_started(data_dir),
        // Such as another user's stack.
        _ => Error::file(&path)(error),
    })?;
    let description = serde_json::from_slice(&json).map_err(|_| never_started(data_dir))?;
    Ok((description, Secrets::read(&data.secrets())?))
}

/// The same for a running stack, for programs that use its tables.
///
/// # Errors
/// As [`known`], and [`Error::Stopped`] if nothing answers.
pub async fn running(data_dir: &Path) -> Result<(Description, Secrets), Error> {
    let (description, secrets) = known(data_dir)?;
    if description.has_tables().await {
        return Ok((description, secrets));
    }
    let url = description.dynamodb_url;
    Err(match description.foreign.dynamodb {
        true => Error::NoAnswer { service: "DynamoDB", url },
        false => Error::Stopped { data_dir: data_dir.to_owned(), url },
    })
}

pub(crate) fn never_started(data_dir: &Path) -> Error {
    Error::Secrets(format!(
        "no stack was started on {}: run `cargo run` first, or name another --data-dir",
        data_dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_ends_although_a_process_has_a_copy_of_its_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let data = DataDir(folder.path().to_owned());
        let lock = data.lock().unwrap();
        let copy = lock.0.try_clone().unwrap();
        assert!(matches!(data.lock(), Err(Error::InUse(_))));
        drop(lock);
        assert!(data.lock().is_ok());
        drop(copy);
    }

    #[test]
    fn data_directory_that_is_link_is_made_private_without_what_its_links_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let [real, other, link] = ["real", "other", "link"].map(|name| folder.path().join(name));
        for open in [&real, &other] {
            std::fs::create_dir(open).unwrap();
            std::fs::set_permissions(open, Permissions::from_mode(0o755)).unwrap();
        }
        let description = real.join("local.json");
        std::fs::write(&description, "{}").unwrap();
        std::fs::set_permissions(&description, Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&other, real.join("s3")).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();

        DataDir(link).make_private().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&real), mode(&description), mode(&other)], [PRIVATE_FOLDER, PRIVATE_FILE, 0o755]);
    }
}
