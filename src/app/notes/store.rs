//! Where notes live: [`Store`], an embedded transactional database in one file, or in memory.
//!
//! Called from off-loaded jobs alone: to commit is to wait for the disk, and so may be to read. All
//! conditions are evaluated within the transaction that writes, so no update is ever lost. It knows
//! nothing of HTTP but the two preconditions (RFC 9110 §13.1.1, §13.1.2).

use std::fmt;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    Table, TableDefinition, TableError,
};

use super::Options;
use super::note::{Draft, Note, Patch};
use crate::web::etag::{ETag, Named};

const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");
/// Numbers by name: [`FORMAT`], [`CHANGE`], [`BYTES`].
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// What tells our files from others of the same library.
const FORMAT: &str = "readyloop notes";
const VERSION: u64 = 1;
/// The last change's number.
const CHANGE: &str = "change";
/// What all notes count together.
const BYTES: &str = "bytes";
/// Memory for pages of the file.
const CACHE: usize = 32 << 20;
/// A page of notes ends when their texts have so many bytes.
const PAGE: u64 = 1 << 20;

/// The preconditions of a request: the values of its `If-Match` and `If-None-Match` fields.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The values of `If-Match`.
    pub if_match: Vec<Vec<u8>>,
    /// The values of `If-None-Match`.
    pub if_none_match: Vec<Vec<u8>>,
}

impl Terms {
    /// True if `If-Match` allows the request, for a note with this tag or for none.
    pub(super) fn matches(&self, current: Option<&str>) -> bool {
        self.if_match.is_empty()
            || names(&self.if_match, current, |one, other| one.strong_eq(other))
    }

    /// True if `If-None-Match` does.
    pub(super) fn differs(&self, current: Option<&str>) -> bool {
        !names(&self.if_none_match, current, |one, other| one.weak_eq(other))
    }

    fn allow(&self, current: Option<&str>) -> bool {
        self.matches(current) && self.differs(current)
    }
}

fn names(
    values: &[Vec<u8>],
    current: Option<&str>,
    same: impl Fn(ETag<'_>, ETag<'_>) -> bool,
) -> bool {
    let Some(current) = current.and_then(|tag| ETag::parse(tag.as_bytes())) else { return false };
    values.iter().any(|value| match Named::parse(value) {
        Named::Any => true,
        Named::Tags(mut tags) => tags.any(|tag| same(tag, current)),
    })
}

/// One change that is asked for.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is to be done.
    pub what: What,
    /// Under which conditions.
    pub terms: Terms,
    /// When, in milliseconds since 1970.
    pub now: u64,
}

/// What a change does.
#[derive(Clone, Debug)]
pub enum What {
    /// Makes a note; the store chooses its id.
    Create(Draft),
    /// Puts a note under an id, whether there was one or not.
    Put(String, Draft),
    /// Changes parts of a note.
    Patch(String, Patch),
    /// Deletes a note.
    Delete(String),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new note, under this id.
    Created(String, Note),
    /// The note is as it was asked to be.
    Written(String, Note),
    /// It is gone.
    Deleted,
    /// There is no such note.
    Missing,
    /// The conditions do not hold.
    Refused,
    /// There is no room.
    Full,
    /// The disk has no room.
    DiskFull,
    /// The store failed; nothing was changed.
    Failed,
}

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum Unusable {
    /// Another process has it.
    InUse,
    /// The file is something else.
    Foreign,
    /// The file is damaged, or of another version.
    Damaged(String),
    /// The system does not let us.
    System(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::InUse => f.write_str("another process has it open"),
            Unusable::Foreign => f.write_str("it holds something else than notes"),
            Unusable::Damaged(what) => write!(f, "it cannot be read: {what}"),
            Unusable::System(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unusable {}

/// A transaction failed.
#[derive(Debug)]
pub struct Fault(redb::Error);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Fault {
    /// True if the database will do nothing more until it is opened again.
    fn is_final(&self) -> bool {
        use redb::Error::{DatabaseClosed, Io, PreviousIo};
        matches!(&self.0, Io(_) | PreviousIo | DatabaseClosed)
    }

    fn is_full(&self) -> bool {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        matches!(&self.0, redb::Error::Io(error) if full.contains(&error.kind()))
    }

    /// What to tell whoever asked.
    pub(super) fn outcome(&self) -> Outcome {
        if self.is_full() { Outcome::DiskFull } else { Outcome::Failed }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault(error.into())
    }
}

/// Some notes, in the order of their ids.
#[derive(Debug, Default)]
pub struct Page {
    /// The notes with their ids.
    pub notes: Vec<(String, Note)>,
    /// True if others follow.
    pub more: bool,
}

/// All notes.
pub struct Store {
    /// None if it failed and could not be opened again so far.
    database: RwLock<Option<Database>>,
    /// Its file, if it has one.
    path: Option<PathBuf>,
    options: Options,
}

fn open(path: &Path) -> Result<Database, Unusable> {
    let database = Database::builder().set_cache_size(CACHE).create(path);
    checked(database.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Unusable::InUse,
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Unusable::Foreign,
            _ => Unusable::System(error.to_string()),
        },
        error => Unusable::Damaged(error.to_string()),
    })?)
}

