//! What `wisted top` shows, as lines of text: pure, so that it can be tested without a terminal.

use std::collections::VecDeque;

use super::Order;
use super::rates::Rates;
use crate::cli::figures::{harmless, time};
use crate::cli::operate::headline;
use crate::cli::table::{Side, Table};
use wisted::admin::model::{Service, Status};
use wisted::units::{count, size};

/// How a line is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Plain,
    Title,
    Head,
    Quiet,
}

/// What is known.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub status: &'a Status,
    pub rates: &'a Rates,
    /// How many reactors were busy, the latest last.
    pub history: &'a VecDeque<f64>,
    pub order: Order,
    /// Why there is nothing newer.
    pub problem: Option<&'a str>,
}

const KEYS: &str = "sort by [c]pu [b]ytes co[n]nections [s]ervice   [q]uit";

/// Of eight heights.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Picture<'_> {
    /// So many lines at most, of so many characters at most.
    pub fn lines(&self, width: usize, height: usize) -> Vec<(LineKind, String)> {
        let mut lines = vec![
            (LineKind::Title, headline(self.status)),
            (LineKind::Plain, self.sums()),
            (LineKind::Plain, String::new()),
        ];
        if let Some(problem) = self.problem {
            lines[2] = (LineKind::Title, format!("! {}", harmless(problem)));
        }
        let mut table = self.table().lines().into_iter();
        lines.extend(table.next().map(|head| (LineKind::Head, head)));
        let is_live = height < usize::MAX;
        // The last line is for the keys.
        let room = height.saturating_sub(lines.len() + usize::from(is_live));
        let rows: Vec<String> = table.collect();
        let hidden = rows.len().saturating_sub(room);
        let shown = rows.len() - hidden;
        lines.extend(
            rows.into_iter()
                .take(shown)
                .map(|row| (LineKind::Plain, row)),
        );
        if is_live {
            let free = room - shown;
            lines.extend((0..free).map(|_| (LineKind::Plain, String::new())));
            let keys = match hidden {
                0 => KEYS.to_owned(),
                _ => format!("{KEYS}   {hidden} more below"),
            };
            lines.push((LineKind::Quiet, keys));
        }
        let cut = |(kind, line): (LineKind, String)| (kind, line.chars().take(width).collect());
        lines.into_iter().take(height).map(cut).collect()
    }

    fn sums(&self) -> String {
        let services = self.status.services.iter();
        let rates: Vec<_> = services
            .clone()
            .map(|service| self.rates.of(service))
            .collect();
        let received: f64 = rates.iter().map(|rate| rate.received_bytes).sum();
        let sent: f64 = rates.iter().map(|rate| rate.sent_bytes).sum();
        let calls: f64 = rates.iter().map(|rate| rate.calls).sum();
        let connections = services.map(|service| service.connections).sum();
        let mut line = format!(
            "guests {} busy, {} connection{}, in {}/s, out {}/s, {} calls/s",
            percent(self.rates.busy_share),
            count(connections),
            if connections == 1 { "" } else { "s" },
            size(whole(received)),
            size(whole(sent)),
            count(whole(calls)),
        );
        let reactors = self.status.reactors.len().max(1);
        if !self.history.is_empty() {
            line += "  ";
            line.extend(self.history.iter().map(|share| bar(*share, reactors)));
        }
        line
    }

    fn table(&self) -> Table {
        let mut services: Vec<&Service> = self.status.services.iter().collect();
        // The largest first, and the same always in the same place.
        services.sort_by(|one, other| {
            let key = |service: &Service| self.key(service);
            key(other)
                .total_cmp(&key(one))
                .then_with(|| one.name.cmp(&other.name))
        });
        let mut table = Table::new(&[
            ("SERVICE", Side::Left),
            ("STATE", Side::Left),
            ("BUSY", Side::Right),
            ("CONNS", Side::Right),
            ("IN/s", Side::Right),
            ("OUT/s", Side::Right),
            ("CALLS/s", Side::Right),
            ("P50", Side::Right),
            ("P99", Side::Right),
            ("MEMORY", Side::Right),
            ("FAILURES", Side::Right),
        ]);
        for service in services {
            let rates = self.rates.of(service);
            table.row(vec![
                harmless(&service.name),
                harmless(&service.condition),
                percent(rates.busy_share),
                count(service.connections),
                size(whole(rates.received_bytes)),
                size(whole(rates.sent_bytes)),
                count(whole(rates.calls)),
                time(rates.p50_seconds),
                time(rates.p99_seconds),
                size(service.memory_bytes),
                count(service.failures),
            ]);
        }
        table
    }

    #[expect(clippy::cast_precision_loss, reason = "only compared")]
    fn key(&self, service: &Service) -> f64 {
        let rates = self.rates.of(service);
        match self.order {
            Order::Cpu => rates.busy_share,
            Order::Bytes => rates.received_bytes + rates.sent_bytes,
            Order::Connections => service.connections as f64,
            Order::Name => 0.0,
        }
    }
}

