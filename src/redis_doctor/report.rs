//! What was found at a Redis, for a person.

use std::fmt::{self, Display};

/// What was found, a line each and what it means.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug)]
pub(super) struct Finding {
    what: &'static str,
    value: String,
    meaning: String,
    advice: Option<Advice>,
}

#[derive(Debug)]
struct Advice {
    text: String,
    /// A node cannot use this Redis without it.
    is_needed: bool,
}

impl Finding {
    pub(super) fn new(
        what: &'static str,
        value: impl Into<String>,
        meaning: impl Into<String>,
    ) -> Self {
        Self {
            what,
            value: value.into(),
            meaning: meaning.into(),
            advice: None,
        }
    }

    /// What had better be changed.
    pub(super) fn better(self, text: impl Into<String>) -> Self {
        self.with(text.into(), false)
    }

    /// What has to be changed, so that a node can use this Redis.
    pub(super) fn needed(self, text: impl Into<String>) -> Self {
        self.with(text.into(), true)
    }

    fn with(self, text: String, is_needed: bool) -> Self {
        Self {
            advice: Some(Advice { text, is_needed }),
            ..self
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether a node can use this Redis.
    pub(super) fn is_usable(&self) -> bool {
        self.advice().all(|(_, advice)| !advice.is_needed)
    }

    /// Whether nothing has to be changed, and nothing had better be.
    pub(super) fn is_well(&self) -> bool {
        self.advice().next().is_none()
    }

    fn advice(&self) -> impl Iterator<Item = (&'static str, &Advice)> {
        let findings = self.findings.iter();
        findings.filter_map(|it| Some((it.what, it.advice.as_ref()?)))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding {
            what,
            value,
            meaning,
            ..
        } in &self.findings
        {
            writeln!(f, "{what:<30} {value}\n{:<30} {meaning}", "")?;
        }
        for is_needed in [true, false] {
            for (what, advice) in self.advice().filter(|(_, it)| it.is_needed == is_needed) {
                let must = if is_needed { "Needed" } else { "Better" };
                writeln!(f, "{must}, for the {what}: {}.", advice.text)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_before_what_is_better() {
        let mut report = Report::default();
        report.add(Finding::new("memory", "none", "is short"));
        assert!(report.is_usable() && report.is_well());
        report.add(Finding::new("disk", "slow", "takes long").better("buy another"));
        assert!(report.is_usable() && !report.is_well());
        report.add(Finding::new("version", "1.0", "is old").needed("take a newer one"));
        assert!(!report.is_usable());
        let text = report.to_string();
        assert!(
            text.ends_with(
                "Needed, for the version: take a newer one.\nBetter, for the disk: buy another.\n"
            ),
            "{text}"
        );
    }
}
