//! What is read of an export, and what of a hostile one is refused. Whatever is refused is refused before a database is asked.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use analytics_sidecar::export::{Contents, Export, Limits, MIB, Refusal, Relation};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

const LISTS: &str = "connections/followers_and_following";

fn old_entry(name: &str) -> Value {
    let href = format!("https://www.instagram.com/{name}");
    json!({"title": "", "media_list_data": [], "string_list_data": [{"href": href, "value": name, "timestamp": 1_751_562_738}]})
}

fn new_entry(name: &str) -> Value {
    let href = format!("https://www.instagram.com/_u/{name}");
    json!({"title": name, "string_list_data": [{"href": href, "timestamp": 1_751_562_738}]})
}

fn followers(names: &[&str]) -> String {
    Value::from(names.iter().map(|name| old_entry(name)).collect::<Vec<_>>()).to_string()
}

fn following(names: &[&str]) -> String {
    json!({"relationships_following": names.iter().map(|name| new_entry(name)).collect::<Vec<_>>()}).to_string()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let date = DateTime::from_date_and_time(2026, 5, 3, 10, 0, 0).expect("a date");
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(date);
    for (name, content) in files {
        archive.start_file(*name, options).expect("a name");
        archive.write_all(content).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}

/// In every place where a name occurs.
fn renamed(archive: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut renamed = archive.to_vec();
    let mut places = 0;
    for start in 0..=archive.len() - from.len() {
        if &archive[start..start + from.len()] == from.as_bytes() {
            renamed[start..start + from.len()].copy_from_slice(to.as_bytes());
            places += 1;
        }
    }
    assert_eq!(places, 2, "the local header and the central directory");
    renamed
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { folder: TempDir::new().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn zip(&self, archive: &[u8]) -> PathBuf {
        let path = self.path("export.zip");
        fs::write(&path, archive).expect("written");
        path
    }

    fn folder(&self, files: &[(&str, &str)]) -> PathBuf {
        for (name, content) in files {
            let path = self.path("export").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, content).expect("written");
        }
        self.path("export")
    }
}

fn read(path: &Path) -> Result<Contents, Refusal> {
    read_within(path, Limits::default())
}

fn read_within(path: &Path, limits: Limits) -> Result<Contents, Refusal> {
    Export::open(path, limits)?.read(&|_| ())
}

fn refusal(path: &Path) -> Refusal {
    read(path).map(drop).expect_err("refused")
}

fn names(contents: &Contents, relation: Relation) -> Vec<String> {
    let list = contents.lists.iter().find(|list| list.relation == relation).expect("a list");
    list.names.as_ref().expect("kept").iter().map(|(name, _)| name.to_owned()).collect()
}

fn at(folder: &str, name: &str) -> String {
    format!("{folder}/{name}")
}

#[test]
fn both_layouts_are_read_from_zip_files_and_folders() {
    for folder in [LISTS, "followers_and_following", "instagram-ada-2026-05-03-x/connections/followers_and_following"] {
        let (one, two, three) =
            (at(folder, "followers_1.json"), at(folder, "followers_2.json"), at(folder, "following.json"));
        let files = [
            (one.as_str(), followers(&["cleo", "ada"])),
            (two.as_str(), followers(&["ben", "ada"])),
            (three.as_str(), following(&["ada"])),
            ("media/posts/1.jpg", "no picture".to_owned()),
        ];
        let place = Place::new();
        let archive = zipped(&files.each_ref().map(|(name, content)| (*name, content.as_bytes())));
        let unpacked = place.folder(&files.each_ref().map(|(name, content)| (*name, content.as_str())));
        for path in [place.zip(&archive), unpacked] {
            let contents = read(&path).expect("read");
            assert_eq!(names(&contents, Relation::Followers), ["ada", "ben", "cleo"]);
            assert_eq!(names(&contents, Relation::Following), ["ada"]);
            assert_eq!((contents.lists[0].entries, contents.lists[0].missing.len()), (4, 0));
        }
    }
}

#[test]
fn the_date_is_that_of_the_lists() {
    let place = Place::new();
    let path = place.zip(&zipped(&[("followers_1.json", followers(&["ada"]).as_bytes())]));
    let export = Export::open(&path, Limits::default()).expect("opened");
    let (date, file) = export.dated().expect("a date");
    assert_eq!((date.to_rfc3339().as_str(), file), ("2026-05-03T10:00:00+00:00", "followers_1.json"));
}

#[test]
fn a_gap_in_the_numbers_is_found() {
    let place = Place::new();
    let path = place.folder(&[("followers_1.json", &followers(&["ada"])), ("followers_4.json", &followers(&["ben"]))]);
    assert_eq!(read(&path).expect("read").lists[0].missing, [2, 3]);
}

#[test]
fn entries_without_a_name_are_counted_and_a_list_of_nothing_else_is_refused() {
    let place = Place::new();
    let nobody = json!({"title": "", "string_list_data": []});
    let path = place.folder(&[("followers_1.json", &json!([old_entry("ada"), nobody]).to_string())]);
    let contents = read(&path).expect("read");
    assert_eq!((contents.lists[0].entries, contents.lists[0].nameless), (2, 1));
    let path = place.folder(&[("followers_1.json", &json!([nobody, nobody]).to_string())]);
    assert!(refusal(&path).what.contains("no name was found in any of its 2 entries"));
}

#[test]
fn the_other_files_are_read_too() {
    let place = Place::new();
    let insights = r#"{"organic_insights_audience": [{"string_map_data": {"Followers": {"value": "1,196"}}}]}"#;
    let unfollowed = json!([{"timestamp": 1_751_562_738, "label_values": [{"label": "Username", "value": "ada"}]},
        {"timestamp": 1_751_562_738, "label_values": [{"label": "Nome de usuÃ¡rio", "value": "eve"}]}]);
    let path = place.folder(&[
        (&at(LISTS, "following.json"), &following(&["ada"])),
        (&at(LISTS, "recently_unfollowed_profiles.json"), &unfollowed.to_string()),
        (&at(LISTS, "pending_follow_requests.json"), "this is not read"),
        ("logged_information/past_instagram_insights/audience_insights.json", insights),
    ]);
    let contents = read(&path).expect("read");
    let unfollowed = contents.unfollowed.expect("there");
    assert_eq!((unfollowed.accounts, unfollowed.followed_again), (2, 1));
    assert_eq!((contents.documents[0].text.as_str(), contents.counted_followers), (insights, Some(1196)));
}

#[test]
fn a_list_that_does_not_fit_into_memory_comes_in_sorted_runs() {
    let place = Place::new();
    let path = place.folder(&[
        ("followers_1.json", &followers(&["e", "c", "a", "c"])),
        ("followers_2.json", &followers(&["b", "d", "a"])),
        ("following.json", &following(&["x", "w"])),
    ]);
    let export = Export::open(&path, Limits { run: 3, ..Limits::default() }).expect("opened");
    let contents = export.read(&|_| ()).expect("read");
    assert!(contents.lists[0].names.is_none());
    assert_eq!((contents.lists[0].entries, contents.lists[0].people()), (7, 7));
    assert_eq!(names(&contents, Relation::Following), ["w", "x"]);
    let mut runs = Vec::new();
    let read = export.read_again(Relation::Followers, |run| {
        runs.push(run.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
        Ok(())
    });
    assert_eq!(read, Ok(()));
    assert_eq!(runs, [vec!["a", "c", "e"], vec!["b", "c", "d"], vec!["a"]]);
}

#[test]
fn insights_that_are_too_large_are_left_out_and_told() {
    let place = Place::new();
    let text = format!("[{}1]", "1,".repeat(600_000));
    let path = place.folder(&[("following.json", &following(&["ada"])), ("past_instagram_insights/posts.json", &text)]);
    let limits = Limits { document: MIB, ..Limits::default() };
    let contents = read_within(&path, limits).expect("read");
    assert!(contents.documents.is_empty());
    assert_eq!(contents.notes, ["past_instagram_insights/posts.json: left out, larger than 1 MiB"]);
}

#[test]
fn names_are_those_of_instagram_and_hidden_files_are_nothing() {
    let place = Place::new();
    let path = place.folder(&[
        ("a/followers_1.json", &followers(&["Ð¼Ð¸Ñ\u{80}", "Åsa", "Ada._9"])),
        ("__MACOSX/a/followers_1.json", "\u{5}\u{16}\u{7}"),
        ("a/._followers_1.json", "\u{5}\u{16}\u{7}"),
    ]);
    let contents = read(&path).expect("read");
    assert_eq!((names(&contents, Relation::Followers), contents.lists[0].nameless), (vec!["ada._9".to_owned()], 2));
}

// --- what is refused ------------------------------------------------------------------------------------------------

#[test]
fn an_export_without_lists_is_told_what_it_lacks() {
    let place = Place::new();
    let html = place.folder(&[(&at(LISTS, "followers_1.html"), "<html>")]);
    let told = refusal(&html);
    assert!(told.what.contains("HTML") && told.remedy.contains("format JSON"), "{told:?}");
    let place = Place::new();
    let nested = place.zip(&zipped(&[("part_1.zip", &zipped(&[("followers_1.json", b"[]")]))]));
    assert!(refusal(&nested).what.contains("another archive: part_1.zip"));
    let empty = place.folder(&[("media/1.jpg", "")]);
    assert!(refusal(&empty).what.contains("no followers_1.json"));
    assert!(refusal(&place.path("nowhere")).what.contains("No such file"));
    fs::write(place.path("text.zip"), "this is no zip file").expect("written");
    assert!(refusal(&place.path("text.zip")).what.contains("not a zip file"));
    fs::write(place.path("empty.zip"), "").expect("written");
    assert!(refusal(&place.path("empty.zip")).what.contains("not a zip file"));
}

#[test]
fn wrong_json_is_told_with_file_line_and_column() {
    let place = Place::new();
    let path = place.folder(&[("a/followers_1.json", "[\n  {\"title\": \"ada\",}\n]")]);
    assert_eq!(refusal(&path).what, "a/followers_1.json: trailing comma at line 2 column 19");
    let path = place.folder(&[("a/followers_1.json", "[]"), ("past_instagram_insights/posts.json", "{")]);
    assert!(refusal(&path).what.starts_with("past_instagram_insights/posts.json: EOF"));
}

#[test]
fn two_exports_in_one_are_told_apart_by_their_owner() {
    let place = Place::new();
    let path = place.folder(&[("may/followers_1.json", "[]"), ("june/followers_1.json", "[]")]);
    assert!(refusal(&path).what.contains("the same file of two exports"));
    let place = Place::new();
    let path = place.folder(&[("may/followers_1.json", "[]"), ("june/following.json", "[]")]);
    assert!(refusal(&path).what.contains("two exports in one"));
    let place = Place::new();
    let path = place.folder(&[("followers.json", "[]"), ("followers_1.json", "[]")]);
    assert!(refusal(&path).what.contains("the same file of two exports"));
    let place = Place::new();
    let archive = zipped(&[("followers_1.json", b"[]"), ("followers_2.json", b"[]")]);
    let path = place.zip(&renamed(&archive, "followers_2.json", "followers_1.json"));
    assert_eq!(refusal(&path).what, "followers_1.json is there twice");
}

#[test]
fn paths_that_lead_out_are_refused_whatever_they_name() {
    let place = Place::new();
    let archive = zipped(&[("followers_1.json", b"[]"), ("aa/bb/passwd", b"")]);
    for path in ["../../passwd", "/a/bb/passwd", "C:/bb/passwd", "..\\..\\passwd", "\\a/bb/passwd"] {
        let told = refusal(&place.zip(&renamed(&archive, "aa/bb/passwd", path)));
        assert!(told.what.contains("leads out of the archive"), "{path}: {told}");
    }
    assert!(read(&place.zip(&renamed(&archive, "aa/bb/passwd", "aa/..b/passw"))).is_ok());
}

#[test]
fn links_are_never_followed() {
    let place = Place::new();
    fs::write(place.path("secret.json"), followers(&["secret"])).expect("written");
    let path = place.folder(&[("following.json", &following(&["ada"]))]);
    symlink(place.path("secret.json"), path.join("followers_1.json")).expect("linked");
    assert!(refusal(&path).what.contains("is a link"));
    fs::remove_file(path.join("followers_1.json")).expect("removed");
    // A folder that is a link is passed over, also one that leads back.
    symlink(&path, path.join("again")).expect("linked");
    fs::create_dir(place.path("other")).expect("made");
    fs::write(place.path("other/followers_1.json"), followers(&["secret"])).expect("written");
    symlink(place.path("other"), path.join("other")).expect("linked");
    let contents = read(&path).expect("read");
    assert_eq!(contents.lists.len(), 1);

    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.add_symlink("followers_1.json", "/etc/passwd", SimpleFileOptions::default()).expect("added");
    let archive = archive.finish().expect("finished").into_inner();
    assert!(refusal(&place.zip(&archive)).what.contains("is a link"));
}

#[test]
fn a_pipe_does_not_make_it_wait() {
    let place = Place::new();
    let path = place.folder(&[("following.json", &following(&["ada"]))]);
    let made = std::process::Command::new("mkfifo").arg(path.join("followers_1.json")).status().expect("mkfifo");
    assert!(made.success());
    assert!(refusal(&path).what.contains("is a link or a device"));
    assert!(refusal(&path.join("followers_1.json")).what.contains("is not a file"));
}

#[test]
fn encrypted_files_and_rare_methods_are_refused() {
    let place = Place::new();
    let mut archive = zipped(&[("followers_1.json", b"[]")]);
    let central = archive.windows(4).position(|window| window == b"PK\x01\x02").expect("a central header");
    archive[6] |= 1;
    archive[central + 8] |= 1;
    let told = refusal(&place.zip(&archive));
    assert!(told.what.contains("is encrypted") && told.remedy.contains("folder"));

    let mut archive = zipped(&[("followers_1.json", b"[]")]);
    archive[8] = 12; // bzip2
    archive[central + 10] = 12;
    assert!(refusal(&place.zip(&archive)).what.contains("packed in a way"));
}

#[test]
fn a_damaged_archive_is_not_half_read() {
    let place = Place::new();
    let mut archive = zipped(&[("followers_1.json", followers(&["ada", "ben"]).as_bytes())]);
    let central = archive.windows(4).position(|window| window == b"PK\x01\x02").expect("a central header");
    archive[central + 16] ^= 1; // the checksum
    assert!(refusal(&place.zip(&archive)).what.contains("checksum"));
}

#[test]
fn bombs_end_early() {
    let place = Place::new();
    let blank = vec![b' '; 6 * MIB as usize];
    let bomb = zipped(&[("followers_1.json", &[b"[", &blank[..], b"]"].concat())]);
    assert!(bomb.len() < MIB as usize);
    let told = refusal(&place.zip(&bomb));
    assert!(told.what.contains("unpacks to more than 100 times its size"), "{told}");
    // The size that the archive claims is not believed: it says that it has four bytes.
    let mut small = bomb.clone();
    let central = small.windows(4).position(|window| window == b"PK\x01\x02").expect("a central header");
    small[central + 24..central + 28].copy_from_slice(&4_u32.to_le_bytes());
    assert!(read(&place.zip(&small)).is_err());
    // Insights count as well.
    let path = place.zip(&zipped(&[("following.json", b"[]"), ("past_instagram_insights/posts.json", &blank)]));
    assert!(refusal(&path).what.contains("100 times"));
    // So does a long text, and a list that is larger than allowed.
    let text = format!("[{{\"title\": \"{}\"}}]", "x".repeat(100_000));
    assert!(
        refusal(&place.zip(&zipped(&[("followers_1.json", text.as_bytes())]))).what.contains("a text of more than")
    );
    let path = place.folder(&[("followers_1.json", &followers(&["ada"; 20_000]))]);
    let told = read_within(&path, Limits { bytes: MIB, ..Limits::default() }).map(drop).expect_err("refused");
    assert!(told.what.contains("more than 1 MiB of lists") && told.remedy.contains("--max-mib"));
}

#[test]
fn thousands_of_other_files_do_not_matter_until_there_are_absurdly_many() {
    let place = Place::new();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..20_000 {
        archive.start_file(format!("media/{number}.jpg"), stored).expect("a name");
    }
    archive.start_file("followers_1.json", stored).expect("a name");
    archive.write_all(followers(&["ada"]).as_bytes()).expect("written");
    let path = place.zip(&archive.finish().expect("finished").into_inner());
    assert_eq!(names(&read(&path).expect("read"), Relation::Followers), ["ada"]);
    let told = read_within(&path, Limits { entries: 20_000, ..Limits::default() }).map(drop).expect_err("refused");
    assert!(told.what.contains("more than 20000 files") && told.remedy.contains("only"));
    let folder = place.folder(&[("followers_1.json", "[]"), ("1.jpg", ""), ("2.jpg", "")]);
    assert!(read_within(&folder, Limits { entries: 2, ..Limits::default() }).is_err());
    let told = read_within(&folder, Limits { wanted: 0, ..Limits::default() }).map(drop).expect_err("refused");
    assert!(told.what.contains("files of lists"));
    let deep = place.folder(&[("a/b/c/d/followers_1.json", "[]")]);
    let told = read_within(&deep, Limits { depth: 3, ..Limits::default() }).map(drop).expect_err("refused");
    assert!(told.what.contains("deep"));
}

#[test]
fn names_of_files_that_are_no_text_are_passed_over() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let path = place.folder(&[("followers_1.json", &followers(&["ada"]))]);
    File::create(path.join(OsStr::from_bytes(b"followers_\xff.json"))).expect("made");
    assert!(read(&path).is_ok());
    let archive = zipped(&[("followers_1.json", b"[]"), ("followers_2.json", b"[]")]);
    let mut odd = archive.clone();
    for start in 0..archive.len() - 16 {
        if archive[start..].starts_with(b"followers_2.json") {
            odd[start + 10] = 0xff;
        }
    }
    assert_eq!(read(&place.zip(&odd)).expect("read").lists[0].files.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_archive_is_refused_or_read_and_never_more(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let place = Place::new();
        let mut archive = zipped(&[
            (&at(LISTS, "followers_1.json"), followers(&["ada", "ben"]).as_bytes()),
            (&at(LISTS, "following.json"), following(&["ada"]).as_bytes()),
        ]);
        for (place, byte) in &damage {
            let place = place.index(archive.len());
            archive[place] = *byte;
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        if let Ok(contents) = read(&place.zip(&archive)) {
            for list in &contents.lists {
                for (name, _) in list.names.as_ref().expect("kept").iter() {
                    prop_assert!(["ada", "ben"].contains(&name), "{name}");
                }
            }
        }
    }

    #[test]
    fn what_was_written_is_read(
        first in proptest::collection::btree_set("[a-z0-9._]{1,30}", 0..30),
        second in proptest::collection::btree_set("[a-z0-9._]{1,30}", 0..30),
        new in any::<bool>(),
    ) {
        let place = Place::new();
        let text = |names: &std::collections::BTreeSet<String>| {
            Value::from(names.iter().map(|name| if new { new_entry(name) } else { old_entry(name) }).collect::<Vec<_>>()).to_string()
        };
        let path = place.folder(&[("followers_1.json", &text(&first)), ("followers_2.json", &text(&second))]);
        let contents = read(&path).expect("read");
        prop_assert_eq!(contents.lists[0].entries, (first.len() + second.len()) as u64);
        prop_assert_eq!(names(&contents, Relation::Followers), first.union(&second).cloned().collect::<Vec<_>>());
    }
}

// --- samples --------------------------------------------------------------------------------------------------------

#[test]
fn the_samples_are_two_exports_of_one_account() {
    let samples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples/instagram_export"));
    let (may, june) =
        (read(&samples.join("2026-05-03")).expect("read"), read(&samples.join("2026-06-03")).expect("read"));
    assert_eq!(counts(&may), [(Relation::Followers, 48, 48, 0), (Relation::Following, 31, 31, 0)]);
    assert_eq!(counts(&june), [(Relation::Followers, 53, 53, 0), (Relation::Following, 30, 30, 0)]);
    assert_eq!((june.counted_followers, june.documents.len()), (Some(53), 2));
    assert_eq!(june.unfollowed.map(|unfollowed| (unfollowed.accounts, unfollowed.followed_again)), Some((3, 0)));
    let captured_at = june.lists[0].newest.expect("a time");
    assert!(june.lists.iter().all(|list| list.doubt(captured_at, june.counted_followers).is_none()));
}

// --- recorded exports -----------------------------------------------------------------------------------------------

/// Real exports of 2025 and 2026 with other names. They are not part of the project: they are looked for in `instagram/` below
/// ANALYTICS_FIXTURES, or below `../shared/fixtures` beside the repository.
fn recorded(files: &[(&str, &str)]) -> Option<(Place, PathBuf)> {
    let folder = match std::env::var_os("ANALYTICS_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")),
    };
    let folder = folder.join("instagram");
    if !folder.is_dir() {
        eprintln!("skipped: no recorded fixtures");
        return None;
    }
    let place = Place::new();
    let texts =
        files.iter().map(|(name, file)| (*name, fs::read_to_string(folder.join(file)).expect("a recorded file")));
    let texts: Vec<_> = texts.collect();
    let path = place.folder(&texts.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>());
    Some((place, path))
}

fn counts(contents: &Contents) -> Vec<(Relation, u64, usize, u64)> {
    let lists = contents.lists.iter();
    lists.map(|list| (list.relation, list.entries, list.names.as_ref().expect("kept").len(), list.nameless)).collect()
}

#[test]
fn the_recorded_export_of_2025_is_read() {
    let Some((_place, path)) = recorded(&[
        ("connections/followers_and_following/followers_1.json", "export_a_followers_1.json"),
        ("connections/followers_and_following/following.json", "export_a_following.json"),
        (
            "connections/followers_and_following/recently_unfollowed_profiles.json",
            "export_a_recently_unfollowed_profiles.json",
        ),
    ]) else {
        return;
    };
    let contents = read(&path).expect("read");
    assert_eq!(counts(&contents), [(Relation::Followers, 269, 269, 0), (Relation::Following, 365, 365, 0)]);
    assert_eq!(contents.unfollowed.map(|unfollowed| (unfollowed.accounts, unfollowed.followed_again)), Some((6, 0)));
}

#[test]
fn the_recorded_export_of_2026_is_read_and_seen_to_be_of_one_year() {
    let Some((_place, path)) = recorded(&[
        ("connections/followers_and_following/followers_1.json", "export_b_followers_1.json"),
        ("connections/followers_and_following/following.json", "export_b_following_title_format.json"),
        ("logged_information/past_instagram_insights/audience_insights.json", "export_b_audience_insights.json"),
        ("logged_information/past_instagram_insights/content_interactions.json", "export_b_content_interactions.json"),
        ("logged_information/past_instagram_insights/profiles_reached.json", "export_b_profiles_reached.json"),
    ]) else {
        return;
    };
    let contents = read(&path).expect("read");
    assert_eq!(counts(&contents), [(Relation::Followers, 10, 10, 0), (Relation::Following, 1139, 1139, 0)]);
    assert_eq!((contents.documents.len(), contents.counted_followers), (3, Some(196)));
    let captured_at = contents.lists[0].newest.expect("a time");
    assert!(
        contents.lists[0]
            .doubt(captured_at, contents.counted_followers)
            .is_some_and(|doubt| doubt.contains("counts 196"))
    );
    assert!(contents.lists[0].doubt(captured_at, None).is_some_and(|doubt| doubt.contains("the last year")));
    assert_eq!(contents.lists[1].doubt(captured_at, contents.counted_followers), None);
}
