//! The dashboard in a real browser, as an operator uses it: with a mouse, with a keyboard, on a phone, and with a guest that would
//! like to be on the page itself.
#![allow(missing_docs)]

use std::path::PathBuf;

use wisted_tests::browser::Browser;
use wisted_tests::fixture::echo_that;
use wisted_tests::host::{Builder, Scratch};
use wisted_tests::serve::{puppet, replace};
use wisted_tests::{Admin, Client, End, Host};

/// A host and its dashboard.
struct Watched {
    host: Host,
    browser: Browser,
    url: String,
}

impl Watched {
    fn start(builder: Builder) -> Self {
        Self::watch(builder.flag("--admin", "tcp:127.0.0.1:0").start())
    }

    fn watch(host: Host) -> Self {
        let Admin::Tcp(address) = Admin::of(&host) else {
            panic!("it is TCP");
        };
        let url = format!("http://{address}/");
        let mut browser = Browser::new();
        browser.resize(1280, 900, false);
        browser.open(&url);
        browser.wait_until("document.querySelector('#state').textContent === 'Ready'");
        Self { host, browser, url }
    }

    fn finish(self) {
        self.finish_after(&[]);
    }

    /// The browser has complained of these, and of nothing else.
    fn finish_after(self, complaints: &[&str]) {
        let heard = self.browser.complaints();
        assert_eq!(heard.len(), complaints.len(), "{heard:?}");
        for (heard, complaint) in heard.iter().zip(complaints) {
            assert!(heard.contains(complaint), "{heard}");
        }
        for request in self.browser.requests() {
            let is_ours = request.starts_with(&self.url) || request.starts_with("data:");
            assert!(is_ours, "the page asks for {request}");
        }
        self.host.finish();
    }
}

/// A guest whose name and whose functions' names are markup.
fn markup(scratch: &Scratch) -> PathBuf {
    let name = r#"<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>"#;
    let quoted = name.replace('"', "\\\"");
    let function = format!("(func $\"{quoted}\" (unreachable))");
    let text = echo_that(&format!("(call $\"{quoted}\")"), &function);
    scratch.file("<b onclick=alert(1)>bold<b>.wat", text)
}

const ROWS: &str = "document.querySelectorAll('#connections tbody tr').length";

#[test]
fn services_and_connections_are_shown_live() {
    let mut watched = Watched::start(Host::run("echo"));
    let browser = &mut watched.browser;
    browser.wait_until("document.querySelector('#services tbody').innerText.includes('echo')");
    browser.wait_until(
        "document.querySelector('#no-connections').innerText === 'Nobody is connected.'",
    );
    browser
        .wait_until("document.querySelector('#no-failures').innerText === 'No guest has failed.'");
    let mut client = watched.host.connect();
    client.check_echo("hello\n");
    let peer = client.stream().local_addr().expect("connected").to_string();
    browser.wait_until(&format!("{ROWS} === 1"));
    let row = browser.evaluate("document.querySelector('#connections tbody tr').innerText");
    let row = row.as_str().expect("text").replace('\u{a0}', " ");
    assert!(
        row.contains(&peer) && row.contains("6 B") && row.contains("echo"),
        "{row}"
    );
    // What follows is counted, and plotted.
    client.check_echo("hello again, and for longer than before\n");
    browser.wait_until(
        "document.querySelector('#connections tbody tr').innerText.includes('46\\u00a0B')",
    );
    browser.wait_until("document.querySelector('#plots .line').getAttribute('d').includes('L')");
    browser.wait_until("[...document.querySelectorAll('#plots .key b')].some((key) => /[µnm]s$/.test(key.innerText))");
    drop(client);
    browser.wait_until(&format!("{ROWS} === 0"));
    watched.finish();
}

#[test]
fn a_connection_is_killed_by_its_button() {
    let mut watched = Watched::start(Host::run("echo"));
    let browser = &mut watched.browser;
    let mut neighbour = watched.host.connect();
    neighbour.check_echo("hello\n");
    let mut victim = watched.host.connect();
    victim.check_echo("hello\n");
    browser.wait_until(&format!("{ROWS} === 2"));
    let peer = victim.stream().local_addr().expect("connected");
    let button = format!("#connections button[aria-label$='from {peer}']");
    browser.click(&button);
    browser.wait_until(&format!(
        "document.querySelector({button:?}).innerText === 'Kill?'"
    ));
    // Asked only, it has done nothing yet.
    victim.check_echo("still there\n");
    browser.click(&button);
    assert_eq!(victim.wait_for_end(), End::Reset);
    browser.wait_until("document.querySelector('#said').innerText.includes('is killed')");
    browser.wait_until(&format!("{ROWS} === 1"));
    neighbour.check_echo("undisturbed\n");
    // The same by the keyboard alone.
    let focus = "document.querySelector('#connections .kill').focus()";
    browser.evaluate(focus);
    browser.press("Enter");
    browser.wait_until("document.activeElement.innerText === 'Kill?'");
    browser.press("Enter");
    assert_eq!(neighbour.wait_for_end(), End::Reset);
    watched.finish();
}