/// Of one reactor, as `top` counts CPUs: two busy ones are 200 %.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive, and a float that is too large becomes the largest number"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "there are few reactors")]
fn bar(share: f64, reactors: usize) -> char {
    let height = share / reactors as f64 * BARS.len() as f64;
    let index = usize::try_from(whole(height.floor())).unwrap_or(usize::MAX);
    BARS[index.min(BARS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::super::rates::ServiceRates;
    use super::*;

    fn service(name: &str, connections: u64) -> Service {
        Service {
            name: name.into(),
            condition: "up".into(),
            connections,
            ..Service::default()
        }
    }

    fn shown(order: Order, width: usize, height: usize) -> Vec<String> {
        let status = Status {
            services: vec![
                service("one", 1),
                service("two", 2),
                service("three\u{1b}", 3),
            ],
            ..Status::default()
        };
        let mut rates = Rates::default();
        let busy = ServiceRates {
            busy_share: 0.5,
            received_bytes: 2_048.4,
            ..ServiceRates::default()
        };
        rates.services.insert("two".into(), busy);
        let picture = Picture {
            status: &status,
            rates: &rates,
            history: &VecDeque::from([0.0, 0.5, 9.0]),
            order,
            problem: None,
        };
        let lines = picture.lines(width, height).into_iter();
        lines.map(|(_, line)| line).collect()
    }

    fn names(lines: &[String]) -> Vec<&str> {
        let rows = lines.iter().skip(4).take(3);
        rows.map(|row| row.split(' ').next().unwrap()).collect()
    }

    #[test]
    fn what_is_sorted_by_comes_first() {
        let wide = |order| shown(order, 200, 20);
        assert_eq!(names(&wide(Order::Cpu)), ["two", "one", "three\\u{1b}"]);
        assert_eq!(names(&wide(Order::Name)), ["one", "three\\u{1b}", "two"]);
        assert_eq!(
            names(&wide(Order::Connections)),
            ["three\\u{1b}", "two", "one"]
        );
        let lines = wide(Order::Cpu);
        assert!(lines[1].ends_with("▁▅█"), "{lines:?}");
        assert!(
            lines[4].contains("50.0 %") && lines[4].contains("2.0 KiB"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_small_terminal_shows_what_fits() {
        for (width, height) in [(1, 1), (20, 5), (40, 6), (0, 0)] {
            let lines = shown(Order::Cpu, width, height);
            assert!(lines.len() <= height);
            assert!(lines.iter().all(|line| line.chars().count() <= width));
        }
        assert!(shown(Order::Cpu, 200, 30)[29].starts_with("sort by"));
        let lines = shown(Order::Cpu, 200, 6);
        assert!(lines[5].ends_with("2 more below"), "{lines:?}");
    }
}
