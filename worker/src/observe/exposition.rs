//! The text that Prometheus reads (exposition format 0.0.4).

use std::fmt::{Display, Write};

use super::values::{Counters, Histogram};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by one metric after the other.
#[derive(Default)]
pub struct Exposition(String);

/// The name of a label and the values that it can have.
pub struct Label<const N: usize> {
    /// Its name.
    pub name: &'static str,
    /// All values, in the order of the counters that they belong to.
    pub values: [&'static str; N],
}

impl Exposition {
    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.sample(name, "", value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// A gauge or counter (`kind`) with values for some labels, given as `name="value"`.
    pub fn labelled(&mut self, name: &str, kind: &str, help: &str, samples: &[(String, f64)]) {
        self.head(name, kind, help);
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    /// A counter per value of a label.
    pub fn counters<const N: usize>(&mut self, name: &str, help: &str, label: &Label<N>, counters: &Counters<N>) {
        self.head(name, "counter", help);
        for (place, value) in label.values.iter().enumerate() {
            self.sample(name, &format!("{}=\"{value}\"", label.name), counters.of(place).get());
        }
    }

    /// A histogram of seconds per value of a label.
    pub fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &Label<N>,
        histograms: &[Histogram; N],
    ) {
        self.head(name, "histogram", help);
        for (value, histogram) in label.values.iter().zip(histograms) {
            let labels = format!("{}=\"{value}\"", label.name);
            let cumulative = histogram.cumulative();
            for (bound, count) in Histogram::BOUNDS.iter().zip(cumulative) {
                self.sample(&format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), count);
            }
            let all = cumulative.last().copied().unwrap_or(0);
            self.sample(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), all);
            self.sample(&format!("{name}_sum"), &labels, histogram.seconds());
            self.sample(&format!("{name}_count"), &labels, all);
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _never_fails = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _never_fails = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let mut text = Exposition::default();
        let counters = Counters::<2>::default();
        counters.of(1).add(3);
        let label = Label { name: "outcome", values: ["ok", "failed"] };
        text.counters("images_total", "Images.", &label, &counters);
        text.gauge("connected", "Whether.", 1);
        let histograms = [Histogram::default()];
        histograms[0].record(Duration::from_millis(1500));
        text.histograms("seconds", "How long.", &Label { name: "stage", values: ["fetch"] }, &histograms);
        let text = text.finish();
        let expected = "# HELP images_total Images.\n# TYPE images_total counter\nimages_total{outcome=\"ok\"} 0\n\
                        images_total{outcome=\"failed\"} 3\n# HELP connected Whether.\n# TYPE connected gauge\n\
                        connected 1\n# HELP seconds How long.\n# TYPE seconds histogram\n";
        assert!(text.starts_with(expected), "{text}");
        for line in [
            "seconds_bucket{stage=\"fetch\",le=\"1\"} 0",
            "seconds_bucket{stage=\"fetch\",le=\"2.5\"} 1",
            "seconds_bucket{stage=\"fetch\",le=\"+Inf\"} 1",
            "seconds_sum{stage=\"fetch\"} 1.5",
            "seconds_count{stage=\"fetch\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
