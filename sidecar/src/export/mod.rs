//! Instagram's "Download your information" archive, as a zip file or unpacked. It is read where it lies: nothing is
//! ever extracted, links are never followed, and what is read is bounded whatever the archive claims of itself.

mod files;
mod limits;
mod list;
mod names;
mod refusal;
mod run;
mod signs;
mod source;

use std::fmt;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

pub use limits::{Limits, MIB};
pub use refusal::{Refusal, shown};
pub use run::Run;
pub use signs::owner;

use files::{Kind, kind};
use limits::Budget;
use names::Entry;
use source::{Member, Source};

const ASK_AGAIN: &str =
    "ask Instagram for the export again: followers and following, all time, format JSON (docs/import.md)";

/// Whom a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Followers,
    Following,
}

impl Relation {
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Followers => "followers",
            Relation::Following => "following",
        }
    }

    /// The key that the list stands under where it does not stand alone.
    fn key(self) -> &'static str {
        match self {
            Relation::Followers => "relationships_followers",
            Relation::Following => "relationships_following",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An export whose files were looked through and not read yet.
#[derive(Debug)]
pub struct Export {
    source: Source,
    limits: Limits,
    lists: Vec<List>,
    unfollowed: Option<Member>,
    insights: Vec<Member>,
}

#[derive(Debug)]
struct List {
    relation: Relation,
    /// By number.
    members: Vec<Member>,
    /// Numbers that are not there although higher ones are.
    missing: Vec<u32>,
}

/// All that an export says, but for names that did not fit into memory.
#[derive(Debug)]
pub struct Contents {
    pub lists: Vec<Listed>,
    pub unfollowed: Option<Unfollowed>,
    pub documents: Vec<Document>,
    /// How many followers the export's own statistics count, in exports in English.
    pub counted_followers: Option<u64>,
    /// What was left out and why.
    pub notes: Vec<String>,
}

/// One list that was read.
#[derive(Debug)]
pub struct Listed {
    pub relation: Relation,
    pub files: Vec<String>,
    pub missing: Vec<u32>,
    pub entries: u64,
    /// Entries that name nobody.
    pub nameless: u64,
    /// When the first and the last of them followed.
    pub oldest: Option<DateTime<Utc>>,
    pub newest: Option<DateTime<Utc>>,
    /// Sorted, each once. None: too many to be kept.
    pub names: Option<Run>,
}

impl Listed {
    /// How many people it is about: names, each once as far as that is known, and entries that name nobody.
    pub fn people(&self) -> u64 {
        self.names.as_ref().map_or(self.entries, |names| names.len() as u64 + self.nameless)
    }
}

/// `recently_unfollowed_profiles.json`: whom the owner of the account has ceased to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfollowed {
    pub accounts: u64,
    /// Those that are in `following.json` all the same: followed again.
    pub followed_again: u64,
}

/// An insights file, unchanged.
#[derive(Debug, PartialEq)]
pub struct Document {
    pub name: String,
    pub text: String,
}

/// Is told how many entries have been read.
pub type Progress<'a> = &'a dyn Fn(u64);

