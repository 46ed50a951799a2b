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
