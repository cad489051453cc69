//! Bars, as SVG.

use std::fmt::Write;

use super::{results::Results, text};

const WIDTH: f64 = 720.0;
/// Where the names end and the bars begin.
const LEFT: f64 = 260.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;

/// The pictures of the report: file and content.
pub(crate) fn all(results: &Results) -> Vec<(&'static str, String)> {
    [
        (
            "benches/instructions.svg",
            "Instructions over the bare service, a usual GET, one long-lived handle",
            text::contenders(results, "instructions", "instructions"),
        ),
        (
            "benches/time.svg",
            "Nanoseconds over the bare service, a usual GET, one long-lived handle",
            text::times(results),
        ),
        (
            "benches/peers.svg",
            "Instructions over the bare service, the same GET",
            text::peers(results, "instructions"),
        ),
    ]
    .into_iter()
    .filter(|(_, _, rows)| !rows.is_empty())
    .map(|(file, title, rows)| (file, bars(title, &rows)))
    .collect()
}

/// A bar for each value; ours stand out.
fn bars(title: &str, rows: &[(String, f64)]) -> String {
    let most = rows.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let height = TOP + ROW * rows.len() as f64 + 8.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" role="img" aria-label="{title}">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="24" font-size="15" font-weight="bold" fill="#1f2328">{title}</text>
"##
    );
    for (row, (name, value)) in rows.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let length = (WIDTH - LEFT - 80.0) * value.max(0.0) / most;
        let colour = if name.starts_with("ours") { "#0b6bcb" } else { "#9aa4af" };
        writeln!(
            svg,
            r##"<text x="{}" y="{}" text-anchor="end" fill="#1f2328">{name}</text><rect x="{LEFT}" y="{}" width="{length:.1}" height="18" fill="{colour}"/><text x="{:.1}" y="{}" fill="#1f2328">{value:.0}</text>"##,
            LEFT - 8.0,
            y + 14.0,
            y,
            LEFT + length + 6.0,
            y + 14.0,
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}
