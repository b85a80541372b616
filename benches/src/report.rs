//! How figures are shown: aligned tables and raw JSON; it must not know what they mean.

use std::fmt;

use serde_json::Value;

/// What a scenario has found.
pub struct Outcome {
    /// For people.
    pub tables: Vec<Table>,
    /// Every single figure, for machines.
    pub raw: Value,
}

/// A table whose first columns are names, to the left, and whose others are figures, to the right.
pub struct Table {
    title: String,
    names: usize,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// An empty table; the first `names` of `columns` are names.
    pub fn new(title: impl Into<String>, names: usize, columns: &[&str]) -> Table {
        let header = columns.iter().map(|&column| column.to_owned()).collect();
        Table {
            title: title.into(),
            names,
            rows: vec![header],
            notes: Vec::new(),
        }
    }

    /// Adds a row, with as many cells as there are columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.rows[0].len());
        self.rows.push(cells);
    }

    /// Adds a line below the table.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }
}

impl Table {
    /// As a section of a Markdown page.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let escaped: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", escaped.join(" | "))
        };
        let rules: Vec<String> = (0..self.rows[0].len())
            .map(|column| if column < self.names { "---" } else { "---:" }.to_owned())
            .collect();
        let mut text = format!(
            "\n## {}\n\n{}{}",
            self.title,
            line(&self.rows[0]),
            line(&rules)
        );
        text.extend(self.rows[1..].iter().map(|row| line(row)));
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text.extend(self.notes.iter().map(|note| format!("- {note}\n")));
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        writeln!(formatter, "\n{}", self.title)?;
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| {
                    if column < self.names {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            writeln!(
                formatter,
                "  {}",
                cells.collect::<Vec<_>>().join("  ").trim_end()
            )?;
            if index == 0 {
                let rule: usize = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
                writeln!(formatter, "  {}", "-".repeat(rule))?;
            }
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(formatter, "  {note}"))
    }
}

/// A figure with so many digits that about three count; `-` for none.
pub fn figure(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A size such as `64 B` or `4 KiB`.
pub fn size(bytes: usize) -> String {
    if bytes >= 1024 && bytes.is_multiple_of(1024) {
        format!("{} KiB", bytes / 1024)
    } else {
        format!("{bytes} B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("title", 1, &["name", "µs"]);
        table.row(["a".into(), figure(12.345)]);
        assert_eq!(
            table.to_string(),
            "\ntitle\n  name    µs\n  ----------\n  a     12.3\n"
        );
    }

    #[test]
    fn pages_have_tables_too() {
        let mut table = Table::new("title", 1, &["name", "µs"]);
        table.row(["a|b".into(), figure(12.345)]);
        table.note("so it is");
        assert_eq!(
            table.markdown(),
            "\n## title\n\n| name | µs |\n| --- | ---: |\n| a\\|b | 12.3 |\n\n- so it is\n"
        );
    }

    #[test]
    fn figures_and_sizes() {
        assert_eq!([1234.5, 12.34, 1.234].map(figure), ["1234", "12.3", "1.23"]);
        assert_eq!(figure(f64::NAN), "-");
        assert_eq!([64, 4096].map(size), ["64 B", "4 KiB"]);
    }
}
