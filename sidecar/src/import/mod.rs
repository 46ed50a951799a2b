//! `analytics-sidecar import`: takes lists from files instead of from a remote. Reads and judges all of them before the
//! database is asked anything, then sends them in one transaction.

mod database;
mod progress;
mod summary;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;

use crate::export::{Contents, Export, Limits, Listed, MIB, Refusal, Relation, Run, owner, shown};
use database::{Account, Claim, Database, Outcome, Page};
use progress::Progress;
use summary::{ListSummary, Summary, number};

#[derive(Debug, Subcommand)]
pub enum Import {
    InstagramExport(InstagramExport),
}

/// Read Instagram's "Download your information" archive: followers, following and insights.
///
/// Nothing is written when anything about the export is wrong. Needs DATABASE_URL. Exit status: 0 imported, 2 wrong arguments
/// or configuration, 3 the export is refused, 4 the database refuses it, 5 the database is not available or gave up.
#[derive(Debug, Args)]
pub struct InstagramExport {
    /// The zip file as Instagram sent it, or the folder it was unpacked into.
    pub path: PathBuf,

    /// The account whose export it is: its id, or its handle where only one workspace has it.
    #[arg(long)]
    pub account: String,

    /// When the export was made: 2026-05-03T10:00:00Z, or a day, which means its end in UTC. Otherwise the newest date of the
    /// lists' files.
    #[arg(long, value_name = "TIME", value_parser = captured_at)]
    pub captured_at: Option<DateTime<Utc>>,

    /// The lists are not complete (the export was asked for a range of time): nobody is called an unfollower for missing.
    #[arg(long, conflicts_with = "complete")]
    pub incomplete: bool,

    /// The lists are complete, whatever speaks against it.
    #[arg(long)]
    pub complete: bool,

    /// Show what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,

    /// Names sent at a time, 1000 to 50000.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1000..=50_000))]
    pub page_size: u32,

    /// Most that is read of the lists, in MiB, 1 to 1048576; a million names take about 250.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_mib: u32,
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum Failure {
    /// The export is not taken.
    Export(Refusal),
    /// The database refuses this import, and would again.
    Refused { what: String, remedy: String },
    /// The database was not reached, or could not do it now.
    Unavailable { what: String, remedy: String },
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Export(refusal)
    }
}

impl Failure {
    fn told(&self) -> (u8, &str, &str) {
        match self {
            Failure::Export(refusal) => (3, &refusal.what, &refusal.remedy),
            Failure::Refused { what, remedy } => (4, what, remedy),
            Failure::Unavailable { what, remedy } => (5, what, remedy),
        }
    }
}

/// Runs an import from beginning to end and tells how it went.
pub async fn run(Import::InstagramExport(arguments): Import, options: PgConnectOptions) -> ExitCode {
    match import(arguments, options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (status, what, remedy) = failure.told();
            eprintln!("analytics-sidecar: {what}\nhint: {remedy}");
            ExitCode::from(status)
        }
    }
}

async fn import(arguments: InstagramExport, options: PgConnectOptions) -> Result<(), Failure> {
    let limits = Limits { bytes: u64::from(arguments.max_mib) * MIB, ..Limits::default() };
    let path = arguments.path.clone();
    let (export, contents) = blocking(move || {
        let export = Export::open(&path, limits)?;
        let progress = Progress::new("reading", 0);
        let contents = export.read(&|entries| progress.at(entries))?;
        Ok((Arc::new(export), Arc::new(contents)))
    })
    .await?;
    let (captured_at, captured_at_from) = when(&arguments, &export, &contents)?;
    let judge = |list| judge(&arguments, list, &contents, captured_at);
    let judged = contents.lists.iter().map(judge).collect::<Result<Vec<_>, _>>()?;

    let mut database = Database::begin(options).await?;
    let (account, account_told) = find_account(&mut database, &arguments).await?;
    let mut lists = Vec::with_capacity(judged.len());
    for (position, judgement) in judged.into_iter().enumerate() {
        let claim = Claim { captured_at, count: judgement.claimed, is_complete: judgement.is_complete };
        let (outcome, told) =
            send(&mut database, &account, claim, &export, &contents, position, arguments.page_size as usize).await?;
        let listed = &contents.lists[position];
        if !arguments.complete {
            check_loss(listed, &outcome)?;
        }
        lists.push(ListSummary::new(listed, judgement.text, outcome, told));
    }
    let mut documents = Vec::with_capacity(contents.documents.len());
    for document in &contents.documents {
        let is_new = database.store_document(account.account_id, captured_at, document).await?;
        documents.push((document.name.clone(), is_new));
    }
    database.end(arguments.dry_run).await?;

    let summary = Summary {
        account_name: format!("{}:{}", account.platform, account.handle),
        account: account_told,
        path: arguments.path.to_string_lossy().into_owned(),
        captured_at,
        captured_at_from,
        dry_run: arguments.dry_run,
        lists,
        unfollowed: contents.unfollowed.clone(),
        documents,
        notes: contents.notes.clone(),
    };
    let told = if arguments.json { format!("{}\n", summary.json()) } else { summary.text() };
    // The import is done, whether or not anybody listens.
    let _ = std::io::stdout().write_all(told.as_bytes());
    Ok(())
}

