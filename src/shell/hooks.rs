//! Webhooks of the settings, and the files with their secrets.

use crate::core::hooks::{Secret, Target};
use crate::limits::{MAX_HOOK_SECRETS, MAX_WEBHOOKS};
use crate::settings::{HookEvent, Webhook, Webhooks};
use crate::shell::error::RunError;
use crate::shell::input_file;

const ADVICE: &str = "`echo whsec_$(openssl rand -base64 32)` makes a secret";

/// All webhooks, with their secrets, read at the start and again on SIGHUP.
///
/// # Errors
/// The first that is no good, and why.
pub(super) fn load(settings: &Webhooks) -> Result<Vec<Target>, RunError> {
    let all = settings.all();
    if all.len() > MAX_WEBHOOKS {
        let what = format!("there are more than {MAX_WEBHOOKS} webhooks");
        return Err(wrong(
            what,
            "each has a thread: send to one, and spread from there",
        ));
    }
    let targets: Vec<Target> = all.iter().map(target).collect::<Result<_, _>>()?;
    for (index, target) in targets.iter().enumerate() {
        if targets[..index].iter().any(|it| it.key() == target.key()) {
            let what = "two webhooks have the same address and the same rooms".to_owned();
            return Err(wrong(what, "name the events of both in one"));
        }
    }
    Ok(targets)
}

fn target(webhook: &Webhook) -> Result<Target, RunError> {
    let files = &webhook.secret_files;
    if files.is_empty() || files.len() > MAX_HOOK_SECRETS {
        let what = format!("a webhook needs 1 to {MAX_HOOK_SECRETS} secrets");
        return Err(wrong(what, "name files of them with webhook-secret-file"));
    }
    let mut secrets = Vec::new();
    for path in files {
        let secret = Secret::parse(&input_file::read_private(path, ADVICE)?);
        let secret = secret.map_err(|why| {
            let what = format!("cannot use the secret in {}: {why}", path.display());
            wrong(what, ADVICE)
        })?;
        secrets.push(secret);
    }
    let mut rooms = webhook.rooms.clone();
    if rooms.is_empty() {
        rooms.push("*".to_owned());
    }
    let mut events = webhook.events.clone();
    if events.is_empty() {
        events.extend(HookEvent::ALL.map(|(event, _)| event));
    }
    let target = Target {
        url: webhook.url.as_str().into(),
        secrets,
        rooms,
        events,
    };
    match target.impossible_room() {
        None => Ok(target),
        Some(pattern) => {
            let what = format!("no room can have the name {pattern:?}, which a webhook is for");
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
