//! The variables `PARLOR_*` of the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::ConfigErrors;
use super::layer::{Given, Layer, Place};
use super::nearest::hint;
use crate::settings::{ALL, Setting};
use crate::shell::upgrade::TAKE_OVER;

const PREFIX: &str = "PARLOR_";
/// Names the file, as `--config` does.
const FILE: &str = "PARLOR_CONFIG";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) layer: Layer,
    /// The file that it names.
    pub(super) file: Option<PathBuf>,
    /// Another server is to be taken over.
    pub(super) takes_over: bool,
    pub(super) errors: ConfigErrors,
}

/// Reads the variables. One that is empty is as if it were not set, because that is how containers leave one out.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        if name == TAKE_OVER {
            environment.takes_over = true;
            continue;
        }
        if name == FILE {
            environment.file = Some(value.into());
            continue;
        }
        match parse(name, value) {
            Ok((key, given)) => {
                environment.layer.insert(key, given);
            }
            Err(error) => environment.errors.add(error),
        }
    }
    environment.errors.0.sort();
    environment
}

fn parse(name: &str, value: OsString) -> Result<(String, Given), String> {
    let Some(setting) = ALL.iter().find(|setting| setting.variable() == name) else {
        let known = ALL.iter().map(Setting::variable).chain([FILE.to_owned()]);
        return Err(format!(
            "{name}: there is no such setting{}",
            hint(name, known)
        ));
    };
    let value = value
        .into_string()
        .map_err(|_| format!("{name}: expected text in UTF-8"))?;
    let values = match setting.is_list {
        true => value.split(',').map(|it| it.trim().to_owned()).collect(),
        false => vec![value],
    };
    Ok((setting.name(), Given::new(values, Place::Variable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> Environment {
        read(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
    }

    #[test]
    fn a_list_is_parted_by_commas_and_what_is_empty_is_not_set() {
        let environment = read_pairs(&[
            ("PARLOR_ALLOW_HOST", "a.example, b.example"),
            ("PARLOR_RATE", ""),
            ("PARLORS", "x"),
            ("PARLOR_CONFIG", "there.toml"),
        ]);
        let given = environment.layer.get("allow-host").unwrap();
        assert_eq!(given.values, ["a.example", "b.example"]);
        assert_eq!(environment.layer.len(), 1);
        assert_eq!(environment.file, Some("there.toml".into()));
        assert!(environment.errors.0.is_empty());
    }

    #[test]
    fn what_is_no_setting_is_told_the_nearest_and_no_value() {
        let environment = read_pairs(&[("PARLOR_MAX_QEUE", "s3cret"), ("PARLOR_SECRET", "s3cret")]);
        assert_eq!(
            environment.errors.0,
            [
                "PARLOR_MAX_QEUE: there is no such setting; did you mean PARLOR_MAX_QUEUE?",
                "PARLOR_SECRET: there is no such setting"
            ]
        );
    }
}
