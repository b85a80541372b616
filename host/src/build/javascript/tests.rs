//! What package.json may say, and what is said about one that doesn't. Builds themselves are tested with the guests.

use super::*;

fn main(text: &str) -> Result<String, String> {
    let package = serde_json::from_str(text).expect("JSON");
    main_of(&package).map(str::to_owned)
}

#[test]
fn a_guest_depends_on_the_sdk() {
    let text = r#"{ "main": "main.ts", "dependencies": { "wisted": "file:x" } }"#;
    assert_eq!(main(text), Ok("main.ts".to_owned()));
    let text = r#"{ "main": "src/a.js", "devDependencies": { "wisted": "1" } }"#;
    assert_eq!(main(text), Ok("src/a.js".to_owned()));
}

#[test]
fn what_is_no_guest_is_told_what_it_lacks() {
    let error = |text| main(text).unwrap_err();
    assert!(error(r#"{ "main": "a.js" }"#).contains("a guest depends on wisted"));
    assert!(error(r#"{ "dependencies": { "wisted": "1" } }"#).contains("\"main\": \"main.js\""));
}

#[test]
fn what_is_there_is_not_written_again() {
    let folder = std::env::temp_dir().join(format!("wisted-javascript-{}", std::process::id()));
    let path = folder.join("deep/file");
    write(&path, "one").unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    write(&path, "one").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    write(&path, "two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    fs::remove_dir_all(&folder).unwrap();
}
