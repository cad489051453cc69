//! Hints may be lost, doubled and late, and need not be given at all.

use std::{pin::pin, sync::Arc, time::Duration};

use super::super::{
    ground::{Ground, Seen, polled, record},
    report::Property,
};
use crate::store::TokenStore;

pub(in super::super) const QUIET_HINTS: Property = Property {
    name: "quiet_hints",
    advice: "`changed` waits without holding anything that loads and swaps need, and resolves only when something may have \
             changed; if there is nothing to wait for, leave the default, which never comes",
};

pub(in super::super) async fn quiet_hints<S: TokenStore>(ground: Arc<Ground<S>>) -> Result<(), Seen> {
    /// Late and doubled hints are fine; the library waits for one instead of asking again.
    const HINTS: usize = 16;
    const QUIET: Duration = Duration::from_millis(200);
    let key = ground.key();
    let (waiting, working) = (ground.handle(0), ground.handle(1));
    working.must_put(&key, None, &record(0)).await?;

    let quiet_until = tokio::time::Instant::now() + QUIET;
    for hints in 0.. {
        if hints == HINTS {
            return Err(format!("with nothing written, `changed` resolved {HINTS} times in a row"));
        }
        if tokio::time::timeout_at(quiet_until, waiting.store.changed(&key)).await.is_err() {
            break;
        }
    }
    for number in 1..=4 {
        for handle in [&waiting, &working] {
            let mut hint = pin!(waiting.store.changed(&key));
            let _ = tokio::time::timeout(Duration::from_millis(1), polled(hint.as_mut(), 1)).await;
            handle
                .replace(&key, &record(number))
                .await
                .map_err(|why| format!("while `changed` was waited for, {why}"))?;
        }
    }
    Ok(())
}
