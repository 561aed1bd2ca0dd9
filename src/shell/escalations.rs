//! Escalations of the settings, and the webhooks that their steps name.

use crate::core::escalation::{Escalation, Step};
use crate::core::hooks::Target;
use crate::settings::{self, EscalationStep, HookEvent, Webhooks, without_path};
use crate::shell::error::RunError;

/// All escalations, with the webhooks that they tell. `pushes`: whether push is on.
///
/// # Errors
/// The first that is no good, and why.
pub(super) fn load(
    settings: &Webhooks,
    hooks: &[Target],
    pushes: bool,
) -> Result<Vec<Escalation>, RunError> {
    let all = settings.escalations.iter();
    let all: Vec<Escalation> = all
        .map(|it| escalation(it, hooks, pushes))
        .collect::<Result<_, _>>()?;
    let is_told = |hook: &&Target| {
        let step = Step::Webhook(hook.key());
        hook.events != [HookEvent::Escalated] || all.iter().any(|it| it.steps.contains(&step))
    };
    match hooks.iter().find(|hook| !is_told(hook)) {
        None => Ok(all),
        Some(hook) => {
            let url = without_path(&hook.url);
            let what =
                format!("the webhook {url} is told of nothing but escalated, and no step names it");
            Err(wrong(what, "name it in the steps of [[escalations]]"))
        }
    }
}

fn escalation(
    settings: &settings::Escalation,
    hooks: &[Target],
    pushes: bool,
) -> Result<Escalation, RunError> {
    let step = |step: &EscalationStep| {
        let url = match step {
            EscalationStep::Webhook(url) => url,
            EscalationStep::Push(names) if pushes => {
                return Ok(Step::Push(
                    names.iter().map(|it| it.as_str().into()).collect(),
                ));
            }
            EscalationStep::Push(_) => {
                let what = format!("the step {step} of an escalation needs push, which is off");
                return Err(wrong(
                    what,
                    "turn push on with --push-contact, or take the step out",
                ));
            }
        };
        let hook = hooks.iter().find(|it| *it.url == *url.as_str());
        hook.map(|it| Step::Webhook(it.key())).ok_or_else(|| {
            let url = without_path(url.as_str());
            let what =
                format!("an escalation names a webhook of {url} that is not among the webhooks");
            wrong(
                what,
                "name it under [[webhooks]] with the same url, and its secret-file",
            )
        })
    };
    let mut rooms = settings.rooms.clone();
    if rooms.is_empty() {
        rooms.push("*".to_owned());
    }
    let escalation = Escalation {
        rooms,
        severity: settings.severity,
        after_ms: 1_000 * u64::from(settings.after),
        repeat_ms: 1_000 * u64::from(settings.repeat),
        steps: settings.steps.iter().map(step).collect::<Result<_, _>>()?,
    };
    match escalation.impossible_room() {
        None => Ok(escalation),
        Some(pattern) => {
            let what = format!("no room can have the name {pattern:?}, which an escalation is for");
            Err(wrong(what, "a name has letters, digits, and - _ . :"))
        }
    }
}

fn wrong(what: String, advice: &'static str) -> RunError {
    RunError {
        what,
        cause: None,
        advice,
    }
}