#[test]
fn services_are_reloaded_and_drained_by_their_buttons() {
    let scratch = Scratch::new();
    let services = |limits| {
        let (stays, goes) = (puppet("stays", limits), puppet("goes", ""));
        format!("[admin]\nlisten = \"tcp:127.0.0.1:0\"\n\n{stays}{goes}")
    };
    let config = scratch.file("wisted.toml", services(""));
    let mut watched = Watched::watch(Host::serve(&config).start());
    let (host, browser) = (&watched.host, &mut watched.browser);
    let mut resident = Client::connect(host.address_of("goes"));
    resident.check_echo("hello\n");

    // Asked only, it has done nothing yet.
    replace(&config, services("idle_max = \"1h\""));
    browser.click("#reload");
    browser.wait_until("document.querySelector('#reload').innerText === 'Reload?'");
    browser.click("#reload");
    browser.wait_until("document.querySelector('#said').innerText === 'Reloaded: changed stays.'");
    replace(&config, "[services.stays]\n");
    browser.click("#reload");
    browser.click("#reload");
    browser.wait_until(
        "/^Not reloaded: .*component/s.test(document.querySelector('#said').innerText)",
    );

    // Nobody is chosen, then another than was asked about.
    assert_eq!(
        browser.evaluate("document.querySelector('#drain').disabled"),
        true
    );
    browser.click("#services .pick[title=stays]");
    browser.click("#drain");
    browser.wait_until("document.querySelector('#drain').innerText === 'Drain?'");
    browser.click("#services .pick[title=goes]");
    browser.wait_until("document.querySelector('#drain').innerText === 'Drain'");
    browser.click("#drain");
    browser.click("#drain");
    browser.wait_until(
        "document.querySelector('#said').innerText === 'goes takes no new connections.'",
    );
    resident.check_echo("at home\n");
    Client::connect(host.address_of("stays")).check_echo("open\n");
    resident.finish_sending();
    assert_eq!(resident.rest(), (Vec::new(), End::Closed));
    browser.wait_until("!document.querySelector('#services .pick[title=goes]')");
    assert_eq!(
        browser.evaluate("document.querySelector('#scope').innerText"),
        "all services"
    );
    // The reload that was refused.
    watched.finish_after(&["status of 422"]);
}

#[test]
fn what_a_guest_names_is_text_and_never_markup() {
    let scratch = Scratch::new();
    let mut watched = Watched::start(Host::run_file(&markup(&scratch)));
    let browser = &mut watched.browser;
    let mut offender = watched.host.connect();
    offender.check_echo("hello\n");
    browser.wait_until(&format!("{ROWS} === 1"));
    offender.send("!");
    assert_eq!(offender.wait_for_end(), End::Reset);
    browser.wait_until("document.querySelectorAll('#failures details').length === 1");
    browser.click("#failures summary");
    browser.wait_until("document.querySelector('#failures details').open");
    let backtrace = browser.evaluate("document.querySelector('#failures pre').innerText");
    let backtrace = backtrace.as_str().expect("text");
    assert!(
        backtrace.contains("<img src=x onerror=\"window.pwned=1\">"),
        "{backtrace}"
    );
    let failure = browser.evaluate("document.querySelector('#failures summary').innerText");
    let failure = failure.as_str().expect("text");
    assert!(
        failure.contains("unreachable") && failure.contains("data-received"),
        "{failure}"
    );
    assert!(failure.contains("<b onclick=alert(1)>bold<b>"), "{failure}");
    // What was opened stays open while the page goes on.
    offender = watched.host.connect();
    offender.send("!");
    assert_eq!(offender.wait_for_end(), End::Reset);
    browser.wait_until("document.querySelectorAll('#failures details').length === 2");
    assert_eq!(
        browser.evaluate("document.querySelectorAll('#failures details[open]').length"),
        1
    );
    let foreign = "document.querySelectorAll('main img, main b[onclick], main script').length";
    assert_eq!(browser.evaluate(foreign), 0);
    assert_eq!(browser.evaluate("typeof window.pwned"), "undefined");
    watched.finish();
}

#[test]
fn a_host_that_goes_away_and_comes_back() {
    let scratch = Scratch::new();
    let guest = scratch.file("echo.wat", wisted_tests::fixture::ECHO);
    let watched = Watched::start(Host::run_file(&guest));
    let Watched {
        host,
        mut browser,
        url,
    } = watched;
    host.finish();
    browser.wait_until("document.querySelector('#state').innerText === 'Disconnected'");
    let again = Host::run_file(&guest).flag(
        "--admin",
        url.replace("http://", "tcp:").trim_end_matches('/'),
    );
    let host = again.start();
    browser.wait_until("document.querySelector('#state').innerText === 'Ready'");
    host.connect().check_echo("hello\n");
    host.finish();
}

fn background(browser: &mut Browser) -> String {
    let colour = browser.evaluate("getComputedStyle(document.body).backgroundColor");
    colour.as_str().expect("a colour").to_owned()
}

