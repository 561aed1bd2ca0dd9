//! Escalation: who is told of alarms that nobody acknowledges, and when.

use std::fmt;
use std::str::FromStr;

use super::HookUrl;
pub use crate::codec::json::push::Severity;
use crate::limits::MAX_ESCALATION_NAMES;

/// Who is told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EscalationStep {
    /// The webhook of this address, which is among those of the settings.
    Webhook(HookUrl),
    /// The push subscriptions of the people of these names: one at the least.
    Push(Vec<String>),
}

impl FromStr for EscalationStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(names) = text.strip_prefix("push:") {
            return names_in(names).map(Self::Push);
        }
        let url = text.strip_prefix("webhook:").ok_or_else(|| {
            "expected webhook: and the url of a webhook, as in \"webhook:https://app.example/hook\", or push: and names of \
             people, as in \"push:ana,ben\""
                .to_owned()
        });
        url?.parse().map(Self::Webhook)
    }
}

/// Names with commas between them.
fn names_in(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) || names.len() > MAX_ESCALATION_NAMES {
        return Err(format!(
            "expected push: and 1 to {MAX_ESCALATION_NAMES} names with commas between them, as in \"push:ana,ben\""
        ));
    }
    Ok(names)
}

impl fmt::Display for EscalationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(url) => write!(f, "webhook:{url}"),
            Self::Push(names) => write!(f, "push:{}", names.join(",")),
        }
    }
}

/// What becomes of alarms that nobody acknowledges, in some rooms.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalation {
    /// Patterns of the rooms; none for all.
    pub rooms: Vec<String>,
    /// The least severity.
    pub severity: Severity,
    /// Seconds until the first step, and between steps.
    pub after: u32,
    /// Seconds between repetitions of the last.
    pub repeat: u32,
    /// Who is told, in this order.
    pub steps: Vec<EscalationStep>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_have_names_and_an_order() {
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
        assert!("high".parse::<Severity>().unwrap_err().contains("critical"));
    }

    #[test]
    fn a_step_names_a_webhook() {
        let text = "webhook:https://app.example/oncall";
        let step: EscalationStep = text.parse().unwrap();
        assert_eq!(step.to_string(), text);
        for wrong in ["https://app.example", "webhook:app.example", "shift"] {
            let error = wrong.parse::<EscalationStep>().unwrap_err();
            assert!(error.contains("https://"), "{error}");
        }
    }

    #[test]
    fn a_step_names_people() {
        let step: EscalationStep = "push:ana, Ben B.".parse().unwrap();
        assert_eq!(step.to_string(), "push:ana,Ben B.");
        let many = format!("push:{}", vec!["a"; MAX_ESCALATION_NAMES + 1].join(","));
        for wrong in ["push:", "push:ana,", &many] {
            let error = wrong.parse::<EscalationStep>().unwrap_err();
            assert!(error.contains("1 to 20 names"), "{error}");
        }
    }
}
