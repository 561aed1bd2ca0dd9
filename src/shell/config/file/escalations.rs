//! The tables of escalations: `[[escalations]]`.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Reader, text_of};
use crate::limits::{MAX_ESCALATION_SECONDS, MAX_ESCALATION_STEPS, MAX_ESCALATIONS};
use crate::settings::{Escalation, Kind, Severity};
use crate::shell::config::nearest::hint;

const ROOMS: &str = "rooms";
const SEVERITY: &str = "severity";
const AFTER: &str = "after";
const REPEAT: &str = "repeat";
const STEPS: &str = "steps";
const KEYS: [&str; 5] = [ROOMS, SEVERITY, AFTER, REPEAT, STEPS];

/// What is wrong with a value, and where.
type At<T> = Result<T, (usize, String)>;

impl Reader<'_> {
    pub(super) fn escalations(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(Escalation, usize)> {
        let expected = "escalations: expected tables, each under a line [[escalations]]";
        let Some(tables) = value.get_ref().as_array() else {
            self.complain(value.span().start, expected);
            return Vec::new();
        };
        if tables.len() > MAX_ESCALATIONS {
            let error = format!(
                "escalations: more than {MAX_ESCALATIONS}, each of which is tried on each alarm"
            );
            self.complain(value.span().start, &error);
        }
        let mut escalations = Vec::new();
        for table in tables {
            let at = table.span().start;
            match table.get_ref().as_table() {
                Some(table) => escalations.extend(self.escalation(at, table)),
                None => self.complain(at, expected),
            }
        }
        escalations
    }

    fn escalation(&mut self, at: usize, table: &DeTable<'_>) -> Option<(Escalation, usize)> {
        for needed in [AFTER, STEPS] {
            if !table.contains_key(needed) {
                let error = r#"expected after and steps, as in `after = 300` and `steps = ["webhook:https://app.example/hook"]`"#;
                self.complain(at, &format!("escalations: {error}"));
                return None;
            }
        }
        let mut escalation = Escalation {
            rooms: Vec::new(),
            severity: Severity::Info,
            after: 0,
            repeat: 0,
            steps: Vec::new(),
        };
        for (key, value) in table {
            let name = &**key.get_ref();
            let set = match name {
                ROOMS => list(value).map(|it| escalation.rooms = it),
                SEVERITY => one(value).map(|it| escalation.severity = it),
                AFTER => seconds(value).map(|it| escalation.after = it),
                REPEAT => seconds(value).map(|it| escalation.repeat = it),
                STEPS => steps(value).map(|it| escalation.steps = it),
                _ => {
                    let hint = hint(name, KEYS.map(str::to_owned).into_iter());
                    let error = format!("there is no such setting of an escalation{hint}");
                    Err((key.span().start, error))
                }
            };
            if let Err((at, error)) = set {
                self.complain(at, &format!("escalations: {name}: {error}"));
            }
        }
        if escalation.repeat == 0 {
            escalation.repeat = escalation.after;
        }
        Some((escalation, self.line(at)))
    }
}

fn one<T: FromStr>(value: &Spanned<DeValue<'_>>) -> At<T>
where
    T::Err: Display,
{
    let at = value.span().start;
    let text = text_of(Kind::Text, value.get_ref()).map_err(|error| (at, error))?;
    text.parse()
        .map_err(|error| (at, format!("{error}, not {text:?}")))
}

fn list<T: FromStr>(value: &Spanned<DeValue<'_>>) -> At<Vec<T>>
where
    T::Err: Display,
{
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(one).collect(),
        _ => Ok(vec![one(value)?]),
    }
}

fn steps<T: FromStr>(value: &Spanned<DeValue<'_>>) -> At<Vec<T>>
where
    T::Err: Display,
{
    let steps = list(value)?;
    match steps.len() {
        1..=MAX_ESCALATION_STEPS => Ok(steps),
        count => Err((
            value.span().start,
            format!("expected 1 to {MAX_ESCALATION_STEPS} steps, not {count}"),
        )),
    }
}

fn seconds(value: &Spanned<DeValue<'_>>) -> At<u32> {
    let at = value.span().start;
    let text = text_of(Kind::Whole, value.get_ref()).map_err(|error| (at, error))?;
    let seconds = text.parse().ok();
    seconds
        .filter(|it| (1..=MAX_ESCALATION_SECONDS).contains(it))
        .ok_or_else(|| {
            let most = MAX_ESCALATION_SECONDS;
            (
                at,
                format!("expected seconds, a whole number from 1 to {most}, not {text}"),
            )
        })
}