#[test]
fn dark_and_light() {
    let mut watched = Watched::start(Host::run("echo"));
    let browser = &mut watched.browser;
    browser.prefer("light");
    browser.wait_until("document.documentElement.dataset.theme === 'light'");
    let light = background(browser);
    browser.prefer("dark");
    browser.wait_until("document.documentElement.dataset.theme === 'dark'");
    let dark = background(browser);
    assert_ne!(light, dark);
    // The toggle: as the system, light, dark; and it is remembered.
    browser.click("#theme");
    browser.wait_until("document.querySelector('#theme').innerText === 'Light'");
    assert_eq!(background(browser), light);
    browser.open(&watched.url);
    assert_eq!(background(browser), light);
    browser.click("#theme");
    assert_eq!(background(browser), dark);
    browser.click("#theme");
    browser.wait_until("document.querySelector('#theme').innerText === 'Auto'");
    // Text of every kind can be read in both: WCAG's contrast of 4.5.
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.wait_until(&format!(
            "document.documentElement.dataset.theme === '{scheme}'"
        ));
        let worst = browser.evaluate(CONTRAST);
        assert!(
            worst["ratio"].as_f64().is_some_and(|ratio| ratio >= 4.5),
            "{scheme}: {worst}"
        );
    }
    watched.finish();
}

/// The least contrast of the palette's texts with what they stand on.
const CONTRAST: &str = "(() => {
    const style = getComputedStyle(document.documentElement);
    const light = (name) => {
        const [r, g, b] = style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((part) => {
            const value = parseInt(part, 16) / 255;
            return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pairs = [['--text', '--bg'], ['--text', '--surface'], ['--text', '--raised'], ['--muted', '--bg'],
        ['--muted', '--surface'], ['--muted', '--raised'], ['--accent', '--surface'], ['--good', '--good-bg'],
        ['--warn', '--warn-bg'], ['--bad', '--bad-bg'], ['--bad', '--surface'], ['--surface', '--bad']];
    const ratios = pairs.map(([one, other]) => {
        const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
        return { pair: `${one} on ${other}`, ratio: (high + 0.05) / (low + 0.05) };
    });
    return ratios.sort((one, other) => one.ratio - other.ratio)[0];
})()";

#[test]
fn a_phone_needs_no_sideways_scrolling() {
    let scratch = Scratch::new();
    let mut watched = Watched::start(Host::run_file(&markup(&scratch)));
    let browser = &mut watched.browser;
    let mut clients: Vec<Client> = (0..3).map(|_| watched.host.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.check_echo("hello\n"));
    let mut offender = watched.host.connect();
    offender.send("!");
    assert_eq!(offender.wait_for_end(), End::Reset);
    browser.resize(360, 740, true);
    browser.wait_until(&format!("{ROWS} === 3 && innerWidth === 360"));
    browser.wait_until("document.querySelectorAll('#failures details').length === 1");
    browser.click("#failures summary");
    browser.wait_until("document.querySelector('#failures details').open");
    let width = browser.evaluate("document.documentElement.scrollWidth");
    assert_eq!(width, 360);
    let outside = "[...document.querySelectorAll('main *, header *')].filter((node) => {
        const box = node.getBoundingClientRect();
        const hides = (above) => above && (getComputedStyle(above).overflowX !== 'visible' || hides(above.parentElement));
        return box.width > 0 && (box.right > 360.5 || box.left < -0.5) && !hides(node.parentElement);
    }).map((node) => node.outerHTML.slice(0, 80))";
    let outside = browser.evaluate(outside);
    assert_eq!(outside.as_array().map(Vec::len), Some(0), "{outside:#}");
    // A finger hits it.
    let height = browser.evaluate("document.querySelector('.kill').getBoundingClientRect().height");
    assert!(
        height.as_f64().is_some_and(|height| height >= 32.0),
        "{height}"
    );
    browser.click("#connections .kill");
    browser.click("#connections .kill");
    browser.wait_until(&format!("{ROWS} === 2"));
    drop(clients);
    watched.finish();
}

/// All that can be clicked can be reached by Tab, in the page's order, and is seen to have the focus.
#[test]
fn everything_can_be_reached_by_the_keyboard() {
    let mut watched = Watched::start(Host::run("echo"));
    let browser = &mut watched.browser;
    let mut client = watched.host.connect();
    client.check_echo("hello\n");
    browser.wait_until(&format!("{ROWS} === 1"));
    let mut reached = Vec::new();
    for _ in 0..5 {
        browser.press("Tab");
        let focused = browser.evaluate("document.activeElement.innerText");
        let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid", "{focused}");
        reached.push(focused.as_str().unwrap_or_default().to_owned());
        if reached.last().is_some_and(|text| text == "echo") {
            browser.press("Enter");
            browser.wait_until("document.querySelector('#scope').innerText === 'echo'");
            browser.wait_until("!document.querySelector('#everything').disabled");
        }
    }
    assert_eq!(
        reached[..5],
        ["Skip to the services", "Auto", "Reload", "echo", "Kill"]
    );
    drop(client);
    watched.finish();
}
