//! How a command writes a file: never over a file that this run has not made, and completely or not at all.
//!
//! A file is written beside its place under a temporary name, and gets its name when it is complete. The operating system gives the
//! name only while nothing has it: a file, a folder, a dangling link. So no input is lost under another name (`./x`, a symbolic
//! link, a hard link), no file that appears while the command runs, and nothing to a full disk.
//!
//! A device or a pipe, such as `/dev/null`, has no content to lose: it is written directly.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempPath};

use crate::error::{Error, Obstacle};

/// A file that is being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    out: BufWriter<File>,
    /// The temporary file until it is complete; a device or a pipe has none.
    staged: Option<TempPath>,
}

impl Output {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// [`Error::Taken`] if the command reads `path`, or a folder is there. [`Error::File`] if nothing can be written there.
    pub fn create(path: &Path, read: &Source) -> Result<Self, Error> {
        match std::fs::metadata(path) {
            Ok(there) if read.is(&there) => return Err(taken(path, Obstacle::Input)),
            Ok(there) if there.is_dir() => return Err(taken(path, Obstacle::Folder)),
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(Error::file(path))?;
                return Ok(Self { path: path.to_owned(), out: BufWriter::new(file), staged: None });
            }
            _ => {}
        }
        if path.file_name().is_none() {
            return Err(taken(path, Obstacle::Folder));
        }
        let staged = staged(path, SHARED).map_err(Error::file(path))?;
        let (file, staged) = staged.into_parts();
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), staged: Some(staged) })
    }

    /// Gives the complete file its name.
    ///
    /// The result of an earlier run is left as it is if it has the same content.
    ///
    /// # Errors
    /// [`Error::Taken`] if something else has the name. [`Error::File`] if the file cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, out, staged } = self;
        let file = out.into_inner().map_err(|error| Error::file(&path)(error.into_error()))?;
        let Some(staged) = staged else { return Ok(()) };
        file.sync_all().map_err(Error::file(&path))?;
        drop(file);
        let Err(error) = staged.persist_noclobber(&path) else { return Ok(()) };
        if error.error.kind() != io::ErrorKind::AlreadyExists {
            return Err(Error::file(&path)(error.error));
        }
        match std::fs::symlink_metadata(&path) {
            Ok(there) if there.is_file() && same_content(&error.path, &path).unwrap_or(false) => Ok(()),
            _ => Err(taken(&path, Obstacle::Other)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Prints a line. A closed pipe, as of `| head`, is not an error.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The input of a command.
pub struct Input {
    /// The identity of the file.
    pub source: Source,
    /// The file, open at its beginning; the standard input at its current position.
    pub file: File,
}

/// The file that a command reads, under any of its names; empty if it reads a pipe.
#[derive(Debug)]
pub struct Source(Option<Metadata>);

impl Input {
    /// The file at `path`, or the standard input if `path` is `-`.
    ///
    /// # Errors
    /// [`Error::File`] if the file does not exist or cannot be opened. [`Error::Taken`] if the standard output goes to the same
    /// file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = if path == Path::new("-") { this_process(&io::stdin()) } else { File::open(path) };
        let file = file.map_err(Error::file(path))?;
        let metadata = file.metadata().map_err(Error::file(path))?;
        let source = Source(metadata.is_file().then_some(metadata));
        let out = this_process(&io::stdout()).and_then(|out| out.metadata());
        if out.is_ok_and(|out| source.is(&out)) {
            return Err(taken(path, Obstacle::Redirected));
        }
        Ok(Self { source, file })
    }
}

impl Source {
    fn is(&self, other: &Metadata) -> bool {
        self.0.as_ref().is_some_and(|file| other.is_file() && same_file(file, other))
    }
}

/// Replaces a file of the program's own, such as its keys, completely or not at all. Only its owner may read it.
///
/// # Errors
/// [`io::Error`] if it cannot be written.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = staged(path, PRIVATE)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn taken(path: &Path, by: Obstacle) -> Error {
    Error::Taken { path: path.display().to_string(), by }
}

/// Checks that two results of one run go to two files.
pub(crate) fn apart(one: &Path, other: &Path) -> Result<(), Error> {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        (std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()), path.file_name().map(ToOwned::to_owned))
    };
    if place(one) == place(other) { Err(taken(one, Obstacle::Result)) } else { Ok(()) }
}

/// The permissions of a file that the user's settings may narrow.
const SHARED: u32 = 0o666;
/// The permissions of a file that only its owner may read.
const PRIVATE: u32 = 0o600;

/// A new file in the folder of `path`.
fn staged(path: &Path, permissions: u32) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".cee-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(permissions));
    }
    #[cfg(not(unix))]
    let _ = permissions;
    // The temporary name means nothing to the user, so the message names the requested file.
    builder.tempfile_in(folder).map_err(|error| io::Error::new(error.kind(), plain(&error)))
}

/// The message of the operating system, without the path.
fn plain(error: &io::Error) -> String {
    let source = error.get_ref().and_then(std::error::Error::source);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(unix)]
fn this_process(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn this_process(stream: &impl std::os::windows::io::AsHandle) -> io::Result<File> {
    Ok(File::from(stream.as_handle().try_clone_to_owned()?))
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The standard library reports no file number here: the message then says that the file exists.
#[cfg(not(unix))]
const fn same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        let (left, right) = (left.get(..length).unwrap_or_default(), right.get_mut(..length).unwrap_or_default());
        if other.read_exact(right).is_err() || left != right {
            return Ok(false);
        }
    }
}
