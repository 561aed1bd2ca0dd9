//! The file that `--config` names, in TOML.

mod escalations;
mod webhooks;

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigErrors;
use super::layer::{Given, Layer, Place};
use super::nearest::hint;
use crate::limits::MAX_ROOM_RULES;
use crate::settings::{self, ALL, Escalation, Kind, Limits, RoomRule, Setting, Settings, Webhook};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) layer: Layer,
    /// Room patterns, each with its line.
    pub(super) rooms: Vec<(RoomRule, usize)>,
    /// Webhooks, each with its line.
    pub(super) webhooks: Vec<(Webhook, usize)>,
    /// Escalations, each with its line.
    pub(super) escalations: Vec<(Escalation, usize)>,
    pub(super) errors: ConfigErrors,
}

/// The key of the tables of room patterns, of those of webhooks, and of those of escalations.
const ROOMS: &str = "rooms";
const WEBHOOKS: &str = "webhooks";
const ESCALATIONS: &str = "escalations";

/// Has a rule take a value from limits in which it was set.
type Take = fn(&mut RoomRule, &Limits);

/// What such a table can set, beside its pattern and what happens to slow readers.
const ROOM_KEYS: [(&str, Take); 7] = [
    ("history", |rule, of| rule.history = Some(of.history)),
    ("history-bytes", |rule, of| {
        rule.history_bytes = Some(of.history_bytes);
    }),
    ("history-time", |rule, of| {
        rule.history_time = Some(of.history_time);
    }),
    ("max-keys", |rule, of| rule.max_keys = Some(of.max_keys)),
    ("retain", |rule, of| rule.retain = Some(of.retain)),
    ("retain-bytes", |rule, of| {
        rule.retain_bytes = Some(of.retain_bytes);
    }),
    ("retain-time", |rule, of| {
        rule.retain_time = Some(of.retain_time);
    }),
];
const PATTERN: &str = "pattern";
const OVERFLOW: &str = "overflow";

