//! The files of an export, in a zip file or in a folder, and how one of them is read.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use walkdir::WalkDir;
use zip::read::OwnedZipFileEntry;
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ExtraField, ZipReadOptions};

use super::limits::{Bounded, Budget, Counted, Limits};
use super::refusal::{Refusal, shown};

const AS_SENT: &str = "take the archive as Instagram sent it, or unpack it and give the folder";

/// Where an export lies.
#[derive(Debug)]
pub enum Source {
    Zip(File),
    Folder,
}

/// A file of an export that is to be read.
#[derive(Debug)]
pub struct Member {
    /// Below the root of the export, parted by /.
    pub path: String,
    pub modified: Option<DateTime<Utc>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Zip(Box<OwnedZipFileEntry>),
    File(PathBuf),
}

impl Member {
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Looks through everything that is there and gives `is_wanted` the path of each file; keeps those it wants.
pub fn open(
    path: &Path,
    limits: &Limits,
    is_wanted: &mut dyn FnMut(&str) -> bool,
) -> Result<(Source, Vec<Member>), Refusal> {
    let kind = fs::metadata(path).map_err(|error| {
        Refusal::new(
            format!("{}: {error}", shown(&path.to_string_lossy())),
            "give the zip file or the folder of an export",
        )
    })?;
    if kind.is_dir() {
        return Ok((Source::Folder, walk(path, limits, is_wanted)?));
    }
    let file = open_file(path, 0).map_err(|error| {
        Refusal::new(
            format!("{}: {error}", shown(&path.to_string_lossy())),
            "give the zip file or the folder of an export",
        )
    })?;
    let members = list(&file, limits, is_wanted)?;
    Ok((Source::Zip(file), members))
}

fn too_many(limits: &Limits) -> Refusal {
    Refusal::new(
        format!("more than {} files", limits.entries),
        "ask Instagram for followers and following only, or give just the folder followers_and_following",
    )
}

fn too_many_wanted(limits: &Limits) -> Refusal {
    Refusal::new(format!("more than {} files of lists", limits.wanted), "take the export as Instagram sent it")
}

fn walk(root: &Path, limits: &Limits, is_wanted: &mut dyn FnMut(&str) -> bool) -> Result<Vec<Member>, Refusal> {
    let mut members = Vec::new();
    let unreadable = |error: &dyn std::fmt::Display| {
        Refusal::new(
            format!("cannot look through the folder: {}", shown(&error.to_string())),
            "see to it that the folder can be read",
        )
    };
    for (number, entry) in WalkDir::new(root).max_depth(limits.depth).follow_links(false).into_iter().enumerate() {
        let entry = entry.map_err(|error| unreadable(&error))?;
        if number as u64 > limits.entries {
            return Err(too_many(limits));
        }
        if entry.depth() == limits.depth && entry.file_type().is_dir() {
            return Err(Refusal::new(
                format!("folders more than {} deep", limits.depth),
                "give the folder that Instagram's archive was unpacked into",
            ));
        }
        if entry.depth() == 0 || entry.file_type().is_dir() {
            continue;
        }
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        // A name that is no UTF-8 is none of Instagram's.
        let Some(words) = below.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>() else { continue };
        let path = words.join("/");
        if !is_wanted(&path) {
            continue;
        }
        if !entry.file_type().is_file() {
            return Err(Refusal::new(
                format!("{}: is a link or a device, not a file", shown(&path)),
                "put the file itself there",
            ));
        }
        if members.len() == limits.wanted {
            return Err(too_many_wanted(limits));
        }
        let modified = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()).map(DateTime::from);
        members.push(Member { path, modified: modified.and_then(believable), place: Place::File(entry.into_path()) });
    }
    Ok(members)
}

