//! What the sources promise by what they do not hold, and the checks that keep it so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn sources(folder: PathBuf, each: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

/// Certificates are verified by rustls's own verifier: none of the words that would replace it is there.
#[test]
fn s34_f136_there_is_no_way_to_switch_certificate_checks_off() {
    let mut files = 0;
    sources(root().join("src"), &mut |path, text| {
        files += 1;
        for word in ["dangerous()", "danger_accept", "ServerCertVerifier", "with_custom_certificate_verifier"]
        {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    });
    assert!(files > 50);
}

#[test]
fn s35_unsafe_code_is_forbidden_in_the_whole_package() {
    assert!(read("src/lib.rs").contains("#![forbid(unsafe_code)]"));
    // For tests, examples and benches too.
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
}

#[test]
fn s36_dependencies_are_held_to_a_policy() {
    let policy: toml::Table = read("deny.toml").parse().unwrap();
    let banned: Vec<_> = policy["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["crate"].as_str().unwrap())
        .collect();
    for name in ["openssl", "native-tls", "rsa"] {
        assert!(banned.contains(&name), "{name} of {banned:?}");
    }
    assert_eq!(policy["sources"]["unknown-git"].as_str(), Some("deny"));
    assert!(!policy["licenses"]["allow"].as_array().unwrap().is_empty());
    let lock = read("Cargo.lock");
    assert!(!lock.contains("source = \"git+"), "no dependency comes from a repository");
    for stack in ["openssl-sys", "native-tls", "aws-lc-rs"] {
        assert!(!lock.contains(&format!("name = \"{stack}\"")), "a second crypto stack: {stack}");
    }
}

/// The lock file is there, and the checks build with it. (`.ci` is not part of the published package.)
#[test]
fn s37_checks_build_with_the_locked_dependencies() {
    assert!(read("Cargo.lock").contains("name = \"tower-salesforce-auth\""));
    let Ok(checks) = fs::read_to_string(root().join(".ci/run")) else { return };
    let unlocked =
        checks.lines().map(str::trim).filter(|line| line.starts_with("step cargo")).filter(|line| {
            let builds = ["clippy", "doc", "check", "bench", "package"];
            !line.contains("--locked") && line.split(' ').any(|word| builds.contains(&word))
        });
    assert_eq!(unlocked.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn s45_the_threat_model_and_the_way_to_report_are_written_down() {
    let text = read("SECURITY.md").to_lowercase();
    for word in ["report", "attacker", "not protected", "yank"] {
        assert!(text.contains(word), "{word}");
    }
}