/// Reads a file, with all its errors.
pub(super) fn read(path: &Path, text: &str) -> File {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path,
        text,
        found: Vec::new(),
    };
    let mut file = File::default();
    for error in errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        reader.complain(at, error.message());
    }
    // What is left of a file that is no TOML would only be misunderstood.
    if reader.found.is_empty() {
        for (key, value) in document.get_ref() {
            match &**key.get_ref() {
                ROOMS => file.rooms = reader.rooms(value),
                WEBHOOKS => file.webhooks = reader.webhooks(value),
                ESCALATIONS => file.escalations = reader.escalations(value),
                name => reader.setting(name, key.span().start, value, &mut file.layer),
            }
        }
    }
    reader.found.sort();
    file.errors = ConfigErrors(reader.found.into_iter().map(|(_, error)| error).collect());
    file
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Errors, each with its line.
    found: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn complain(&mut self, at: usize, error: &str) {
        let line = self.line(at);
        let error = format!("{}:{line}: {error}", self.path.display());
        self.found.push((line, error));
    }

    fn setting(&mut self, name: &str, at: usize, value: &Spanned<DeValue<'_>>, layer: &mut Layer) {
        let Some(setting) = settings::find(name) else {
            let error = if value.get_ref().is_table() {
                format!(
                    "there is no table {name}: settings stand by themselves, as in `port = 8080`"
                )
            } else {
                let known = ALL
                    .iter()
                    .map(Setting::name)
                    .chain([ROOMS, WEBHOOKS, ESCALATIONS].map(str::to_owned));
                format!("there is no setting {name}{}", hint(name, known))
            };
            return self.complain(at, &error);
        };
        match self.checked(setting, value) {
            Ok((values, _)) => {
                let place = Place::Line(self.line(at));
                layer.insert(setting.name(), Given::new(values, place));
            }
            Err((at, error)) => self.complain(at, &format!("{name}: {error}")),
        }
    }

    /// The values of a setting as text, and what they make of the defaults; or what is wrong with them, and where.
    fn checked(
        &self,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(Vec<String>, Settings), (usize, String)> {
        let items = match value.get_ref() {
            DeValue::Array(items) if setting.is_list => items.iter().collect(),
            _ => vec![value],
        };
        let mut settings = Settings::default();
        let mut values = Vec::new();
        for item in items {
            let at = item.span().start;
            let text = text_of(setting.kind, item.get_ref()).map_err(|error| (at, error))?;
            let set = setting.set(&mut settings, std::slice::from_ref(&text));
            set.map_err(|error| {
                (
                    at,
                    format!("{error}, not {:?}", setting.without_secret(&text)),
                )
            })?;
            values.push(text);
        }
        Ok((values, settings))
    }

    fn rooms(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(RoomRule, usize)> {
        let expected = "expected tables, each under a line [[rooms]]";
        let Some(tables) = value.get_ref().as_array() else {
            self.complain(value.span().start, &format!("rooms: {expected}"));
            return Vec::new();
        };
        if tables.len() > MAX_ROOM_RULES {
            let error = format!(
                "rooms: more than {MAX_ROOM_RULES} patterns, each of which is tried on each room"
            );
            self.complain(value.span().start, &error);
        }
        let mut rules = Vec::new();
        for table in tables {
            match table.get_ref().as_table() {
                Some(of_room) => rules.extend(self.room(table.span().start, of_room)),
                None => self.complain(table.span().start, &format!("rooms: {expected}")),
            }
        }
        rules
    }

    fn room(&mut self, at: usize, table: &DeTable<'_>) -> Option<(RoomRule, usize)> {
        let pattern = table.get(PATTERN).and_then(|it| it.get_ref().as_str());
        let Some(pattern) = pattern.filter(|it| !it.is_empty()) else {
            let error = r#"rooms: expected a pattern, as in `pattern = "plant-*"`"#;
            self.complain(at, error);
            return None;
        };
        let mut rule = RoomRule::new(pattern);
        for (key, value) in table {
            let name = &**key.get_ref();
            let set = match name {
                PATTERN => Ok(()),
                OVERFLOW => set_overflow(value, &mut rule),
                _ => self.room_limit(name, key.span().start, value, &mut rule),
            };
            if let Err((at, error)) = set {
                self.complain(at, &format!("rooms: {name}: {error}"));
            }
        }
        Some((rule, self.line(at)))
    }

    fn room_limit(
        &self,
        name: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        rule: &mut RoomRule,
    ) -> Result<(), (usize, String)> {
        let of_room = ROOM_KEYS.iter().find(|(key, _)| *key == name);
        let Some((take, setting)) = of_room.map(|(_, take)| take).zip(settings::find(name)) else {
            let error = if settings::find(name).is_some() {
                "this is for all rooms, and stands above the first [[rooms]]".to_owned()
            } else {
                let keys = ROOM_KEYS.iter().map(|(key, _)| *key);
                let known = keys.chain([PATTERN, OVERFLOW]).map(str::to_owned);
                format!("there is no such setting of a room{}", hint(name, known))
            };
            return Err((at, error));
        };
        let (_, settings) = self.checked(setting, value)?;
        take(rule, &settings.limits);
        Ok(())
    }
}

fn set_overflow(value: &Spanned<DeValue<'_>>, rule: &mut RoomRule) -> Result<(), (usize, String)> {
    let text = text_of(Kind::Text, value.get_ref());
    let overflow = text.and_then(|it| it.parse());
    rule.overflow = Some(overflow.map_err(|error| (value.span().start, error))?);
    Ok(())
}

/// A value as it would be typed, if it is of the right type.
fn text_of(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    let text = match (kind, value) {
        (Kind::Whole | Kind::Number, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number.to_string())
        }
        (Kind::Number, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Switch, DeValue::Boolean(is_on)) => Some(is_on.to_string()),
        (Kind::Text, DeValue::String(text)) => Some(text.clone().into_owned()),
        _ => None,
    };
    text.ok_or_else(|| {
        let expected = match kind {
            Kind::Whole => "a whole number",
            Kind::Number => "a number of seconds",
            Kind::Switch => "true or false",
            Kind::Text => "a string in quotes",
        };
        format!("expected {expected}, not this {}", value.type_str())
    })
}
