//! A message as for an incoming webhook of Slack: `text`, `blocks` and `attachments`, see
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use serde::Deserialize;
use serde_json::Value;

use super::mrkdwn;
use super::payload::{IncomingError, parse};
use super::text::{readable, some};

#[derive(Deserialize)]
struct Payload {
    text: Option<String>,
    #[serde(default)]
    blocks: Option<Vec<Value>>,
    #[serde(default)]
    attachments: Option<Vec<Attachment>>,
}

#[derive(Deserialize)]
struct Attachment {
    fallback: Option<String>,
    pretext: Option<String>,
    title: Option<String>,
    title_link: Option<String>,
    text: Option<String>,
    #[serde(default)]
    fields: Option<Vec<Field>>,
    #[serde(default)]
    blocks: Option<Vec<Value>>,
    footer: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    title: Option<String>,
    value: Option<Value>,
}

/// What the message says. With blocks its `text` is for notifications alone, as in Slack.
pub(super) fn read(json: &str) -> Result<String, IncomingError> {
    let Payload {
        text,
        blocks,
        attachments,
    } = parse("Slack", json)?;
    let mut lines = Lines::default();
    lines.blocks(&blocks.unwrap_or_default());
    if lines.0.is_empty() {
        lines.mrkdwn(text.as_deref());
    }
    for attachment in attachments.unwrap_or_default() {
        lines.attachment(&attachment);
    }
    match lines.0.is_empty() {
        true => Err(IncomingError(
            "the message says nothing: it needs text, blocks or attachments with text".to_owned(),
        )),
        false => Ok(readable(&lines.0.join("\n"))),
    }
}

/// What is said, a line for each part.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn push(&mut self, text: &str) {
        if let Some(text) = some(Some(text)) {
            self.0.push(text.to_owned());
        }
    }

    fn mrkdwn(&mut self, text: Option<&str>) {
        self.push(&mrkdwn::plain(text.unwrap_or_default()));
    }

    fn attachment(&mut self, attachment: &Attachment) {
        let before = self.0.len();
        self.mrkdwn(attachment.pretext.as_deref());
        let title = mrkdwn::plain(attachment.title.as_deref().unwrap_or_default());
        match some(attachment.title_link.as_deref()) {
            Some(link) if title.is_empty() => self.push(link),
            Some(link) => self.push(&format!("{title} ({link})")),
            None => self.push(&title),
        }
        self.mrkdwn(attachment.text.as_deref());
        for Field { title, value } in attachment.fields.iter().flatten() {
            let value = match value {
                Some(Value::String(text)) => mrkdwn::plain(text),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            match some(title.as_deref()) {
                Some(title) => self.push(&format!("{}: {value}", mrkdwn::plain(title))),
                None => self.push(&value),
            }
        }
        self.blocks(attachment.blocks.as_deref().unwrap_or_default());
        if self.0.len() == before {
            self.mrkdwn(attachment.fallback.as_deref());
        }
        self.mrkdwn(attachment.footer.as_deref());
    }

    fn blocks(&mut self, blocks: &[Value]) {
        for block in blocks {
            match block["type"].as_str().unwrap_or_default() {
                "header" | "section" => {
                    self.object(&block["text"]);
                    for field in list(&block["fields"]) {
                        self.object(field);
                    }
                    self.button(&block["accessory"]);
                }
                "context" => {
                    let texts = list(&block["elements"]).iter().map(object);
                    let texts: Vec<String> = texts.filter(|it| !it.is_empty()).collect();
                    self.push(&texts.join(" "));
                }
                "markdown" => self.push(block["text"].as_str().unwrap_or_default()),
                "image" => {
                    self.object(&block["title"]);
                    self.push(block["alt_text"].as_str().unwrap_or_default());
                    self.push(block["image_url"].as_str().unwrap_or_default());
                }
                "actions" => {
                    for element in list(&block["elements"]) {
                        self.button(element);
                    }
                }
                "rich_text" => {
                    for element in list(&block["elements"]) {
                        self.rich(element);
                    }
                }
                // A line between two, and what has no text.
                _ => {}
            }
        }
    }

    fn object(&mut self, text: &Value) {
        self.push(&object(text));
    }

    /// Of a button where it leads, if it leads anywhere.
    fn button(&mut self, element: &Value) {
        if let Some(url) = element["url"].as_str() {
            self.push(&format!("{} ({url})", object(&element["text"])));
        }
    }

    /// A paragraph, a quote, or a list of such.
    fn rich(&mut self, element: &Value) {
        let parts = list(&element["elements"]);
        if element["type"] == "rich_text_list" {
            for item in parts {
                let text: String = list(&item["elements"]).iter().map(rich_text).collect();
                self.push(&format!("- {text}"));
            }
        } else {
            let text: String = parts.iter().map(rich_text).collect();
            self.push(&text);
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text object, of which only one kind has mrkdwn.
fn object(text: &Value) -> String {
    let said = text["text"].as_str().unwrap_or_default();
    match text["type"] == "plain_text" {
        true => said.to_owned(),
        false => mrkdwn::plain(said),
    }
}

fn rich_text(part: &Value) -> String {
    let text = |name: &str| part[name].as_str().unwrap_or_default();
    match text("type") {
        "text" => text("text").to_owned(),
        "link" if text("text").is_empty() => text("url").to_owned(),
        "link" => format!("{} ({})", text("text"), text("url")),
        "emoji" => format!(":{}:", text("name")),
        "user" => format!("@{}", text("user_id")),
        "usergroup" => format!("@{}", text("usergroup_id")),
        "channel" => format!("#{}", text("channel_id")),
        "broadcast" => format!("@{}", text("range")),
        _ => String::new(),
    }
}
