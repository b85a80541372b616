//! The admin endpoint's listening socket: a Unix socket that nobody but its owner can connect to at any moment, or TCP. It must
//! not know what is spoken on it.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::endpoint::AdminEndpoint;

/// A socket that listens. It does not block.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The socket's file, which is removed with this value.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The file's device and number: another host may have put its own there meanwhile.
    identity: (u64, u64),
}

/// Listens. Returns the endpoint with the port that it got, too.
///
/// # Errors
/// When a living process listens there already, when something else than a socket is there, and what the system says.
pub(super) fn listen(
    endpoint: &AdminEndpoint,
) -> io::Result<(Listener, AdminEndpoint, Option<SocketFile>)> {
    match endpoint {
        AdminEndpoint::Unix(path) => {
            let (listener, file) = listen_unix(path)?;
            listener.set_nonblocking(true)?;
            Ok((Listener::Unix(listener), endpoint.clone(), Some(file)))
        }
        AdminEndpoint::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let endpoint = AdminEndpoint::Tcp(listener.local_addr()?);
            Ok((Listener::Tcp(listener), endpoint, None))
        }
    }
}

/// A socket's file gets its mode from the process's umask, which other threads use as well: so it is made in a folder that only
/// its owner may enter, gets its mode there, and only then its place.
fn listen_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let folder = PrivateFolder::beside(path)?;
    let made = folder.0.join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(MODE))?;
    let identity = identity(&fs::symlink_metadata(&made)?);
    for _ in 0..PLACE_TRIES_MAX {
        // Unlike a rename, it replaces nothing.
        match fs::hard_link(&made, path) {
            Ok(()) => {
                let path = path.to_owned();
                return Ok((listener, SocketFile { path, identity }));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_stale(path, &folder.0.join("t"))?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(in_use())
}

/// Removes the socket that a dead process has left. `aside`: where it is looked at once more, when nobody else can replace it.
fn remove_stale(path: &Path, aside: &Path) -> io::Result<()> {
    check_stale(path)?;
    match fs::rename(path, aside) {
        Ok(()) => {}
        // Another host that starts has removed it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    if let Err(error) = check_stale(aside) {
        // Another host has taken the place between the two looks: it gets it back.
        fs::hard_link(aside, path)?;
        return Err(error);
    }
    Ok(())
}

/// Succeeds when nothing but a dead process's socket is there.
fn check_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let problem = "there is a file that is no socket; it is not replaced";
        return Err(io::Error::new(ErrorKind::AlreadyExists, problem));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Connected, or its queue is full, or it is not ours to look at.
        _ => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "another process listens there")
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |metadata: Metadata| identity(&metadata) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A folder that only its owner may enter, removed with this value.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn beside(path: &Path) -> io::Result<Self> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!(".wisted-{:08x}", u32::from_ne_bytes(random));
        let parent = path.parent().unwrap_or(Path::new(""));
        let folder = Self(parent.join(name));
        DirBuilder::new().mode(0o700).create(&folder.0)?;
        Ok(folder)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        for name in ["s", "t"] {
            let _ = fs::remove_file(self.0.join(name));
        }
        let _ = fs::remove_dir(&self.0);
    }
}

/// Reading and writing, which is what connecting takes, for the owner alone.
const MODE: u32 = 0o600;

/// So many hosts that start at the same moment may come in between.
const PLACE_TRIES_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("wisted-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
            .into_iter()
            .map(|name| name.into_string().unwrap())
            .collect()
    }

    #[test]
    fn only_the_owner_may_connect_and_nothing_is_left() {
        let folder = scratch("owner");
        let path = folder.join("admin.sock");
        let (_listener, file) = listen_unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(names(&folder), ["admin.sock"]);
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(names(&folder).is_empty());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_dead_process_is_succeeded_and_a_live_one_is_not() {
        let folder = scratch("stale");
        let path = folder.join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = listen_unix(&path).unwrap();
        let error = listen_unix(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        drop(listener);
        // What another host has put there is not this one's to remove.
        let (_successor, _its_file) = listen_unix(&path).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
        assert_eq!(names(&folder), ["admin.sock"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn other_files_are_not_replaced() {
        let folder = scratch("file");
        let path = folder.join("notes.txt");
        fs::write(&path, "notes").unwrap();
        let error = listen_unix(&path).unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"notes");
        assert_eq!(names(&folder), ["notes.txt"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
