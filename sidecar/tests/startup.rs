//! The program itself, started with a wrong configuration.

use std::process::{Command, Output};

fn start(environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_analytics-sidecar"))
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("started")
}

#[test]
fn all_mistakes_are_told_at_once_without_secrets() {
    let output = start(&[
        ("DATABASE_URL", "postgres:/user:s3cret-db@host/db"),
        ("DECODO_USERNAME", "user"),
        ("SIDECAR_LEASE_SECONDS", "forever"),
        ("SIDECAR_LISTEN", "everywhere"),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    for name in ["DATABASE_URL", "DECODO_PASSWORD", "SIDECAR_LEASE_SECONDS", "SIDECAR_LISTEN"] {
        assert!(told.contains(&format!("\n  {name}: ")), "{name} in {told}");
    }
    assert!(told.starts_with("analytics-sidecar: 4 mistakes in the configuration"), "{told}");
    assert!(!told.contains("s3cret") && output.stdout.is_empty(), "{told}");
}

#[test]
fn help_names_every_variable_and_shows_no_value_of_a_secret() {
    let output = Command::new(env!("CARGO_BIN_EXE_analytics-sidecar"))
        .arg("--help")
        .env_clear()
        .env("DECODO_PASSWORD", "s3cret-remote")
        .output()
        .expect("started");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let sample = include_str!("../.env.sample");
    let documented = sample
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name))
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let names: Vec<_> = documented.collect();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        assert!(help.contains(name), "{name} in {help}");
    }
    assert!(!help.contains("s3cret"));
}

fn import(parameters: &[&str], database: Option<&str>) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_analytics-sidecar"))
        .args(["import", "instagram-export", "--account", "ada.example"])
        .args(parameters)
        .env_clear()
        .envs(database.map(|url| ("DATABASE_URL", url)))
        .output()
        .expect("started");
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// Nobody listens there.
const NOWHERE: &str = "postgres://analytics_sidecar:s3cret-db@127.0.0.1:1/db";

#[test]
fn an_import_needs_a_database_and_none_of_the_other_settings() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples/instagram_export/2026-05-03");
    let (status, told) = import(&[samples, "--captured-at=2026-05-03"], None);
    assert_eq!(status, Some(2));
    assert!(
        told.starts_with("analytics-sidecar: 1 mistake in the configuration\n  DATABASE_URL: is not set"),
        "{told}"
    );
    let (status, told) = import(&[samples, "--captured-at=2026-05-03"], Some(NOWHERE));
    assert_eq!(status, Some(5));
    assert!(
        told.contains("refused") && told.contains("hint: nothing was written") && !told.contains("s3cret"),
        "{told}"
    );
}

#[test]
fn an_export_is_refused_before_the_database_is_asked() {
    let (status, told) = import(&[env!("CARGO_MANIFEST_DIR")], Some(NOWHERE));
    assert_eq!(status, Some(3));
    assert!(told.contains("there is no followers_1.json") && told.contains("hint: ask Instagram"), "{told}");
    let (status, told) = import(&["/nonexistent", "--complete", "--incomplete"], Some(NOWHERE));
    assert_eq!(status, Some(2), "{told}");
}
