//! Bar charts as SVG, legible on light and dark pages; it must not know what the bars mean.

use std::fmt::Write as _;

use crate::report::figure;

/// A chart: bars of one unit, under each other.
pub struct Panel {
    /// Above it.
    pub title: String,
    /// From top to bottom; one without a finite value is labelled and not drawn.
    pub bars: Vec<Bar>,
}

/// A bar.
pub struct Bar {
    /// To its left.
    pub label: String,
    /// Its length.
    pub value: f64,
    /// Its colour.
    pub tone: Tone,
}

/// What a bar is coloured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What the others are compared with.
    Baseline,
    /// What the reader has come for.
    Ours,
    /// The rest.
    Other,
}

const COLUMNS: usize = 2;
const PANEL_WIDTH: f64 = 440.0;
const LABEL_WIDTH: f64 = 130.0;
/// To the right of the longest bar, for its figure.
const FIGURE_WIDTH: f64 = 50.0;
const BAR_HEIGHT: f64 = 15.0;
const ROW_HEIGHT: f64 = 20.0;
const TITLE_HEIGHT: f64 = 30.0;
const PANEL_GAP: f64 = 24.0;
const MARGIN: f64 = 20.0;

/// Mid-tones for the bars, so that they stand out on white and on black; text follows the page's scheme.
const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
    .head{font-size:16px;font-weight:600}.title{font-size:13px;font-weight:600}\
    .label{text-anchor:end}.axis{stroke:#8b949e;stroke-width:1}.page{fill:#fff}\
    .baseline{fill:#8b949e}.ours{fill:#e36209}.other{fill:#4a8fd6}\
    @media (prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}}";

/// Panels in two columns, filled from the left column's top, with a heading.
pub fn svg(heading: &str, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let bars = panels
        .iter()
        .map(|panel| panel.bars.len())
        .max()
        .unwrap_or(0);
    let panel_height = TITLE_HEIGHT + bars as f64 * ROW_HEIGHT + PANEL_GAP;
    let columns = panels.len().div_ceil(rows.max(1)).max(1);
    let width = 2.0 * MARGIN + columns as f64 * PANEL_WIDTH + (columns - 1) as f64 * PANEL_GAP;
    let head = MARGIN + 24.0;
    let height = head + rows as f64 * panel_height;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n\
         <text class=\"head\" x=\"{MARGIN}\" y=\"{y}\">{label}</text>\n",
        label = escaped(heading),
        y = MARGIN + 12.0,
    );
    for (index, panel) in panels.iter().enumerate() {
        let (column, row) = (index / rows, index % rows);
        let x = MARGIN + column as f64 * (PANEL_WIDTH + PANEL_GAP);
        draw(&mut out, panel, x, head + row as f64 * panel_height);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel, x: f64, y: f64) {
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{x}\" y=\"{}\">{}</text>",
        y + 18.0,
        escaped(&panel.title)
    );
    let longest = panel
        .bars
        .iter()
        .map(|bar| bar.value)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let axis = x + LABEL_WIDTH;
    let room = PANEL_WIDTH - LABEL_WIDTH - FIGURE_WIDTH;
    let top = y + TITLE_HEIGHT;
    for (index, bar) in panel.bars.iter().enumerate() {
        let top = top + index as f64 * ROW_HEIGHT;
        let base = top + BAR_HEIGHT - 3.0;
        let length = if bar.value.is_finite() && longest > 0.0 {
            bar.value.max(0.0) / longest * room
        } else {
            0.0
        };
        let class = match bar.tone {
            Tone::Baseline => "baseline",
            Tone::Ours => "ours",
            Tone::Other => "other",
        };
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{axis:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\"/>\
             <text x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
            axis - 8.0,
            escaped(&bar.label),
            axis + length + 6.0,
            figure(bar.value)
        );
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"{axis:.1}\" y1=\"{:.1}\" x2=\"{axis:.1}\" y2=\"{:.1}\"/>",
        top - 4.0,
        top + panel.bars.len() as f64 * ROW_HEIGHT
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, value: f64) -> Bar {
        Bar {
            label: label.into(),
            value,
            tone: Tone::Other,
        }
    }

    /// What an attribute of the bars says, from top to bottom.
    fn lengths(svg: &str) -> Vec<f64> {
        let bars = svg.split("<rect class=\"other\"").skip(1);
        let length = bars.map(|bar| {
            bar.split("width=\"")
                .nth(1)?
                .split('"')
                .next()?
                .parse()
                .ok()
        });
        length.map(Option::unwrap).collect()
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let panel = Panel {
            title: "a & b".into(),
            bars: vec![bar("<one>", 2.0), bar("two", 4.0), bar("none", f64::NAN)],
        };
        let svg = svg("µs", &[panel]);
        let longest = PANEL_WIDTH - LABEL_WIDTH - FIGURE_WIDTH;
        assert_eq!(lengths(&svg), [longest / 2.0, longest, 0.0]);
        assert!(
            svg.contains("a &amp; b") && svg.contains("&lt;one&gt;"),
            "{svg}"
        );
        assert!(svg.contains(">4.00<") && svg.contains(">-<"), "{svg}");
        assert!(svg.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn panels_fill_columns_and_nothing_leaves_the_picture() {
        let panels: Vec<Panel> = ["a", "b", "c"]
            .map(|title| Panel {
                title: title.into(),
                bars: vec![bar("x", 1.0)],
            })
            .into_iter()
            .collect();
        let two_columns = svg("", &panels);
        let x_of = |title: &str| {
            let end = two_columns.find(&format!(">{title}<")).unwrap();
            let tag = &two_columns[two_columns[..end].rfind("<text").unwrap()..end];
            tag.split("x=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(x_of("a"), x_of("b"));
        assert_ne!(x_of("a"), x_of("c"));
        assert!(
            svg("", &[]).contains("viewBox=\"0 0 480 44\""),
            "{}",
            svg("", &[])
        );
    }
}