impl Export {
    /// Looks through a zip file or a folder. The lists may be anywhere in it, all in one folder.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Refusal> {
        let (mut html, mut archive) = (None, None);
        let (source, members) = source::open(path, &limits, &mut |path| {
            match kind(path) {
                Kind::Html => html = html.take().or(Some(path.to_owned())),
                Kind::Archive => archive = archive.take().or(Some(path.to_owned())),
                Kind::Other => {}
                Kind::List(..) | Kind::Unfollowed | Kind::Insights => return true,
            }
            false
        })?;
        let mut export = Export { source, limits, lists: Vec::new(), unfollowed: None, insights: Vec::new() };
        let mut lists: Vec<(Relation, u32, Member)> = Vec::new();
        for member in members {
            match kind(&member.path) {
                Kind::List(relation, number) => lists.push((relation, number, member)),
                Kind::Unfollowed => match &export.unfollowed {
                    Some(other) => return Err(twice(&other.path, &member.path)),
                    None => export.unfollowed = Some(member),
                },
                _ => export.insights.push(member),
            }
        }
        for relation in [Relation::Followers, Relation::Following] {
            let (of_it, rest) = lists.into_iter().partition(|(of, ..)| *of == relation);
            lists = rest;
            export.lists.extend(List::new(relation, of_it)?);
        }
        export.check(html, archive)?;
        Ok(export)
    }

    fn check(&self, html: Option<String>, archive: Option<String>) -> Result<(), Refusal> {
        if self.lists.is_empty() {
            return Err(match (html, archive) {
                (Some(html), _) => Refusal::new(
                    format!("{}: the export is in the format HTML, which has no exact times", shown(&html)),
                    ASK_AGAIN,
                ),
                (None, Some(archive)) => Refusal::new(
                    format!("no list of followers, but another archive: {}", shown(&archive)),
                    "give the inner archive, or unpack all parts of the export into one folder and give that",
                ),
                (None, None) => Refusal::new("there is no followers_1.json and no following.json in it", ASK_AGAIN),
            });
        }
        let mut all = self.lists.iter().flat_map(|list| &list.members).chain(&self.unfollowed);
        let first = all.next();
        if let (Some(first), Some(other)) =
            (first, all.find(|member| first.is_some_and(|first| first.folder() != member.folder())))
        {
            return Err(Refusal::new(
                format!("two exports in one: {} and {}", shown(&first.path), shown(&other.path)),
                "give one of them",
            ));
        }
        for (position, member) in self.insights.iter().enumerate() {
            if let Some(other) = self.insights[..position].iter().find(|other| other.name() == member.name()) {
                return Err(twice(&other.path, &member.path));
            }
            if position == self.limits.documents {
                return Err(Refusal::new(
                    format!("more than {} files of insights", self.limits.documents),
                    "take the export as Instagram sent it",
                ));
            }
        }
        Ok(())
    }

    /// The newest date of the lists' files, and which file it is of.
    pub fn dated(&self) -> Option<(DateTime<Utc>, &str)> {
        let members = self.lists.iter().flat_map(|list| &list.members);
        members.filter_map(|member| Some((member.modified?, member.name()))).max_by_key(|(modified, _)| *modified)
    }

    /// Whether the dates are those of an archive, or of files that may have been copied since.
    pub fn is_archive(&self) -> bool {
        matches!(self.source, Source::Zip(_))
    }

    /// Reads everything once, so that a mistake anywhere is found before anything is written.
    pub fn read(&self, progress: Progress<'_>) -> Result<Contents, Refusal> {
        let budget = Budget::new(self.limits.bytes);
        let mut room = self.limits.run;
        let mut lists = Vec::with_capacity(self.lists.len());
        for list in &self.lists {
            let listed = self.read_list(list, &budget, room, progress)?;
            room -= listed.names.as_ref().map_or(0, Run::len);
            lists.push(listed);
        }
        let following = lists.iter().find(|list| list.relation == Relation::Following);
        let unfollowed = match &self.unfollowed {
            Some(member) => Some(self.read_unfollowed(member, &budget, following)?),
            None => None,
        };
        let mut notes = Vec::new();
        let documents = self.read_documents(&budget, &mut notes)?;
        let counted_followers = documents.iter().find_map(signs::counted_followers);
        Ok(Contents { lists, unfollowed, documents, counted_followers, notes })
    }

    fn read_list(&self, list: &List, budget: &Budget, room: usize, progress: Progress<'_>) -> Result<Listed, Refusal> {
        let (mut names, mut fits) = (Run::default(), true);
        let (mut entries, mut nameless) = (0_u64, 0_u64);
        let (mut oldest, mut newest) = (None, None);
        for member in &list.members {
            self.scan(list.relation.key(), member, budget, &mut |entry| {
                entries += 1;
                if entries.is_multiple_of(4096) {
                    progress(entries);
                }
                let Some(handle) = entry.handle() else {
                    nameless += 1;
                    return Ok(());
                };
                oldest = [oldest, entry.timestamp].into_iter().flatten().min();
                newest = newest.max(entry.timestamp);
                if fits && (names.len() == room || !names.push(&handle, entry.timestamp)) {
                    (names, fits) = (Run::default(), false);
                }
                Ok(())
            })?;
        }
        progress(entries);
        let files: Vec<_> = list.members.iter().map(|member| member.path.clone()).collect();
        if nameless == entries && entries > 0 {
            return Err(Refusal::new(
                format!("{}: no name was found in any of its {entries} entries", shown(&files.join(", "))),
                "the form of these files is not known here; see docs/import.md for those that are",
            ));
        }
        names.sort();
        let time = |seconds: Option<i64>| seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(Listed {
            relation: list.relation,
            files,
            missing: list.missing.clone(),
            entries,
            nameless,
            oldest: time(oldest),
            newest: time(newest),
            names: fits.then_some(names),
        })
    }

    /// Reads a list again whose names were not kept, and gives them in sorted runs.
    pub fn read_again(
        &self,
        relation: Relation,
        mut give: impl FnMut(&Run) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let budget = Budget::new(self.limits.bytes);
        let mut run = Run::default();
        for list in self.lists.iter().filter(|list| list.relation == relation) {
            for member in &list.members {
                self.scan(relation.key(), member, &budget, &mut |entry| {
                    let Some(handle) = entry.handle() else { return Ok(()) };
                    while run.len() == self.limits.run || !run.push(&handle, entry.timestamp) {
                        run.sort();
                        give(&run)?;
                        run.clear();
                    }
                    Ok(())
                })?;
            }
        }
        run.sort();
        give(&run)
    }

    fn read_unfollowed(
        &self,
        member: &Member,
        budget: &Budget,
        following: Option<&Listed>,
    ) -> Result<Unfollowed, Refusal> {
        let names = following.and_then(|list| list.names.as_ref());
        let mut unfollowed = Unfollowed { accounts: 0, followed_again: 0 };
        self.scan("relationships_unfollowed_users", member, budget, &mut |entry| {
            if let Some(handle) = entry.handle() {
                unfollowed.accounts += 1;
                unfollowed.followed_again += u64::from(names.is_some_and(|names| names.contains(&handle)));
            }
            Ok(())
        })?;
        Ok(unfollowed)
    }

    fn scan(
        &self,
        key: &str,
        member: &Member,
        budget: &Budget,
        take: &mut dyn FnMut(Entry) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.source.read(member, &self.limits, budget, |reader| list::read(&member.path, key, reader, take))
    }

    fn read_documents(&self, budget: &Budget, notes: &mut Vec<String>) -> Result<Vec<Document>, Refusal> {
        let mut documents = Vec::with_capacity(self.insights.len());
        for member in &self.insights {
            let mut bytes = Vec::new();
            self.source.read(member, &self.limits, budget, |reader| {
                let mut bounded = reader.take(self.limits.document + 1);
                bounded
                    .read_to_end(&mut bytes)
                    .map(drop)
                    .map_err(|error| list::of_json(&member.path, serde_json::Error::io(error)))
            })?;
            if bytes.len() as u64 > self.limits.document {
                notes.push(format!(
                    "{}: left out, larger than {} MiB",
                    shown(&member.path),
                    self.limits.document / MIB
                ));
                continue;
            }
            let text = String::from_utf8(bytes).map_err(|_| {
                Refusal::new(format!("{}: is not UTF-8", shown(&member.path)), "take the file as Instagram sent it")
            })?;
            serde_json::from_str::<IgnoredAny>(&text).map_err(|error| list::of_json(&member.path, error))?;
            documents.push(Document { name: member.name().to_owned(), text });
        }
        Ok(documents)
    }
}

impl List {
    fn new(relation: Relation, mut members: Vec<(Relation, u32, Member)>) -> Result<Option<Self>, Refusal> {
        members.sort_by_key(|(_, number, _)| *number);
        for pair in members.windows(2) {
            if pair[0].1 == pair[1].1 {
                return Err(twice(&pair[0].2.path, &pair[1].2.path));
            }
        }
        let Some((_, last, _)) = members.last() else { return Ok(None) };
        let is_there = |number: &u32| members.binary_search_by_key(number, |(_, number, _)| *number).is_ok();
        // A number far off is a mistake of its own; nobody reads a list of millions of missing files.
        let missing = (1..*last).filter(|number| !is_there(number)).take(100).collect();
        Ok(Some(List { relation, members: members.into_iter().map(|(_, _, member)| member).collect(), missing }))
    }
}

fn twice(first: &str, second: &str) -> Refusal {
    let what = if first == second {
        format!("{} is there twice", shown(first))
    } else {
        format!("{} and {} are the same file of two exports", shown(first), shown(second))
    };
    Refusal::new(what, "give one export, as Instagram sent it")
}
