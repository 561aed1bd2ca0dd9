//! Webhooks of GitHub: what people care for becomes a text, see <https://docs.github.com/en/webhooks/webhook-events-and-payloads>.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::payload::{IncomingError, parse};
use super::text::{cut, first_line, readable, some};

/// The events of which something is told.
const TOLD: [&str; 6] = [
    "ping",
    "push",
    "workflow_run",
    "issues",
    "pull_request",
    "release",
];

/// So many commits of one push are named, the first of each message.
const NAMED_COMMITS: usize = 5;

/// Characters of a title, and of a line of a commit.
const TITLE: usize = 200;

/// What is read of the payload of any of these events.
#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
    repository: Option<Repository>,
    organization: Option<User>,
    sender: Option<User>,
    // Of a ping.
    zen: Option<String>,
    // Of a push.
    r#ref: Option<String>,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    compare: Option<String>,
    #[serde(default)]
    commits: Vec<Commit>,
    // Of the others.
    workflow_run: Option<Run>,
    workflow: Option<Workflow>,
    issue: Option<Item>,
    pull_request: Option<Item>,
    release: Option<Release>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    message: String,
}

#[derive(Deserialize)]
struct Workflow {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    name: Option<String>,
    conclusion: Option<String>,
    head_branch: Option<String>,
    run_number: u64,
    html_url: String,
}

/// An issue, or a pull request.
#[derive(Deserialize)]
struct Item {
    number: u64,
    title: String,
    html_url: String,
    #[serde(default)]
    merged: Option<bool>,
}

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    name: Option<String>,
    html_url: String,
}

/// What has happened; `None` for what is not told.
pub(super) fn read(event: Option<&str>, json: &str) -> Result<Option<String>, IncomingError> {
    let Some(event) = event else {
        let missing = "the field X-GitHub-Event is missing: is it a webhook of GitHub?";
        return Err(IncomingError(missing.to_owned()));
    };
    if !TOLD.contains(&event) {
        return parse::<IgnoredAny>("GitHub", json).map(|_| None);
    }
    let payload: Payload = parse("GitHub", json)?;
    let text = match event {
        "ping" => Some(payload.ping()),
        "push" => Some(payload.push()?),
        "workflow_run" => payload.workflow_run()?,
        "issues" => payload.issue()?,
        "pull_request" => payload.pull_request()?,
        "release" => payload.release()?,
        _ => None,
    };
    Ok(text.map(|text| readable(&text)))
}

fn needed<'a, T>(part: Option<&'a T>, event: &str, name: &str) -> Result<&'a T, IncomingError> {
    part.ok_or_else(|| IncomingError(format!("this {event} has no {name}")))
}

impl Payload {
    /// Where it has happened.
    fn place(&self) -> &str {
        let repository = self.repository.as_ref().map(|it| &*it.full_name);
        let organization = self.organization.as_ref().map(|it| &*it.login);
        repository.or(organization).unwrap_or("GitHub")
    }

    fn who(&self) -> &str {
        self.sender.as_ref().map_or("somebody", |it| &it.login)
    }

    fn ping(&self) -> String {
        let zen = self.zen.as_deref().unwrap_or_default();
        format!("{}: the webhook of GitHub is set up. {zen}", self.place())
    }