impl Store {
    /// Opens the store in this file, or makes it.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub fn open(path: &Path, options: Options) -> Result<Self, Unusable> {
        let database = RwLock::new(Some(open(path)?));
        Ok(Store { database, path: Some(path.into()), options })
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn in_memory(options: Options) -> Result<Self, Unusable> {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend);
        let database = database.map_err(|error| Unusable::System(error.to_string()))?;
        let database = RwLock::new(Some(checked(database)?));
        Ok(Store { database, path: None, options })
    }

    /// Does something with the database. One that failed is opened again, because after an error
    /// of the disk, and be it that there was no room, it would refuse everything.
    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Fault> {
        let done = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            database.as_ref().map_or(Err(redb::Error::DatabaseClosed.into()), act)
        };
        match (&done, &self.path) {
            (Err(fault), Some(path)) if fault.is_final() => self.reopen(path),
            _ => {}
        }
        done
    }

    fn reopen(&self, path: &Path) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one has the file locked.
        drop(database.take());
        match open(path) {
            Ok(again) => *database = Some(again),
            Err(error) => log::error!("{} cannot be opened again: {error}", path.display()),
        }
    }

    /// The note with this id.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn read(&self, id: &str) -> Result<Option<Note>, Fault> {
        self.with(|database| find(&database.begin_read()?.open_table(NOTES)?, id))
    }

    /// How many notes there are.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn count(&self) -> Result<u64, Fault> {
        self.with(|database| Ok(database.begin_read()?.open_table(NOTES)?.len()?))
    }

    /// Up to `limit` notes after this id, or from the first one on.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Page, Fault> {
        self.with(|database| list(database, after, limit))
    }

    /// Makes changes, one after the other, in one transaction: when this returns they are on the
    /// disk. Each has its own outcome.
    ///
    /// # Errors
    ///
    /// The store failed: none of the changes was made.
    pub fn write(&self, changes: Vec<Change>) -> Result<Vec<Outcome>, Fault> {
        self.with(|database| write(database, changes, &self.options))
    }
}

/// Marks a new file as ours; refuses one that is not.
fn checked(database: Database) -> Result<Database, Unusable> {
    let damaged = |fault: Fault| Unusable::Damaged(fault.to_string());
    let is_empty = {
        let reading = database.begin_read().map_err(|error| damaged(error.into()))?;
        let mut tables = reading.list_tables().map_err(|error| damaged(error.into()))?;
        tables.next().is_none()
    };
    if is_empty {
        mark(&database).map_err(damaged)?;
    }
    match format(&database) {
        Ok(Some(VERSION)) => Ok(database),
        Ok(Some(other)) => Err(Unusable::Damaged(format!("its format is number {other}"))),
        Ok(None) => Err(Unusable::Foreign),
        Err(Fault(redb::Error::TableTypeMismatch { .. })) => Err(Unusable::Foreign),
        Err(fault) => Err(damaged(fault)),
    }
}

fn mark(database: &Database) -> Result<(), Fault> {
    let writing = database.begin_write()?;
    writing.open_table(NOTES)?;
    writing.open_table(NUMBERS)?.insert(FORMAT, VERSION)?;
    writing.commit()?;
    Ok(())
}

fn format(database: &Database) -> Result<Option<u64>, Fault> {
    let table = match database.begin_read()?.open_table(NUMBERS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    Ok(table.get(FORMAT)?.map(|found| found.value()))
}

fn list(database: &Database, after: Option<&str>, limit: usize) -> Result<Page, Fault> {
    let table = database.begin_read()?.open_table(NOTES)?;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut page, mut bytes) = (Page::default(), 0);
    for entry in table.range::<&str>((from, Bound::Unbounded))? {
        let (id, value) = entry?;
        if page.notes.len() >= limit || bytes >= PAGE {
            page.more = true;
            break;
        }
        let note = decode(value.value())?;
        bytes += note.size();
        page.notes.push((id.value().to_owned(), note));
    }
    Ok(page)
}

