//! Which rows are wanted.

use batch::{ErrorCode, Row, Status};

use crate::cli::ResultsArgs;
use crate::formats::RowStatus;

/// All of what is set must be met.
pub(super) struct Filter<'a> {
    labels: &'a [String],
    min_score: Option<f64>,
    status: Option<Status>,
    codes: &'a [ErrorCode],
}

impl<'a> Filter<'a> {
    pub(super) fn of(args: &'a ResultsArgs) -> Self {
        let status = args.status.map(|status| match status {
            RowStatus::Ok => Status::Ok,
            RowStatus::Error => Status::Error,
        });
        Self { labels: &args.labels, min_score: args.min_score, status, codes: &args.codes }
    }

    pub(super) fn takes(&self, row: &Row) -> bool {
        let labelled = || row.label.as_ref().is_some_and(|label| self.labels.contains(label));
        let coded = || row.error.as_ref().is_some_and(|error| self.codes.contains(&error.code));
        (self.labels.is_empty() || labelled())
            && self.min_score.is_none_or(|min| row.score.is_some_and(|score| score >= min))
            && self.status.is_none_or(|status| row.status == status)
            && (self.codes.is_empty() || coded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::{ImageRef, Label, Outcome};

    #[test]
    fn every_condition_must_be_met() {
        let top = vec![Label { label: "cat".into(), index: 0, score: 0.5 }];
        let cat = Outcome { top, size: None, bytes: None, error: None }.into_row(&ImageRef::new("a"), "m");
        let gone = Outcome::failed(ErrorCode::NotFound, "no").into_row(&ImageRef::new("b"), "m");
        let all = Filter { labels: &[], min_score: None, status: None, codes: &[] };
        let labels = ["cat".to_owned()];
        let takes = |filter: &Filter<'_>| [filter.takes(&cat), filter.takes(&gone)];
        assert_eq!(takes(&all), [true, true]);
        assert_eq!(takes(&Filter { labels: &labels, ..all }), [true, false]);
        assert_eq!(takes(&Filter { min_score: Some(0.5), ..all }), [true, false]);
        assert_eq!(takes(&Filter { min_score: Some(0.6), labels: &labels, ..all }), [false, false]);
        assert_eq!(takes(&Filter { status: Some(Status::Error), ..all }), [false, true]);
        assert_eq!(takes(&Filter { codes: &[ErrorCode::NotFound], ..all }), [false, true]);
        assert_eq!(takes(&Filter { codes: &[ErrorCode::Denied], ..all }), [false, false]);
    }
}