/// The account that is meant, if the export can be its own.
async fn find_account(database: &mut Database, arguments: &InstagramExport) -> Result<(Account, Value), Failure> {
    let (account, told) = database.find_account(&account_text(&arguments.account)).await?;
    if account.platform != "instagram" {
        let what = format!("the account is of {}", shown(&account.platform));
        return Err(Refusal::new(what, "give the account on Instagram").into());
    }
    match owner(&arguments.path) {
        Some(owner) if owner != account.handle => Err(Refusal::new(
            format!("the archive is named for {}, the account is {}", shown(&owner), shown(&account.handle)),
            "give the account whose export it is; if it has changed its handle, rename the archive",
        )
        .into()),
        _ => Ok((account, told)),
    }
}

/// Sends one list, while its pages are still being made.
async fn send(
    database: &mut Database,
    account: &Account,
    claim: Claim,
    export: &Arc<Export>,
    contents: &Arc<Contents>,
    position: usize,
    page_size: usize,
) -> Result<(Outcome, Value), Failure> {
    let listed = &contents.lists[position];
    let list = database.begin_list(account.account_id, listed.relation, claim).await?;
    let page_size = page_size.min(list.page_people).max(1);
    let progress = Progress::new(&format!("sending {}", listed.relation), listed.entries);
    let (sender, mut pages) = mpsc::channel(1);
    let feeder = tokio::task::spawn_blocking({
        let (export, contents) = (export.clone(), contents.clone());
        move || feed(&export, &contents.lists[position], page_size, &sender)
    });
    let (mut sent, mut number) = (0, 0);
    while let Some(page) = pages.recv().await {
        database.add_page(list.import_id, number, &page).await?;
        number += 1;
        sent += page.handles.len() as u64;
        progress.at(sent);
    }
    feeder.await.map_err(panicked)??;
    if number == 0 {
        database.add_page(list.import_id, 0, &Page::default()).await?;
    }
    database.finish_list(list.import_id).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Failure> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(panicked)??)
}

fn panicked(error: tokio::task::JoinError) -> Failure {
    Refusal::new(
        format!("the export could not be read: {error}"),
        "nothing was written; report this as a mistake of the program",
    )
    .into()
}

/// Gives a list page by page. Ends early, without a word, when nobody takes them any more.
fn feed(export: &Export, listed: &Listed, page_size: usize, sender: &mpsc::Sender<Page>) -> Result<(), Refusal> {
    let give = |run: &Run| {
        for start in (0..run.len()).step_by(page_size) {
            let mut page = Page::default();
            for (name, followed_at) in run.slice(start..run.len().min(start + page_size)) {
                page.handles.push(name.to_owned());
                page.followed_at.push(followed_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0)));
            }
            if sender.blocking_send(page).is_err() {
                return Err(Refusal::new("stopped", "nothing was written"));
            }
        }
        Ok(())
    };
    match &listed.names {
        Some(names) => give(names),
        None => export.read_again(listed.relation, give),
    }
}

/// A day ends a list of that day: what was followed in the morning is in it.
fn captured_at(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.into());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_| "not a time such as 2026-05-03T10:00:00Z, nor a day such as 2026-05-03")?;
    let end = (day + TimeDelta::days(1)).and_time(NaiveTime::MIN).and_utc() - TimeDelta::seconds(1);
    let now = Utc::now();
    Ok(if end > now && end < now + TimeDelta::days(1) { now } else { end })
}

/// When the lists were true, and by whose word.
fn when(arguments: &InstagramExport, export: &Export, contents: &Contents) -> Result<(DateTime<Utc>, String), Refusal> {
    const REMEDY: &str = "give the time at which Instagram made the export with --captured-at";
    let newest = contents.lists.iter().filter_map(|list| list.newest).max();
    let (time, from) = match (arguments.captured_at, export.dated()) {
        (Some(given), _) => (given, "as given".to_owned()),
        (None, Some((time, file))) if export.is_archive() => {
            (time, format!("the date of {} in the archive", shown(file)))
        }
        (None, Some((time, file))) => (time, format!("the date of the file {}", shown(file))),
        (None, None) => return Err(Refusal::new("the export shows no date of its own", REMEDY)),
    };
    if time > Utc::now() + TimeDelta::minutes(5) {
        return Err(Refusal::new(format!("{time} has not come yet"), REMEDY));
    }
    match newest {
        // The times of zip files have no time zone, and may be behind by half a day.
        Some(newest) if arguments.captured_at.is_none() && time < newest && newest - time < TimeDelta::hours(15) => {
            Ok((newest, "the newest entry; the archive's clock is behind it".to_owned()))
        }
        Some(newest) if time < newest => Err(Refusal::new(
            format!("somebody in it followed on {newest}, after the export was made ({time}, {from})"),
            REMEDY,
        )),
        _ => Ok((time, from)),
    }
}

