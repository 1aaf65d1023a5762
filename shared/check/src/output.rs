//! How a command writes a file: never over a file that this run has not made, and completely or not at all.
//!
//! A file is written beside its place under a temporary name, and gets its name when it is complete. The operating system gives the
//! name only while nothing has it: a file, a folder, a dangling link. So no input is lost under another name (`./x`, a symbolic
//! link, a hard link), no file that appears while the command runs, and nothing to a full disk.
//!
//! A command that is stopped (Ctrl-C) leaves the temporary file behind. It holds personal data, so the next command that writes into the
//! folder removes it. A file that a command still writes is locked and stays.
//!
//! A device or a pipe, such as `/dev/null`, has no content to lose: it is written directly.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

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
        let persisted = staged.persist_noclobber(&path);
        // Locked until it has its name: before that another command would take it for one that was left.
        drop(file);
        let Err(error) = persisted else { return Ok(()) };
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

/// Why the first line that could not be printed was not.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a line. A closed pipe, as of `| head`, is not an error; [`said`] returns every other one.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Whether every line was printed.
pub(crate) fn said() -> Result<(), Error> {
    let lost = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
    LOST.get().map_or(Ok(()), |error| Err(Error::file(Path::new("standard output"))(lost(error))))
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
    complete(path, PRIVATE, content)?.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a file, completely or not at all, unless something has its name: that stays as it is.
///
/// # Errors
/// [`io::Error`] if it cannot be written; [`io::ErrorKind::AlreadyExists`] if something has its name.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    complete(path, SHARED, content)?.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// A complete file that has no name of its own yet.
fn complete(path: &Path, permissions: u32, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = staged(path, permissions)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
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

/// The beginning and the end of a temporary name, and the number of random letters and digits between them.
const STAGED: (&str, &str, usize) = (".cee-", ".part", 6);

/// From this age on a temporary file without a lock was left behind: a command locks its file as soon as it has created it.
const LEFT_OVER: Duration = Duration::from_secs(60);

/// A new file in the folder of `path`.
fn staged(path: &Path, permissions: u32) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_left_over(folder);
    let mut builder = Builder::new();
    builder.prefix(STAGED.0).suffix(STAGED.1).rand_bytes(STAGED.2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(permissions));
    }
    #[cfg(not(unix))]
    let _ = permissions;
    // The temporary name means nothing to the user, so the message names the requested file.
    let staged = builder.tempfile_in(folder).map_err(|error| io::Error::new(error.kind(), plain(&error)))?;
    // Where files cannot be locked, none is removed either.
    let _ = staged.as_file().try_lock();
    Ok(staged)
}

/// Removes the temporary files of commands that were stopped.
fn remove_left_over(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(STAGED.0)?.strip_suffix(STAGED.1));
        let is_staged =
            random.is_some_and(|text| text.len() == STAGED.2 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !is_staged || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if !modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= LEFT_OVER)) {
            continue;
        }
        let opened = OpenOptions::new().write(true).open(entry.path());
        if opened.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The message of the operating system, without the path that `tempfile` puts after it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path \"").map_or(text.clone(), |(message, _)| message.to_owned())
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
