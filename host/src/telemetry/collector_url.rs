//! Where traces go: the URL of a collector that speaks OTLP over HTTP. It must not know how they get there.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The base URL of a collector. Each signal has a path of its own below it, as the OTLP exporter's specification says under
/// "Endpoint URLs for OTLP/HTTP".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(Url);

/// Why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectorUrlError {
    /// No URL at all, or none of HTTP.
    #[error("it is not the URL of a web server")]
    NotHttp,
    /// It has a user name or a password, which would be shown where URLs are.
    #[error(
        "it has a user name or password: give an Authorization header in OTEL_EXPORTER_OTLP_HEADERS"
    )]
    UserInfo,
    /// Nothing can be appended to it.
    #[error("it has a query or a fragment, and the path of traces is to come after it")]
    Query,
}

impl CollectorUrl {
    /// Where a request with traces goes.
    pub fn of_traces(&self) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v1/traces"));
        url
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for CollectorUrl {
    type Err = CollectorUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| CollectorUrlError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(CollectorUrlError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CollectorUrlError::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(CollectorUrlError::Query);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_have_a_path_below_the_base() {
        for (base, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            (
                "https://otel.example/mine/",
                "https://otel.example/mine/v1/traces",
            ),
        ] {
            let url: CollectorUrl = base.parse().expect(base);
            assert_eq!(url.of_traces().as_str(), traces);
        }
    }

    #[test]
    fn what_is_no_collector_is_refused() {
        for (text, error) in [
            ("127.0.0.1:4318", CollectorUrlError::NotHttp),
            ("grpc://127.0.0.1:4317", CollectorUrlError::NotHttp),
            ("http://", CollectorUrlError::NotHttp),
            ("http://me:secret@host/", CollectorUrlError::UserInfo),
            ("http://host/?token=secret", CollectorUrlError::Query),
        ] {
            assert_eq!(text.parse::<CollectorUrl>(), Err(error), "{text}");
        }
    }
}
