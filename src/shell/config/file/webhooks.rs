//! The tables of webhooks: `[[webhooks]]`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use crate::settings::{self, Setting, Settings, Webhook};
use crate::shell::config::nearest::hint;

const URL: &str = "url";

/// Has a webhook take a value from settings in which it was set.
type Take = fn(&mut Webhook, &Settings);

/// What such a table can set beside its address: the setting of one webhook that is the same.
const KEYS: [(&str, &str, Take); 3] = [
    ("secret-file", "webhook-secret-file", |webhook, of| {
        webhook
            .secret_files
            .clone_from(&of.hooks.webhook_secret_file);
    }),
    ("rooms", "webhook-rooms", |webhook, of| {
        webhook.rooms.clone_from(&of.hooks.webhook_rooms);
    }),
    ("events", "webhook-events", |webhook, of| {
        webhook.events.clone_from(&of.hooks.webhook_events);
    }),
];

impl Reader<'_> {
    pub(super) fn webhooks(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(Webhook, usize)> {
        let expected = "webhooks: expected tables, each under a line [[webhooks]]";
        let Some(tables) = value.get_ref().as_array() else {
            self.complain(value.span().start, expected);
            return Vec::new();
        };
        let mut webhooks = Vec::new();
        for table in tables {
            let at = table.span().start;
            match table.get_ref().as_table() {
                Some(of_webhook) => webhooks.extend(self.webhook(at, of_webhook)),
                None => self.complain(at, expected),
            }
        }
        webhooks
    }

    fn webhook(&mut self, at: usize, table: &DeTable<'_>) -> Option<(Webhook, usize)> {
        let url = table.get(URL).zip(settings::find("webhook"));
        let Some((url, setting_of_url)) = url else {
            let error = r#"webhooks: expected a url, as in `url = "https://app.example/hook"`"#;
            self.complain(at, error);
            return None;
        };
        let url = match self.checked(setting_of_url, url) {
            Ok((_, settings)) => settings.hooks.webhook?,
            Err((at, error)) => {
                self.complain(at, &format!("webhooks: url: {error}"));
                return None;
            }
        };
        let mut webhook = Webhook {
            url,
            secret_files: Vec::new(),
            rooms: Vec::new(),
            events: Vec::new(),
        };
        for (key, value) in table {
            let name = &**key.get_ref();
            let known = KEYS.iter().find(|(key, ..)| *key == name);
            let set = match known.and_then(|(_, of, take)| Some((settings::find(of)?, take))) {
                Some((setting, take)) => self.taken(setting, value, &mut webhook, *take),
                None if name == URL => Ok(()),
                None => {
                    let known = KEYS.iter().map(|(key, ..)| *key).chain([URL]);
                    let hint = hint(name, known.map(str::to_owned));
                    let error = format!("there is no such setting of a webhook{hint}");
                    Err((key.span().start, error))
                }
            };
            if let Err((at, error)) = set {
                self.complain(at, &format!("webhooks: {name}: {error}"));
            }
        }
        if webhook.secret_files.is_empty() {
            self.complain(
                at,
                "webhooks: a secret-file is needed, which requests are signed with",
            );
        }
        Some((webhook, self.line(at)))
    }

    fn taken(
        &self,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
        webhook: &mut Webhook,
        take: Take,
    ) -> Result<(), (usize, String)> {
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut settings = Settings::default();
        let mut texts = Vec::new();
        for item in items {
            let (text, _) = self.checked(setting, item)?;
            texts.extend(text);
        }
        let at = value.span().start;
        setting
            .set(&mut settings, &texts)
            .map_err(|error| (at, error))?;
        take(webhook, &settings);
        Ok(())
    }
}