struct Judgement {
    is_complete: Option<bool>,
    claimed: i64,
    text: String,
}

/// Whether a list is complete: what the files show, what the owner says, and what speaks against it.
fn judge(
    arguments: &InstagramExport,
    list: &Listed,
    contents: &Contents,
    captured_at: DateTime<Utc>,
) -> Result<Judgement, Refusal> {
    let counted = contents.counted_followers.filter(|_| list.relation == Relation::Followers);
    let missing = (!list.missing.is_empty()).then(|| {
        let files: Vec<_> = list.missing.iter().map(|number| format!("{}_{number}.json", list.relation)).collect();
        format!("{} {} missing", files.join(", "), if files.len() == 1 { "is" } else { "are" })
    });
    let doubt = list.doubt(captured_at, counted);
    let names = format!("{} names in {}", number(list.entries - list.nameless), files(list));
    let (is_complete, why) = match (missing, doubt) {
        (Some(missing), _) if arguments.complete => {
            return Err(Refusal::new(missing, "put the file there, or leave --complete out"));
        }
        (Some(missing), _) => (Some(false), missing),
        (None, _) if arguments.incomplete => (Some(false), "as said".to_owned()),
        (None, _) if arguments.complete => (Some(true), "complete, as said".to_owned()),
        (None, Some(doubt)) => {
            return Err(Refusal::new(
                doubt,
                "if the export was asked for a range of time, ask for all time or give --incomplete; if it is complete, give --complete",
            ));
        }
        (None, None) if list.nameless > 0 => (None, format!("{} entries name nobody", number(list.nameless))),
        (None, None) => (Some(true), "complete".to_owned()),
    };
    // An incomplete list claims what the export's own statistics count.
    let claimed = if is_complete == Some(false) { list.people().max(counted.unwrap_or(0)) } else { list.people() };
    Ok(Judgement { is_complete, claimed: i64::try_from(claimed).unwrap_or(i64::MAX), text: format!("{names}; {why}") })
}

fn files(list: &Listed) -> String {
    let name = |path: &String| shown(path.rsplit('/').next().unwrap_or_default());
    match (list.files.first(), list.files.last()) {
        (Some(first), Some(last)) if first != last => format!("{} to {}", name(first), name(last)),
        (Some(only), _) => name(only),
        _ => "no file".to_owned(),
    }
}

/// Fewer are never doubted.
const MANY: u64 = 10;

/// A list that was cut short looks like one that half of the followers have left. Whoever imports it must say which.
fn check_loss(list: &Listed, outcome: &Outcome) -> Result<(), Refusal> {
    let before = outcome.before();
    // A list that was taken before, or came late, takes nobody away now.
    let changes_nothing = !outcome.is_new || !outcome.in_chain;
    if changes_nothing
        || list.relation == Relation::Following
        || outcome.lost < MANY
        || outcome.lost.saturating_mul(2) <= before
    {
        return Ok(());
    }
    Err(Refusal::new(
        format!("{} of {} known followers are not in this list", number(outcome.lost), number(before)),
        "if the export was asked for a range of time, or is of another account, take the right one or give --incomplete; if they have left, give --complete",
    ))
}

/// A handle alone is one on Instagram.
fn account_text(text: &str) -> String {
    let text = text.trim();
    if text.contains(':') || uuid::Uuid::try_parse(text).is_ok() {
        text.to_owned()
    } else {
        format!("instagram:{}", text.strip_prefix('@').unwrap_or(text).to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart_by_their_form() {
        let id = "0195c3a0-0000-7000-8000-00000000000a";
        assert_eq!(account_text(id), id);
        assert_eq!(account_text(" @Ada.Example"), "instagram:ada.example");
        assert_eq!(account_text("instagram:ada"), "instagram:ada");
    }

    #[test]
    fn a_day_means_its_end() {
        assert_eq!(captured_at("2026-05-03").map(|time| time.to_rfc3339()), Ok("2026-05-03T23:59:59+00:00".to_owned()));
        assert_eq!(
            captured_at("2026-05-03T10:00:00+02:00").map(|time| time.to_rfc3339()),
            Ok("2026-05-03T08:00:00+00:00".to_owned())
        );
        let today = Utc::now();
        assert!(captured_at(&today.format("%Y-%m-%d").to_string()).is_ok_and(|time| time <= Utc::now()));
        for wrong in ["yesterday", "2026-13-01", "03.05.2026", ""] {
            assert!(captured_at(wrong).is_err(), "{wrong}");
        }
    }
}