fn write(
    database: &Database,
    changes: Vec<Change>,
    options: &Options,
) -> Result<Vec<Outcome>, Fault> {
    let writing = database.begin_write()?;
    let outcomes;
    {
        let mut numbers = writing.open_table(NUMBERS)?;
        let number = |table: &Table<'_, &str, u64>, name| -> Result<u64, Fault> {
            Ok(table.get(name)?.map_or(0, |found| found.value()))
        };
        let (change, bytes) = (number(&numbers, CHANGE)?, number(&numbers, BYTES)?);
        let notes = writing.open_table(NOTES)?;
        let mut shelf = Shelf { notes, change, bytes, options };
        let done: Result<Vec<_>, Fault> =
            changes.into_iter().map(|change| shelf.make(change)).collect();
        outcomes = done?;
        let Shelf { change, bytes, .. } = shelf;
        numbers.insert(CHANGE, change)?;
        numbers.insert(BYTES, bytes)?;
    }
    let is_changed = |outcome: &Outcome| {
        matches!(outcome, Outcome::Created(..) | Outcome::Written(..) | Outcome::Deleted)
    };
    if outcomes.iter().any(is_changed) {
        writing.commit()?
    } else {
        writing.abort()?
    }
    Ok(outcomes)
}

/// The notes while a transaction writes them.
struct Shelf<'t> {
    notes: Table<'t, &'static str, &'static [u8]>,
    change: u64,
    bytes: u64,
    options: &'t Options,
}

impl Shelf<'_> {
    fn make(&mut self, change: Change) -> Result<Outcome, Fault> {
        let Change { what, terms, now } = change;
        let (id, draft, patch) = match what {
            What::Create(draft) => return self.create(draft, now),
            What::Delete(id) => return self.delete(&id, &terms),
            What::Put(id, draft) => (id, draft, None),
            What::Patch(id, patch) => (id, Draft::default(), Some(patch)),
        };
        let old = find(&self.notes, &id)?;
        if old.is_none() && patch.is_some() {
            return Ok(Outcome::Missing);
        }
        if !terms.allow(old.as_ref().map(Note::etag).as_deref()) {
            return Ok(Outcome::Refused);
        }
        let Some(mut note) = old else { return self.add(id, draft, now) };
        let draft = patch.map_or(draft, |patch| patch.merge(&note));
        // What changes nothing is no change: the same request twice leaves the same state.
        if note.says(&draft) {
            return Ok(Outcome::Written(id, note));
        }
        let before = note.size();
        note.replace(draft, now, self.change + 1);
        self.put(id, note, before, Outcome::Written)
    }

    fn create(&mut self, draft: Draft, now: u64) -> Result<Outcome, Fault> {
        // Before ids are tried: of those there may be as many as notes.
        if self.is_full()? {
            return Ok(Outcome::Full);
        }
        // Of one length, so that the order of ids is that of creation. One that a writer has taken
        // is passed over.
        loop {
            let id = format!("{:010}", self.change + 1);
            if self.notes.get(&*id)?.is_none() {
                return self.add(id, draft, now);
            }
            self.change += 1;
        }
    }

    fn is_full(&self) -> Result<bool, Fault> {
        Ok(self.notes.len()? >= self.options.notes)
    }

    fn add(&mut self, id: String, draft: Draft, now: u64) -> Result<Outcome, Fault> {
        if self.is_full()? {
            return Ok(Outcome::Full);
        }
        let note = Note::new(draft, now, self.change + 1);
        self.put(id, note, 0, Outcome::Created)
    }

    fn put(
        &mut self,
        id: String,
        note: Note,
        before: u64,
        outcome: impl FnOnce(String, Note) -> Outcome,
    ) -> Result<Outcome, Fault> {
        let bytes = self.bytes.saturating_sub(before) + note.size();
        if bytes > self.options.bytes && note.size() > before {
            return Ok(Outcome::Full);
        }
        // Text and numbers: nothing in it cannot be written.
        let value = serde_json::to_vec(&note).unwrap_or_default();
        self.notes.insert(&*id, &*value)?;
        (self.bytes, self.change) = (bytes, note.change);
        Ok(outcome(id, note))
    }

    fn delete(&mut self, id: &str, terms: &Terms) -> Result<Outcome, Fault> {
        let Some(note) = find(&self.notes, id)? else { return Ok(Outcome::Missing) };
        if !terms.allow(Some(&note.etag())) {
            return Ok(Outcome::Refused);
        }
        self.notes.remove(id)?;
        self.bytes = self.bytes.saturating_sub(note.size());
        Ok(Outcome::Deleted)
    }
}

fn find(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<Note>, Fault> {
    table.get(id)?.map(|found| decode(found.value())).transpose()
}

fn decode(value: &[u8]) -> Result<Note, Fault> {
    let corrupt = |error: serde_json::Error| StorageError::Corrupted(error.to_string());
    Ok(serde_json::from_slice(value).map_err(corrupt)?)
}
