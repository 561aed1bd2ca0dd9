//! What becomes of the settings when the server reads them again.

use super::{ALL, Reload, Setting, Settings};

/// A setting that a reload changes.
#[derive(Debug)]
pub struct Changed {
    /// Which.
    pub setting: &'static Setting,
    /// Its values before, as people may see them.
    pub before: Vec<String>,
    /// Its values now.
    pub after: Vec<String>,
}

/// A setting that stays as it was, although another value is wanted.
#[derive(Debug)]
pub struct Kept {
    /// Which.
    pub setting: &'static Setting,
    /// Why only a restart changes it.
    pub why: &'static str,
}

impl Settings {
    /// What holds after a reload that asks for `wanted`: what only a restart can change is taken from here. Says what is
    /// different then, and what is not and should be. Room patterns always follow.
    pub fn reload(&self, mut wanted: Self) -> (Self, Vec<Changed>, Vec<Kept>) {
        let differing = ALL.iter().filter(|it| it.get(self) != it.get(&wanted));
        let differing = differing.map(|it| (it, needs_restart(it, self, &wanted)));
        let differing: Vec<_> = differing.collect();
        let (mut changed, mut kept) = (Vec::new(), Vec::new());
        for (setting, why) in differing {
            let (before, after) = (setting.shown(self), setting.shown(&wanted));
            match why {
                None => changed.push(Changed {
                    setting,
                    before,
                    after,
                }),
                Some(why) => {
                    setting.copy(self, &mut wanted);
                    kept.push(Kept { setting, why });
                }
            }
        }
        (wanted, changed, kept)
    }
}

fn needs_restart(setting: &Setting, old: &Settings, wanted: &Settings) -> Option<&'static str> {
    let differs = setting
        .whether
        .filter(|it| (it.is_so)(old) != (it.is_so)(wanted));
    match setting.reload {
        Reload::Restart(why) => Some(why),
        Reload::Now | Reload::NewConnections => differs.map(|it| it.why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in values {
            let setting = super::super::find(name).unwrap();
            setting.set(&mut settings, &[(*value).to_owned()]).unwrap();
        }
        settings
    }

    fn names<'a>(settings: impl Iterator<Item = &'a Setting>) -> Vec<String> {
        settings.map(Setting::name).collect()
    }

    #[test]
    fn what_only_a_restart_changes_stays() {
        let old = settings(&[("port", "1"), ("rate", "2")]);
        let wanted = settings(&[("port", "3"), ("rate", "4"), ("udp-port", "5")]);
        let (now, changed, kept) = old.reload(wanted);
        assert_eq!((now.listen.port, now.limits.rate), (1, 4));
        assert_eq!(now.listen.udp_port, None);
        assert_eq!(names(changed.iter().map(|it| it.setting)), ["rate"]);
        assert_eq!(
            (&changed[0].before[..], &changed[0].after[..]),
            (&["2".to_owned()][..], &["4".to_owned()][..])
        );
        assert_eq!(
            names(kept.iter().map(|it| it.setting)),
            ["port", "udp-port"]
        );
        assert!(kept[0].why.contains("bound"), "{kept:?}");
    }

    #[test]
    fn keys_may_change_but_not_whether_there_are_any() {
        let open = Settings::default();
        let guarded = settings(&[("secret-file", "one"), ("audience", "us")]);
        for (old, wanted) in [(&open, &guarded), (&guarded, &open)] {
            let (now, changed, kept) = old.reload(wanted.clone());
            assert_eq!(now.access.secret_file, old.access.secret_file);
            assert_eq!(now.access.audience, old.access.audience);
            assert!(changed.is_empty());
            assert_eq!(
                names(kept.iter().map(|it| it.setting)),
                ["secret-file", "audience"]
            );
        }
        let other = settings(&[("jwks-file", "two"), ("audience", "us")]);
        let (now, changed, kept) = guarded.reload(other);
        assert_eq!(now.access.secret_file, None);
        assert_eq!(
            names(changed.iter().map(|it| it.setting)),
            ["secret-file", "jwks-file"]
        );
        assert!(kept.is_empty());
    }

    #[test]
    fn a_webhook_that_changes_is_shown_without_its_path() {
        let old = settings(&[("webhook", "https://a.example/secret")]);
        let (_, changed, _) = old.reload(settings(&[("webhook", "https://b.example/?secret")]));
        assert_eq!(changed[0].before, ["https://a.example"]);
        assert_eq!(changed[0].after, ["https://b.example"]);
    }

    #[test]
    fn nothing_new_changes_nothing() {
        let (_, changed, kept) = Settings::default().reload(Settings::default());
        assert!(changed.is_empty() && kept.is_empty());
    }
}