fn list(file: &File, limits: &Limits, is_wanted: &mut dyn FnMut(&str) -> bool) -> Result<Vec<Member>, Refusal> {
    let mut archive = ZipIterable::try_new(BufReader::new(file), zip::read::Config::default()).map_err(of_zip)?;
    if archive.len() as u64 > limits.entries {
        return Err(too_many(limits));
    }
    let mut members = Vec::new();
    for entry in archive.files().map_err(of_zip)? {
        let entry = entry.map_err(of_zip)?;
        let name = entry.name().map_err(of_zip)?;
        // Some programs write Windows' separator.
        let path = name.replace('\\', "/");
        if leads_out(&path) {
            return Err(Refusal::new(format!("{}: a path that leads out of the archive", shown(&path)), AS_SENT));
        }
        if entry.is_dir() || !is_wanted(&path) {
            continue;
        }
        if entry.is_symlink() {
            return Err(Refusal::new(format!("{}: is a link, not a file", shown(&path)), AS_SENT));
        }
        if entry.encrypted() {
            return Err(Refusal::new(
                format!("{}: is encrypted", shown(&path)),
                "unpack the archive with its password and give the folder",
            ));
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(Refusal::new(
                format!("{}: is packed in a way that Instagram does not use", shown(&path)),
                AS_SENT,
            ));
        }
        if members.len() == limits.wanted {
            return Err(too_many_wanted(limits));
        }
        let entry = OwnedZipFileEntry::from(entry);
        members.push(Member { path, modified: modified(file, &entry)?, place: Place::Zip(Box::new(entry)) });
    }
    Ok(members)
}

fn leads_out(path: &str) -> bool {
    let is_drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    path.starts_with('/') || is_drive || path.contains('\0') || path.split('/').any(|word| word == "..")
}

/// The time in UTC where the archive has one, else its clock time, which has no time zone and is taken for UTC.
fn modified(file: &File, entry: &OwnedZipFileEntry) -> Result<Option<DateTime<Utc>>, Refusal> {
    let mut file = file;
    let opened = entry.as_ref().with_reader(&mut file, ZipReadOptions::new()).map_err(of_zip)?;
    let exact = opened.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    let exact = exact.and_then(|seconds| DateTime::from_timestamp(i64::from(seconds), 0));
    let clock = entry.last_modified().and_then(|time| {
        let day = NaiveDate::from_ymd_opt(time.year().into(), time.month().into(), time.day().into())?;
        Some(day.and_hms_opt(time.hour().into(), time.minute().into(), time.second().into())?.and_utc())
    });
    Ok(exact.or(clock).and_then(believable))
}

/// No file of an export is older than Instagram (zip files without a date say 1980). One of a clock ahead of UTC, by up to 14
/// hours, was made just now.
fn believable(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let now = Utc::now();
    let began = NaiveDate::from_ymd_opt(2010, 10, 6)?.and_hms_opt(0, 0, 0)?.and_utc();
    (time >= began && time <= now + TimeDelta::hours(14)).then(|| time.min(now))
}

/// Opens a file without waiting for a writer, should it be a pipe.
fn open_file(path: &Path, flags: i32) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    Ok(file)
}

impl Source {
    /// Reads one file from its beginning, within the bounds. The reader has no buffer.
    pub fn read<T>(
        &self,
        member: &Member,
        limits: &Limits,
        budget: &Budget,
        read: impl FnOnce(&mut dyn Read) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let unreadable = |error: io::Error| {
            Refusal::new(format!("{}: {error}", shown(&member.path)), "see to it that the file can be read")
        };
        match (self, &member.place) {
            (Source::Zip(file), Place::Zip(entry)) => {
                let taken = Cell::new(0);
                let mut file = Counted { inner: file, taken: &taken };
                let unpacked =
                    OwnedZipFileEntry::as_ref(entry).with_reader(&mut file, ZipReadOptions::new()).map_err(of_zip)?;
                let packed = (entry.compression() != CompressionMethod::Stored).then_some(&taken);
                read(&mut Bounded::new(unpacked, &member.path, limits, budget, packed))
            }
            (_, Place::File(path)) => {
                // A link that has come in the file's place meanwhile is not followed.
                let file = open_file(path, libc::O_NOFOLLOW).map_err(unreadable)?;
                read(&mut Bounded::new(file, &member.path, limits, budget, None))
            }
            (Source::Folder, Place::Zip(_)) => Err(unreadable(io::Error::other("is not in this export"))),
        }
    }
}

fn of_zip(error: ZipError) -> Refusal {
    let what = match error {
        ZipError::Io(error) => match Refusal::of_io(&error) {
            Some(refusal) => return refusal.clone(),
            None => error.to_string(),
        },
        error => error.to_string(),
    };
    Refusal::new(format!("not a zip file that can be read: {}", shown(&what)), AS_SENT)
}
