//! What is known of a setting, and the macro that makes structs and rows from one table.

use super::Settings;
use super::redis::{without_login, without_path, without_query};

/// What stands before the default, where that is no value.
const DEFAULT: &str = " [default: ";

/// One setting: how it is named, and how it is read from and written as text.
#[derive(Debug)]
pub struct Setting {
    /// The name of its field: `max_queue`.
    pub(super) field: &'static str,
    /// What it is for, and what happens where a limit is reached; behind an empty line, more for the reference.
    pub(super) doc: &'static [&'static str],
    /// Where `--help`, the file and the reference list it.
    pub group: &'static str,
    /// What is expected of its values.
    pub unit: Unit,
    /// How its values are written in the file.
    pub kind: Kind,
    /// Whether it may be given several times.
    pub is_list: bool,
    /// When a reload applies a change of it.
    pub reload: Reload,
    /// What must not change with it for that.
    pub whether: Option<Whether>,
    pub(super) set: fn(&mut Settings, &Unit, &[String]) -> Result<(), String>,
    pub(super) get: fn(&Settings) -> Vec<String>,
    pub(super) copy: fn(&Settings, &mut Settings),
}

/// What is expected of the values of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// What stands for a value in `--help`, such as `BYTES`.
    pub name: &'static str,
    /// A value that would do, of what has no number.
    pub example: &'static str,
    /// The least number.
    pub least: u64,
    /// The largest number.
    pub most: u64,
}

impl Unit {
    pub(super) const fn new(name: &'static str, least: u64, most: u64) -> Self {
        Self {
            name,
            example: "",
            least,
            most,
        }
    }

    pub(super) const fn text(name: &'static str, example: &'static str) -> Self {
        Self {
            name,
            example,
            least: 0,
            most: 0,
        }
    }
}

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Whole,
    /// A number that may have a fraction.
    Number,
    /// `true` or `false`; on the command line a flag without a value.
    Switch,
    /// A string.
    Text,
}

/// When a reload applies a change of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At once.
    Now,
    /// For connections that come after it.
    NewConnections,
    /// Not before the server is started again, because of this.
    Restart(&'static str),
}

/// A question about all settings whose answer must be the same after a reload.
#[derive(Clone, Copy, Debug)]
pub struct Whether {
    /// The answer.
    pub is_so: fn(&Settings) -> bool,
    /// Why it cannot change.
    pub why: &'static str,
}

impl Setting {
    /// Its name as a flag, and as a key of the file: `max-queue`.
    pub fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// The variable of the environment: `PARLOR_MAX_QUEUE`.
    pub fn variable(&self) -> String {
        format!("PARLOR_{}", self.field.to_uppercase())
    }

    /// What it is for, as one line, without what it is by default.
    pub fn help(&self) -> String {
        let help = self.paragraph(0);
        match help.split_once(DEFAULT) {
            Some((help, _)) => help.to_owned(),
            None => help,
        }
    }

    /// More about it, for those who look it up; empty if that is all.
    pub fn more(&self) -> String {
        self.paragraph(1)
    }

    fn paragraph(&self, number: usize) -> String {
        let mut paragraphs = self.doc.split(|line| line.is_empty());
        let lines = paragraphs.nth(number).unwrap_or_default().concat();
        lines.trim().to_owned()
    }

    /// What it is where nobody sets it, in words or as a value; empty for a switch that is off.
    pub fn default(&self) -> String {
        match self.paragraph(0).split_once(DEFAULT) {
            Some((_, words)) => words.trim_end_matches(']').to_owned(),
            None if self.kind == Kind::Switch => String::new(),
            None => match self.get(&Settings::default()) {
                values if values.is_empty() => "none".to_owned(),
                values => values.join(", "),
            },
        }
    }

    /// Sets it to what is written here: one value, or of a list any number.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn set(&self, settings: &mut Settings, values: &[String]) -> Result<(), String> {
        (self.set)(settings, &self.unit, values)
    }

    /// Its values as people may see them: without passwords, and of a webhook without its path.
    pub fn shown(&self, settings: &Settings) -> Vec<String> {
        let values = self.get(settings);
        values.iter().map(|it| self.without_secret(it)).collect()
    }

    /// A value that was given for it, right or wrong, as people may see it.
    pub fn without_secret(&self, value: &str) -> String {
        match self.field {
            "jwks_url" => without_query(value),
            "webhook" => without_login(without_path(value)),
            _ => without_login(value),
        }
    }

    /// Its values as they would be written; none if it is not set.
    pub fn get(&self, settings: &Settings) -> Vec<String> {
        (self.get)(settings)
    }

    /// Sets it in `to` to what it is in `from`.
    pub(super) fn copy(&self, from: &Settings, to: &mut Settings) {
        (self.copy)(from, to);
    }
}

/// Makes the structs of settings, their defaults and the rows from one table.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $title:literal $group:ident: $Group:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $type:ty = $default:expr, $unit:expr, $reload:expr $(, whether $whether:expr)?;
            )+
            $(also $( $(#[doc = $more:literal])+ $also:ident: $also_type:ty );+)?
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Group {
                $( $(#[doc = $help])+ pub $field: $type, )+
                $( $( $(#[doc = $more])+ pub $also: $also_type, )+ )?
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self {
                        $( $field: $default, )+
                        $( $( $also: Default::default(), )+ )?
                    }
                }
            }
        )+

        /// All settings.
        #[derive(Clone, Debug, Default)]
        pub struct Settings {
            $( $(#[doc = $about])+ pub $group: $Group, )+
        }

        /// A row for each setting, in the order in which people read them.
        pub static ALL: &[Setting] = &[
            $( $( Setting {
                field: stringify!($field),
                doc: &[$($help),+],
                group: $title,
                unit: $unit,
                kind: <$type as value::Value>::KIND,
                is_list: <$type as value::Value>::IS_LIST,
                reload: $reload,
                whether: settings!(@optional $($whether)?),
                set: |settings, unit, texts| {
                    settings.$group.$field = value::Value::parse(texts, unit)?;
                    Ok(())
                },
                get: |settings| value::Value::show(&settings.$group.$field),
                copy: |from, to| to.$group.$field = from.$group.$field.clone(),
            }, )+ )+
        ];
    };
    (@optional) => { None };
    (@optional $given:expr) => { Some($given) };
}
pub(super) use settings;
