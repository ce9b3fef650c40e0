//! The `OTEL_*` variables, as far as they concern the export of spans.

/// Where spans go, and in whose name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The whole URL.
    pub(super) url: String,
    /// Sent with each request; their values may be secret.
    pub(super) headers: Vec<(String, String)>,
    /// Attributes of the resource: `service.name` and what `OTEL_RESOURCE_ATTRIBUTES` says.
    pub(super) resource: Vec<(String, String)>,
}

impl Settings {
    /// Reads the variables; none if they ask for no export.
    pub(super) fn read(program: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Settings>, String> {
        let off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let whole = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let base = || variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        let base = || base().map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let Some(url) = whole.or_else(base).filter(|_| !off) else { return Ok(None) };
        let is_url = reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_url {
            return Err("OTEL_EXPORTER_OTLP_ENDPOINT is no URL; give http://collector:4318".into());
        }
        let protocol =
            variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if protocol.as_deref() == Some("grpc") {
            return Err(
                "OTEL_EXPORTER_OTLP_PROTOCOL is grpc; give the collector's HTTP port (4318) and http/json".into()
            );
        }
        let headers = variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS"));
        let headers = pairs(headers.as_deref()).ok_or("OTEL_EXPORTER_OTLP_HEADERS is no list of name=value")?;
        let resource = variable("OTEL_RESOURCE_ATTRIBUTES");
        let mut resource = pairs(resource.as_deref()).ok_or("OTEL_RESOURCE_ATTRIBUTES is no list of name=value")?;
        let given = resource.iter().position(|(name, _)| name == "service.name").map(|at| resource.remove(at).1);
        let name = variable("OTEL_SERVICE_NAME").or(given).unwrap_or_else(|| format!("pixelmill-{program}"));
        resource.insert(0, ("service.name".into(), name));
        resource.push(("service.version".into(), env!("CARGO_PKG_VERSION").into()));
        Ok(Some(Settings { url, headers, resource }))
    }
}

/// `name=value,name=value`, values percent-encoded.
fn pairs(text: Option<&str>) -> Option<Vec<(String, String)>> {
    let text = text.unwrap_or_default();
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs.map(|pair| pair.split_once('=').map(|(name, value)| (name.trim().into(), decoded(value.trim())))).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| after.first_chunk::<2>()).flatten();
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read("worker", |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_standard_variables_are_understood() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-tenant=1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mill,deployment.environment=test"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.url, "http://c:4318/v1/traces");
        let pair = |(name, value): &(String, String)| format!("{name}={value}");
        let all = |pairs: &[(String, String)]| pairs.iter().map(pair).collect::<Vec<_>>().join(",");
        assert_eq!(all(&settings.headers), "authorization=Bearer abc,x-tenant=1");
        assert!(all(&settings.resource).starts_with("service.name=mill,deployment.environment=test,service.version="));
        let whole = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/own"), ("OTEL_SERVICE_NAME", "n")]);
        let whole = whole.unwrap().unwrap();
        assert_eq!((&*whole.url, &*whole.resource[0].1), ("https://c/own", "n"));
    }

    #[test]
    fn what_cannot_work_is_said() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
        assert!(read(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err().contains("4318"));
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")]).unwrap_err().contains("no URL"));
        assert!(read(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "secret")]).unwrap_err().contains("HEADERS"));
        assert_eq!(decoded("100%"), "100%");
    }
}
