//! Arithmetic on what a body promises.

use http_body::SizeHint;

/// The hint that remains once `taken` bytes are gone.
///
/// A hint that was not exact stays inexact: a body that suddenly knows its length would be framed in another way, and
/// lose its trailers over HTTP/1.
pub(crate) fn less(hint: SizeHint, taken: usize) -> SizeHint {
    let taken = u64::try_from(taken).unwrap_or(u64::MAX);
    let mut rest = SizeHint::new();
    // The lower bound first: `SizeHint` refuses an upper bound below it.
    rest.set_lower(hint.lower().saturating_sub(taken));
    if let Some(upper) = hint.upper() {
        rest.set_upper(upper.saturating_sub(taken));
    }
    rest
}
