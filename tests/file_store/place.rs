//! Who may see the files: owners, modes, links.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use tower_salesforce_auth::store::{FileStore, StoreError, StoreErrorKind, TokenStore};

use crate::{Ground, create, key, stored, told};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Asserts that the place was refused with an advice that contains `words`.
fn assert_unsafe(error: &StoreError, words: &str) {
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unsafe, false), "{}", told(error));
    assert!(told(error).contains(words), "{}", told(error));
}

async fn assert_record_refused(store: &FileStore, words: &str) {
    assert_unsafe(&store.load(&key()).await.unwrap_err(), words);
    assert_unsafe(&store.compare_and_swap(&key(), None, b"new").await.unwrap_err(), words);
}

#[tokio::test]
async fn s23_the_directory_and_its_files_are_the_users_alone() {
    let ground = Ground::new();
    create(&ground.open(), b"one").await;
    assert_eq!(mode(&ground.dir()), 0o700);
    assert_eq!(mode(&ground.file("record")), 0o600);
    assert_eq!(mode(&ground.file("lock")), 0o600);
}

#[test]
fn f083_a_directory_that_others_may_enter_is_refused() {
    for loose in [0o755, 0o750, 0o770, 0o701, 0o777, 0o1777] {
        let ground = Ground::new();
        fs::create_dir(ground.dir()).unwrap();
        set_mode(&ground.dir(), loose);
        assert_unsafe(&FileStore::open(ground.dir()).unwrap_err(), "chmod 700");
        set_mode(&ground.dir(), 0o700);
        ground.open();
    }
}

#[test]
fn f083_a_link_to_a_directory_is_refused() {
    let ground = Ground::new();
    ground.open();
    let link = ground.above.path().join("link");
    symlink(ground.dir(), &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        assert_unsafe(&FileStore::open(path).unwrap_err(), "symbolic link");
    }
    fs::rename(&link, ground.above.path().join("dangling")).unwrap();
    fs::remove_dir(ground.dir()).unwrap();
    assert_unsafe(&FileStore::open(ground.above.path().join("dangling")).unwrap_err(), "symbolic link");
}

#[test]
fn f083_a_directory_of_another_user_is_refused() {
    let ground = Ground::new();
    fs::create_dir(ground.dir()).unwrap();
    set_mode(&ground.dir(), 0o700);
    let dir = match fs::metadata(ground.dir()).unwrap().uid() {
        0 => {
            chown(ground.dir(), Some(12_345), None).unwrap();
            ground.dir()
        }
        _ => "/".into(),
    };
    assert_unsafe(&FileStore::open(dir).unwrap_err(), "change its owner");
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let ground = Ground::new();
    fs::write(ground.dir(), b"").unwrap();
    assert_unsafe(&FileStore::open(ground.dir()).unwrap_err(), "no directory");
}

#[test]
fn a_missing_directory_above_is_not_created() {
    let ground = Ground::new();
    let error = FileStore::open(ground.dir().join("deeper")).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(told(&error).contains("directory above must exist"), "{}", told(&error));
    assert!(!ground.dir().exists());
}

#[tokio::test]
async fn f083_a_record_that_others_may_read_or_write_is_refused() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"one").await;
    for loose in [0o640, 0o604, 0o620, 0o666] {
        set_mode(&ground.file("record"), loose);
        assert_record_refused(&store, "chmod 600").await;
    }
    set_mode(&ground.file("record"), 0o600);
    assert_eq!(stored(&store).await.bytes, b"one");
}

#[tokio::test]
async fn f083_a_record_that_is_a_link_is_refused_and_its_target_untouched() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"one").await;
    let target = ground.above.path().join("target");
    fs::rename(ground.file("record"), &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, ground.file("record")).unwrap();
    assert_record_refused(&store, "symbolic link").await;

    fs::remove_file(ground.file("record")).unwrap();
    fs::hard_link(&target, ground.file("record")).unwrap();
    assert_record_refused(&store, "hard link").await;
    assert_eq!(fs::read(&target).unwrap(), before);
}

#[tokio::test]
async fn f083_a_lock_file_that_is_a_link_is_refused_and_its_target_not_created() {
    let ground = Ground::new();
    let store = ground.open();
    let target = ground.above.path().join("target");
    symlink(&target, ground.file("lock")).unwrap();
    let error = store.compare_and_swap(&key(), None, b"one").await.unwrap_err();
    assert_unsafe(&error, "symbolic link");
    assert!(!target.exists());
}

#[tokio::test]
async fn a_named_pipe_as_a_record_is_refused_at_once() {
    let ground = Ground::new();
    let store = ground.open();
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(ground.file("record")).status().unwrap();
    assert!(made.success());
    assert_record_refused(&store, "no regular file").await;
}
