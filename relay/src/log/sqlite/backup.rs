//! A copy of a database that is in use: whole, of one moment, with nothing in it of what was purged. It reads only, and
//! keeps nobody from writing.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use super::open::{self, OpenError};

/// Copies a database into a file that is not there yet, and has it written through to the disk.
///
/// # Errors
/// When it cannot be read or written. What was written of the copy then is for the caller to remove.
pub fn copy(database: &Path, to: &Path) -> Result<(), OpenError> {
    // SQLite would make it readable for everybody; it takes an empty file as it is.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let connection = open::reader(database)?;
    open::known(&connection)?;
    let name = to.to_str().ok_or_else(|| std::io::Error::other("a name that is not text"))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    file.sync_all()?;
    Ok(())
}