    fn push(&self) -> Result<String, IncomingError> {
        let name = needed(self.r#ref.as_ref(), "push", "ref")?;
        let (kind, name) = match (
            name.strip_prefix("refs/tags/"),
            name.strip_prefix("refs/heads/"),
        ) {
            (Some(tag), _) => ("tag", tag),
            (_, Some(branch)) => ("branch", branch),
            _ => ("ref", &**name),
        };
        let (place, who) = (self.place(), self.who());
        if self.deleted {
            return Ok(format!("{place}: {who} deleted the {kind} {name}"));
        }
        let link = self.compare.as_deref().unwrap_or_default();
        if self.commits.is_empty() {
            let verb = if self.created { "created" } else { "moved" };
            return Ok(format!("{place}: {who} {verb} the {kind} {name} {link}"));
        }
        let verb = if self.forced {
            "force-pushed"
        } else {
            "pushed"
        };
        let count = match self.commits.len() {
            1 => "1 commit".to_owned(),
            count => format!("{count} commits"),
        };
        let mut lines = vec![format!("{place}: {who} {verb} {count} to {name} {link}")];
        for Commit { id, message } in self.commits.iter().take(NAMED_COMMITS) {
            let id = id.get(..7).unwrap_or(id);
            lines.push(format!("- {id} {}", cut(first_line(message), TITLE)));
        }
        if self.commits.len() > NAMED_COMMITS {
            lines.push(format!("- and {} more", self.commits.len() - NAMED_COMMITS));
        }
        Ok(lines.join("\n"))
    }

    /// How it has ended, if it has.
    fn workflow_run(&self) -> Result<Option<String>, IncomingError> {
        let run = needed(self.workflow_run.as_ref(), "workflow_run", "workflow_run")?;
        let Some(conclusion) = run
            .conclusion
            .as_deref()
            .filter(|_| self.is(&["completed"]))
        else {
            return Ok(None);
        };
        let outcome = match conclusion {
            "success" => "succeeded",
            "failure" | "startup_failure" => "failed",
            "cancelled" => "was cancelled",
            "timed_out" => "timed out",
            "action_required" => "waits for somebody",
            // Skipped, stale or neutral: nothing has come of it.
            _ => return Ok(None),
        };
        let workflow = self
            .workflow
            .as_ref()
            .and_then(|it| some(it.name.as_deref()));
        let name = some(run.name.as_deref()).or(workflow).unwrap_or("workflow");
        let branch = some(run.head_branch.as_deref());
        let branch = branch.map_or(String::new(), |branch| format!(" on {branch}"));
        Ok(Some(format!(
            "{}: {name} #{} {outcome}{branch} {}",
            self.place(),
            run.run_number,
            run.html_url
        )))
    }

    fn issue(&self) -> Result<Option<String>, IncomingError> {
        let issue = needed(self.issue.as_ref(), "issues", "issue")?;
        let is_told = self.is(&["opened", "closed", "reopened"]);
        let verb = self.action.as_deref().unwrap_or_default();
        Ok(is_told.then(|| self.item("issue", verb, issue)))
    }

    fn pull_request(&self) -> Result<Option<String>, IncomingError> {
        let request = needed(self.pull_request.as_ref(), "pull_request", "pull_request")?;
        let verb = match self.action.as_deref() {
            Some("closed") if request.merged == Some(true) => "merged",
            Some("closed") => "closed",
            Some("opened") => "opened",
            Some("reopened") => "reopened",
            Some("ready_for_review") => "asks for a review of",
            _ => return Ok(None),
        };
        Ok(Some(self.item("pull request", verb, request)))
    }

    fn item(&self, kind: &str, verb: &str, item: &Item) -> String {
        let title = cut(first_line(&item.title), TITLE);
        let (place, who) = (self.place(), self.who());
        format!(
            "{place}: {who} {verb} the {kind} #{} {title} {}",
            item.number, item.html_url
        )
    }

    fn release(&self) -> Result<Option<String>, IncomingError> {
        let release = needed(self.release.as_ref(), "release", "release")?;
        let name = some(release.name.as_deref()).filter(|name| *name != release.tag_name);
        let name = name.map_or(String::new(), |name| {
            format!(" {}", cut(first_line(name), TITLE))
        });
        let (place, who) = (self.place(), self.who());
        let text = format!(
            "{place}: {who} published the release {}{name} {}",
            release.tag_name, release.html_url
        );
        Ok(self.is(&["published"]).then_some(text))
    }

    fn is(&self, actions: &[&str]) -> bool {
        self.action
            .as_deref()
            .is_some_and(|action| actions.contains(&action))
    }
}
