//! The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody
//! else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wisted_guest::{Address, export, get_page, sleep};
use wisted_guest::{Config, Deferred, Error, Factory, Protocol, Response, Transport};

/// A longer line ends its connection.
const LINE_MAX_BYTES: usize = 256;
const DEFAULT_URLS: [&str; 2] = ["http://www.example.com/", "http://www.example.org/"];

#[derive(Default)]
struct PagesFactory {
    urls: Vec<String>,
}

impl Factory for PagesFactory {
    type Protocol = Pages;

    fn start_factory(&mut self, config: &Config) -> Result<(), String> {
        let url = |key, default| config.get(key).unwrap_or(default).to_owned();
        self.urls = vec![url("url1", DEFAULT_URLS[0]), url("url2", DEFAULT_URLS[1])];
        Ok(())
    }

    fn build_protocol(&mut self, _peer: &Address) -> Pages {
        Pages {
            urls: self.urls.clone(),
            line: Vec::new(),
            under_way: Vec::new(),
        }
    }
}

struct Pages {
    urls: Vec<String>,
    line: Vec<u8>,
    /// Kept only so that a peer that has closed its side gets its pages before we close ours.
    under_way: Vec<Deferred<()>>,
}

impl Pages {
    fn fetch_and_sleep(&mut self, transport: &Transport) -> Result<(), Error> {
        let waits = self.line.starts_with(b"wait");
        let pages: Vec<_> = self
            .urls
            .iter()
            .map(|url| show_page(url, transport))
            .collect();
        if waits {
            // The sequential style: go on when the pages are there.
            pages.into_iter().try_for_each(Deferred::wait)?;
        } else {
            // The callback style: they run after this handler has returned, in order of arrival.
            self.under_way.retain(|page| !page.is_ready());
            self.under_way.extend(pages);
        }
        for nap in 1..=2 {
            println!("{} sleeping, {nap} of 2", clock_time());
            sleep(Duration::from_secs(1))?;
        }
        println!("{} awake", clock_time());
        transport.write("done\n");
        Ok(())
    }
}

impl Protocol for Pages {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_MAX_BYTES {
                return transport.lose_connection();
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                if self.line.starts_with(b"echo ") {
                    // For whoever wants to see that a sleeping neighbour delays nobody.
                    transport.write(&self.line);
                } else if let Err(error) = self.fetch_and_sleep(transport) {
                    return println!("{} {error}", clock_time());
                }
                self.line.clear();
            }
        }
    }

    fn read_closed(&mut self, transport: &Transport) {
        for page in self.under_way.drain(..) {
            // Its own callback has told of any error.
            let _ = page.wait();
        }
        transport.lose_connection();
    }
}

/// Fetches a page and, when it is there, prints it and tells the peer.
fn show_page(url: &str, transport: &Transport) -> Deferred<()> {
    let (url, transport) = (url.to_owned(), transport.clone());
    get_page(&url).then(move |page: Result<Response, Error>| {
        match page {
            Ok(page) => {
                let start =
                    String::from_utf8_lossy(&page.body[..page.body.len().min(100)]).into_owned();
                println!(
                    "{} {url}: {} bytes: {start:?}",
                    clock_time(),
                    page.body.len()
                );
                transport.write(format!("{url} {}\n", page.body.len()));
            }
            Err(error) => {
                println!("{} {url}: {error}", clock_time());
                transport.write(format!("{url} error: {error}\n"));
            }
        }
        Ok(())
    })
}

/// The time of day, UTC.
fn clock_time() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

export!(PagesFactory);

#[cfg(test)]
mod tests;
