//! Reads see every write that was over when they began.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::task::JoinSet;

use super::super::{
    ground::{Ground, Seen, number, record},
    report::Property,
};
use crate::store::TokenStore;

pub(in super::super) const LINEARIZABLE_READS: Property = Property {
    name: "linearizable_reads",
    advice: "read where you write: the primary, not a replica; no cache in front. A session that reads an old record shows \
             a refresh token that is spent",
};

pub(in super::super) async fn linearizable_reads<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    const WRITES: u64 = 24;
    let key = ground.key();
    let writer = ground.handle(0);
    for written in 0..WRITES {
        writer.replace(&key, &record(written)).await?;
        for reader in &ground.handles {
            if number(&reader.stored(&key).await?)? < written {
                return Err("a load gave an older record than one that had been applied before".to_owned());
            }
        }
    }
    let written = Arc::new(AtomicU64::new(WRITES - 1));
    let mut readers = JoinSet::new();
    for turn in 1..3 {
        let (handle, key, written) = (ground.handle(turn), key.clone(), Arc::clone(&written));
        readers.spawn(async move {
            let mut newest = 0;
            while newest < 2 * WRITES {
                newest = newest.max(written.load(Ordering::SeqCst));
                let read = number(&handle.stored(&key).await?)?;
                if read < newest {
                    return Err(
                        "a load gave an older record than one before it, or than one applied".to_owned()
                    );
                }
                newest = read;
            }
            Ok(())
        });
    }
    for number in WRITES..=2 * WRITES {
        writer.replace(&key, &record(number)).await?;
        written.store(number, Ordering::SeqCst);
    }
    while let Some(reader) = readers.join_next().await {
        reader.map_err(|error| error.to_string())??;
    }
    Ok(())
}
