//! Tables for people: columns aligned, figures to the right. It must not know what is in them.

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows below a head.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row of as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, the head first.
    pub fn lines(&self) -> Vec<String> {
        let head: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.chain([&head[column]]).map(|cell| width(cell)).max();
                widest.unwrap_or(0)
            })
            .collect();
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).zip(&self.columns);
            let cell = |((cell, width_max), (_, side)): ((&String, &usize), &(_, Side))| {
                let space = " ".repeat(width_max - width(cell));
                match side {
                    Side::Left => format!("{cell}{space}"),
                    Side::Right => format!("{space}{cell}"),
                }
            };
            let cells: Vec<String> = cells.map(cell).collect();
            cells.join("  ").trim_end().to_owned()
        };
        [&head].into_iter().chain(&self.rows).map(line).collect()
    }
}

/// In characters: names of services are few, and mostly narrow.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_below_each_other() {
        let mut table = Table::new(&[("NAME", Side::Left), ("SIZE", Side::Right)]);
        table.row(vec!["écho".into(), "1 B".into()]);
        table.row(vec!["a longer one".into(), "12.0 KiB".into()]);
        assert_eq!(
            table.lines(),
            [
                "NAME              SIZE",
                "écho               1 B",
                "a longer one  12.0 KiB"
            ]
        );
    }
}
