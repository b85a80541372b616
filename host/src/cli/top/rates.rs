//! What happened between two looks at a host.

use std::collections::HashMap;

use wisted::admin::model::{Service, Status};

/// What happened in a second, on average.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// How many reactors guests kept busy: 1 is a whole one.
    pub busy_share: f64,
    /// By service.
    pub services: HashMap<String, ServiceRates>,
}

/// One service's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ServiceRates {
    /// See [`Rates::busy_share`].
    pub busy_share: f64,
    /// Bytes from peers in a second.
    pub received_bytes: f64,
    /// Bytes to peers in a second.
    pub sent_bytes: f64,
    /// Handler calls in a second.
    pub calls: f64,
    /// Half of the interval's calls took no longer, in seconds.
    pub p50_seconds: f64,
    /// 99 of 100 took no longer.
    pub p99_seconds: f64,
}

impl Rates {
    /// Zero where the later look is not one at the same host's later time: a host that was started again begins anew.
    pub fn between(earlier: &Status, later: &Status) -> Self {
        let seconds = later.uptime_seconds - earlier.uptime_seconds;
        if seconds <= 0.0 {
            return Self::default();
        }
        let before: HashMap<&str, &Service> = earlier
            .services
            .iter()
            .map(|service| (service.name.as_str(), service))
            .collect();
        let mut rates = Self::default();
        for service in &later.services {
            let Some(before) = before.get(service.name.as_str()) else {
                continue;
            };
            let of = ServiceRates::between(before, service, seconds);
            rates.busy_share += of.busy_share;
            rates.services.insert(service.name.clone(), of);
        }
        rates
    }

    /// Of one service; zero when it is new.
    pub fn of(&self, service: &Service) -> ServiceRates {
        self.services
            .get(&service.name)
            .copied()
            .unwrap_or_default()
    }
}

impl ServiceRates {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    fn between(earlier: &Service, later: &Service, seconds: f64) -> Self {
        let rate = |later: u64, earlier: u64| later.saturating_sub(earlier) as f64 / seconds;
        let (was, is) = (&earlier.used, &later.used);
        let times = calls_between(earlier, later);
        Self {
            busy_share: ((is.busy_seconds - was.busy_seconds) / seconds).max(0.0),
            received_bytes: rate(is.received_bytes, was.received_bytes),
            sent_bytes: rate(is.sent_bytes, was.sent_bytes),
            calls: rate(is.calls, was.calls),
            p50_seconds: percentile(&times, 50),
            p99_seconds: percentile(&times, 99),
        }
    }
}

/// How many calls took up to so many nanoseconds, for those that were made in between.
fn calls_between(earlier: &Service, later: &Service) -> Vec<(u64, u64)> {
    let before: HashMap<u64, u64> = earlier.call_buckets.iter().copied().collect();
    let made = |(bound, count): &(u64, u64)| {
        let before = before.get(bound).copied().unwrap_or(0);
        (*bound, count.saturating_sub(before))
    };
    let made = later.call_buckets.iter().map(made);
    made.filter(|(_, count)| *count > 0).collect()
}

#[expect(clippy::cast_precision_loss, reason = "exact to a sixteenth")]
fn percentile(times: &[(u64, u64)], percent: u64) -> f64 {
    let total: u64 = times.iter().map(|(_, count)| count).sum();
    let wanted = (total * percent).div_ceil(100);
    let mut seen = 0;
    for (nanos, count) in times {
        seen += count;
        if seen >= wanted {
            return *nanos as f64 / 1e9;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uptime_seconds: f64, calls: u64, buckets: &[(u64, u64)]) -> Status {
        let mut service = Service {
            name: "echo".into(),
            call_buckets: buckets.to_vec(),
            ..Service::default()
        };
        service.used.calls = calls;
        service.used.busy_seconds = calls as f64 / 100.0;
        Status {
            uptime_seconds,
            services: vec![service],
            ..Status::default()
        }
    }

    #[test]
    fn only_what_happened_in_between_counts() {
        let earlier = status(10.0, 100, &[(1_000, 100)]);
        let later = status(12.0, 200, &[(1_000, 102), (5_000, 96), (9_000, 2)]);
        let rates = Rates::between(&earlier, &later);
        let echo = rates.of(&later.services[0]);
        assert_eq!((echo.calls, echo.busy_share), (50.0, 0.5));
        assert_eq!((echo.p50_seconds, echo.p99_seconds), (5e-6, 9e-6));
    }

    #[test]
    fn a_host_that_was_started_again_begins_anew() {
        let earlier = status(10.0, 100, &[(1_000, 100)]);
        let later = status(1.0, 5, &[(1_000, 5)]);
        assert_eq!(Rates::between(&earlier, &later), Rates::default());
    }
}
