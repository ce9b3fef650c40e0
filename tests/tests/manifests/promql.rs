//! What a PromQL expression asks for: metrics, and the labels it picks them by. Whether it is well-formed, `promtool` says.

/// One metric in an expression.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

const OPERATORS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const AGGREGATIONS: [&str; 12] =
    ["sum", "min", "max", "avg", "count", "stddev", "stdvar", "group", "topk", "bottomk", "quantile", "count_values"];

/// All metrics of `expression`, in order.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let mut rest = Rest(expression);
    let mut found = Vec::new();
    while let Some(next) = rest.0.chars().next() {
        match next {
            '"' | '\'' | '`' => drop(rest.string()),
            '[' => drop(rest.until(']')),
            'a'..='z' | 'A'..='Z' | '_' | ':' => found.extend(metric(&mut rest)),
            '0'..='9' => drop(rest.word()),
            _ => rest.0 = &rest.0[next.len_utf8()..],
        }
    }
    found
}

fn metric(rest: &mut Rest<'_>) -> Option<Selector> {
    let word = rest.word().to_owned();
    let following = rest.0.trim_start();
    if GROUPINGS.contains(&word.as_str()) {
        if following.starts_with('(') {
            rest.until(')');
        }
        return None;
    }
    if OPERATORS.contains(&word.as_str()) || AGGREGATIONS.contains(&word.as_str()) || following.starts_with('(') {
        return None;
    }
    let mut matchers = Vec::new();
    if let Some(inside) = following.strip_prefix('{') {
        rest.0 = inside;
        while !rest.0.trim_start().starts_with('}') {
            rest.0 = rest.0.trim_start_matches([',', ' ', '\n']);
            let label = rest.word().to_owned();
            assert!(!label.is_empty(), "a label is missing before {:?}", rest.0);
            let quote = rest.0.find(['"', '\'']).expect("a value in quotes");
            let operator = rest.0[..quote].trim().to_owned();
            rest.0 = &rest.0[quote..];
            matchers.push((label, operator, rest.string().to_owned()));
        }
        rest.until('}');
    }
    Some(Selector { metric: word, matchers })
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn word(&mut self) -> &'a str {
        let end = self.0.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(self.0.len());
        self.take(end)
    }

    fn until(&mut self, last: char) -> &'a str {
        let end = self.0.find(last).unwrap_or_else(|| panic!("no {last:?} in {:?}", self.0));
        self.take(end + last.len_utf8())
    }

    /// The inside of the string that begins here.
    fn string(&mut self) -> &'a str {
        let quote = self.0.chars().next().expect("a quote");
        self.take(1);
        let inside = self.until(quote);
        &inside[..inside.len() - 1]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}

#[test]
fn metrics_are_told_from_functions_labels_and_numbers() {
    let expression = r#"
        histogram_quantile(0.95, sum by (le, stage) (rate(a_bucket{stage="x", pod!~"y|z"}[5m]))) > 1e3
          unless on (namespace) topk(3, b:c offset 5m) / ignoring (pod) group_left (job) d == bool 0 or vector(1) and time() - e
    "#;
    let found = selectors(expression);
    let names: Vec<_> = found.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(names, ["a_bucket", "b:c", "d", "e"]);
    let matcher = |label: &str, operator: &str, value: &str| (label.into(), operator.into(), value.into());
    assert_eq!(found[0].matchers, [matcher("stage", "=", "x"), matcher("pod", "!~", "y|z")]);
}
