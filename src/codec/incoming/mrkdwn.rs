//! The text of Slack, in which `<` and `>` enclose links and names: <https://docs.slack.dev/messaging/formatting-message-text>.

/// The same as people read it: links with their address, names with their sign.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&unescaped(&rest[..start]));
        let inside = &rest[start + 1..];
        let end = inside
            .find(['>', '\n', '<'])
            .filter(|end| inside[*end..].starts_with('>'));
        let Some(end) = end.filter(|_| !inside.starts_with(' ')) else {
            out.push('<');
            rest = inside;
            continue;
        };
        out.push_str(&named(&inside[..end]));
        rest = &inside[end + 1..];
    }
    out.push_str(&unescaped(rest));
    out
}

/// What stands for what is between `<` and `>`.
fn named(inside: &str) -> String {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(unescaped(label))),
        None => (inside, None),
    };
    let target = unescaped(target);
    let sign = target.chars().next();
    let name = target.get(1..).unwrap_or_default();
    match (sign, label) {
        (Some('@'), label) => format!(
            "@{}",
            label.as_deref().unwrap_or(name).trim_start_matches('@')
        ),
        (Some('#'), label) => format!(
            "#{}",
            label.as_deref().unwrap_or(name).trim_start_matches('#')
        ),
        // `<!here>`, and `<!date^…|in words>`.
        (Some('!'), Some(label)) => label,
        (Some('!'), None) => format!("@{name}"),
        (_, Some(label)) if label != target => format!("{label} ({target})"),
        _ => target,
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enclosed_is_readable() {
        for (text, expected) in [
            ("plain & simple", "plain & simple"),
            ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
            (
                "see <https://a.example/x?y=1&amp;z=2|the graph>!",
                "see the graph (https://a.example/x?y=1&z=2)!",
            ),
            ("<https://a.example>", "https://a.example"),
            ("<https://a.example|https://a.example>", "https://a.example"),
            ("<@U12> <@U12|ana> <#C1|ops> <#C1>", "@U12 @ana #ops #C1"),
            (
                "<!here> <!subteam^S1|@oncall> <!date^1392734382^{date}|18 February>",
                "@here @oncall 18 February",
            ),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("<", "<"),
            ("<>", ""),
            ("<|>", ""),
            ("< two\nlines>", "< two\nlines>"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
