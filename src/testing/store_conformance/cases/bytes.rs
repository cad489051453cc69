//! Records are bytes, and whole.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::JoinSet;

use super::super::{
    ground::{Ground, Handle, Put, Seen},
    report::Property,
};
use crate::store::{MAX_RECORD_BYTES, Revision, StoreKey, TokenStore, WRAPPER_BYTES};

pub(in super::super) const ANY_BYTES: Property = Property {
    name: "any_bytes",
    advice: "keep records as bytes (BYTEA, a binary value): no text, no trimming, no padding, no end at a NUL; an empty \
             record is a record",
};

pub(in super::super) async fn any_bytes<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let all = || 0..=u8::MAX;
    let records: [Vec<u8>; 9] = [
        Vec::new(),
        vec![0],
        all().collect(),
        all().rev().chain(all()).collect(),
        b" \t space at both ends \r\n".to_vec(),
        b"zeros at the end\0\0\0".to_vec(),
        b"'; \"--\\ $1 %s {} \\x00".to_vec(),
        b"\xff\xfe\xc0\x80\xed\xa0\x80 no UTF-8".to_vec(),
        b"null".to_vec(),
    ];
    let (handle, key) = (ground.handle(0), ground.key());
    let mut revision = None;
    for record in &records {
        revision = Some(comes_back(&handle, &key, revision, record).await?);
    }
    for record in &records[..2] {
        comes_back(&handle, &ground.key(), None, record).await?;
    }
    Ok(())
}

pub(in super::super) const LARGEST_RECORD: Property = Property {
    name: "largest_record",
    advice: "take records of up to `MAX_RECORD_BYTES` (64 KiB) whole; a store that seals what it passes on, of up to 63 \
             KiB",
};

pub(in super::super) async fn largest_record<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    let (handle, key) = (ground.handle(0), ground.key());
    let sealed = handle.store.capabilities().sealed;
    let len = MAX_RECORD_BYTES - if sealed { WRAPPER_BYTES } else { 0 };
    let record = |step: usize| (0..len).map(|n| (n * step / 256 + n * step) as u8).collect::<Vec<_>>();
    let first = comes_back(&handle, &key, None, &record(1)).await?;
    comes_back(&handle, &key, Some(first), &record(3)).await?;
    Ok(())
}

async fn comes_back<S: TokenStore>(
    handle: &Handle<S>,
    key: &StoreKey,
    expected: Option<Revision>,
    record: &[u8],
) -> Result<Revision, Seen> {
    let revision = match handle.put(key, expected, record).await {
        Ok(Put::Applied(revision)) => revision,
        Ok(_) => return Err(format!("a record of {} bytes was not taken", record.len())),
        Err(why) => return Err(format!("with a record of {} bytes: {why}", record.len())),
    };
    let back = handle.load(key).await?.map(|stored| stored.bytes);
    match back {
        Some(back) if back == record => Ok(revision),
        None => Err(format!("a record of {} bytes is not there", record.len())),
        Some(back) => {
            let same = back.iter().zip(record).take_while(|(a, b)| a == b).count();
            let (len, back) = (record.len(), back.len());
            Err(format!("a record of {len} bytes came back as {back} bytes, different from byte {same} on"))
        }
    }
}

pub(in super::super) const WHOLE_RECORDS: Property = Property {
    name: "whole_records",
    advice: "write a record and its revision in one step (one statement, one rename), so that nobody reads half of each",
};

/// Two writers, two readers, and records whose parts tell which write they are of.
pub(in super::super) async fn whole_records<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    const WRITES: u64 = 25;
    let key = ground.key();
    let first = ground.handle(0).must_put(&key, None, &uniform(0)).await?;
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    let done = Arc::new(AtomicBool::new(false));
    for turn in 0..2 {
        let (handle, key) = (ground.handle(turn), key.clone());
        writers.spawn(async move {
            let mut written = Vec::new();
            for n in 1..=WRITES {
                let number = n * 2 + turn as u64;
                written.push((handle.replace(&key, &uniform(number)).await?, number));
            }
            Ok::<_, Seen>(written)
        });
    }
    for turn in 1..3 {
        let (handle, key, done) = (ground.handle(turn), key.clone(), Arc::clone(&done));
        readers.spawn(async move {
            let mut read = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let stored = handle.stored(&key).await?;
                read.push((stored.revision, number_of(&stored.bytes)?));
            }
            Ok::<_, Seen>(read)
        });
    }
    let mut written = HashMap::from([(first, 0)]);
    let mut failed = None;
    while let Some(writer) = writers.join_next().await {
        match writer.map_err(|error| error.to_string()).flatten() {
            Ok(pairs) => written.extend(pairs),
            Err(why) => failed = Some(why),
        }
    }
    done.store(true, Ordering::SeqCst);
    while let Some(reader) = readers.join_next().await {
        for (revision, number) in reader.map_err(|error| error.to_string()).flatten()? {
            if written.get(&revision).is_some_and(|written| *written != number) {
                return Err("a load gave the revision of one write with the bytes of another".to_owned());
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// `number`, over and over; the length depends on it.
fn uniform(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(1 + number as usize % 7 * 150)
}

fn number_of(bytes: &[u8]) -> Result<u64, Seen> {
    let torn = || "a load gave parts of two records".to_owned();
    let number = *bytes.first_chunk().ok_or_else(torn)?;
    let number = u64::from_be_bytes(number);
    if bytes == uniform(number) { Ok(number) } else { Err(torn()) }
}
