//! What others read of the settings: the JSON Schema of wisted.toml, for editors, and the reference in docs/configuration.md.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;

use super::settings::File;
use super::table::{Read as _, Row, Shown, one_line};

/// The JSON Schema of wisted.toml, with a newline at its end.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "wisted.toml".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// A section for each table with a row for each key, as Markdown.
pub fn sections() -> String {
    let mut text = String::new();
    for row in File::rows() {
        let title = match row.key {
            "services" => "services.NAME",
            key => key,
        };
        section(&mut text, title, &row);
    }
    text
}

fn section(text: &mut String, title: &str, row: &Row) {
    // Writing to a string cannot fail.
    let _ = write!(text, "## `[{title}]`\n\n{}\n\n", one_line(&row.about));
    let inherits = title.starts_with("services.");
    let own = |row: &&Row| !inherits || row.default == Shown::Required || row.key == "listen";
    let _ = writeln!(
        text,
        "| key | type | default | meaning |\n|---|---|---|---|"
    );
    for row in row.rows.iter().filter(own) {
        let default = default(&row.default);
        let _ = writeln!(
            text,
            "| `{}` | {} | {default} | {} |",
            row.key,
            bare(row.kind),
            one_line(&row.about)
        );
    }
    text.push('\n');
    if inherits {
        let _ = writeln!(
            text,
            "And every key of `[defaults]`, with its tables: `[services.NAME.limits]` and so on.\n"
        );
        return;
    }
    for row in row.rows.iter().filter(|row| !row.rows.is_empty()) {
        if row.key != "config" {
            section(text, &format!("{title}.{}", row.key), row);
        }
    }
}

/// Without its article, for a column.
fn bare(kind: &str) -> &str {
    let articles = ["a ", "an "];
    articles
        .iter()
        .find_map(|article| kind.strip_prefix(article))
        .unwrap_or(kind)
}

fn default(shown: &Shown) -> String {
    match shown {
        Shown::Value(value) => format!("`{value}`"),
        Shown::Words(words) => (*words).to_owned(),
        Shown::Required => "required".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Writes the files instead of checking them.
    const WRITE: &str = "WISTED_WRITE_DOCS";

    fn check(file: &str, expected: &dyn Fn(&str) -> String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(file);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let expected = expected(&found);
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, expected).unwrap();
        } else {
            assert!(
                found == expected,
                "docs/{file} is stale; write it anew: {WRITE}=1 cargo test -p wisted config::"
            );
        }
    }

    #[test]
    fn the_schema_is_checked_in() {
        check("wisted.schema.json", &|_| schema());
    }

    #[test]
    fn the_page_has_every_key() {
        const BEGIN: &str = "<!-- keys: written by the tests -->\n";
        const END: &str = "<!-- end of keys -->";
        check("configuration.md", &|page| {
            let (before, rest) = page.split_once(BEGIN).expect("a place for the keys");
            let (_, after) = rest.split_once(END).expect("an end of the keys");
            [before, BEGIN, "\n", &sections(), END, after].concat()
        });
    }
}
