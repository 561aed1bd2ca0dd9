//! Markdown to HTML: one page of the guide, and the document around it.
//!
//! Links are written for the repository (`tokens.md#claims`) and rewritten for the site (`tokens#claims`). All addresses
//! are relative, so that the guide also works behind a proxy that serves parlor under a path.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::table::Table;

/// Characters of code within a line that stay together.
const UNBROKEN: usize = 24;

/// Where a document is served, which decides how its relative links begin.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    /// From here to the root of the site.
    root: &'static str,
    /// From here to the folder of the pages.
    pages: &'static str,
}

impl Location {
    /// The index, without a slash behind it.
    pub(crate) const GUIDE: Self = Self {
        root: "",
        pages: "guide/",
    };
    /// All pages, and the index with a slash behind it.
    pub(crate) const FOLDER: Self = Self {
        root: "../",
        pages: "",
    };

    fn link_to(self, page: &str) -> String {
        match page {
            "index" => format!("{}guide", self.root),
            page => format!("{}{page}", self.pages),
        }
    }
}

/// The table of contents: the lists of `index.md`, each under its heading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents(Vec<Group>);

#[derive(Debug, PartialEq, Eq)]
struct Group {
    title: String,
    /// Name and title of each page.
    pages: Vec<(String, String)>,
}

impl Contents {
    /// What `index.md` lists: each link to a page, in its order, in the section where it stands.
    pub(crate) fn of(index: &str) -> Result<Self, String> {
        let mut groups: Vec<Group> = Vec::new();
        let mut text = String::new();
        let mut target = None;
        for event in parse(index) {
            match event {
                Event::Start(Tag::Heading { .. }) => text.clear(),
                Event::End(TagEnd::Heading(HeadingLevel::H2)) => groups.push(Group {
                    title: text.clone(),
                    pages: Vec::new(),
                }),
                Event::Start(Tag::Link { dest_url, .. }) => {
                    target = dest_url.strip_suffix(".md").map(str::to_owned);
                    text.clear();
                }
                Event::End(TagEnd::Link) => {
                    if let (Some(group), Some(page)) = (groups.last_mut(), target.take()) {
                        group.pages.push((page, text.clone()));
                    }
                }
                Event::Text(words) | Event::Code(words) => text.push_str(&words),
                _ => {}
            }
        }
        if groups.iter().any(|group| group.pages.is_empty()) {
            return Err("index.md has a section without pages".to_owned());
        }
        Ok(Self(groups))
    }

    /// Whether exactly these pages are listed, each once, the index aside.
    pub(crate) fn check<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut present: Vec<&str> = names.filter(|name| *name != "index").collect();
        let mut listed: Vec<&str> = self.pages().map(|(name, _)| name.as_str()).collect();
        present.sort_unstable();
        listed.sort_unstable();
        if present == listed {
            return Ok(());
        }
        Err(format!(
            "index.md lists other pages than there are, or one twice:\nlisted {listed:?}\nthere  {present:?}"
        ))
    }

    fn pages(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().flat_map(|group| &group.pages)
    }
}

/// A page, rendered.
#[derive(Debug)]
pub(crate) struct Page {
    name: String,
    title: String,
    body: String,
    /// Identifier and title of each section of the second level.
    sections: Vec<(String, String)>,
}

impl Page {
    /// Renders Markdown. Fails on what the site cannot show: a picture, a link to a file that is not a page.
    pub(crate) fn render(name: &str, markdown: &str, location: Location) -> Result<Self, String> {
        let mut renderer = Renderer::default();
        for event in parse(markdown) {
            let trouble = |what| format!("{name}.md {what}");
            renderer.take(event, location).map_err(trouble)?;
        }
        let mut body = String::new();
        html::push_html(&mut body, renderer.events.into_iter());
        Ok(Self {
            name: name.to_owned(),
            title: renderer
                .title
                .ok_or_else(|| format!("{name}.md has no title"))?,
            body: body.replace("<pre>", "<pre tabindex=\"0\">"),
            sections: renderer.sections,
        })
    }
}

/// What the parser says, with the site's own markup in its place.
#[derive(Default)]
struct Renderer<'a> {
    events: Vec<Event<'a>>,
    title: Option<String>,
    sections: Vec<(String, String)>,
    slugs: Vec<String>,
    /// Where in `events` the heading or the cell begins that is being rendered.
    heading: Option<usize>,
    cell: usize,
    table: Option<Table>,
}

impl<'a> Renderer<'a> {
    /// Takes the next event. Fails with what the page does that it must not.
    fn take(&mut self, event: Event<'a>, location: Location) -> Result<(), String> {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.heading = Some(self.events.len());
                self.events.push(event);
            }
            Event::End(TagEnd::Heading(level)) => self.end_heading(level),
            Event::Start(Tag::Link { ref dest_url, .. }) => {
                let link = on_the_site(dest_url, location)
                    .ok_or_else(|| format!("links to {dest_url}, which is no page of the guide"))?;
                self.push(format!("<a href=\"{}\">", escape(&link)));
            }
            Event::End(TagEnd::Link) => self.push("</a>"),
            Event::Start(Tag::Image { dest_url, .. }) => {
                return Err(format!("shows {dest_url}: the guide has no pictures"));
            }
            Event::Start(Tag::Table(alignments)) => {
                let table = Table::new(alignments);
                self.push(table.begin());
                self.table = Some(table);
            }
            Event::End(TagEnd::Table) => {
                self.table = None;
                self.push(Table::END);
            }
            // A flag is not broken at its hyphen.
            Event::Code(words) if self.heading.is_none() && words.chars().count() <= UNBROKEN => {
                self.push(format!("<code class=\"whole\">{}</code>", escape(&words)));
            }
            // Comments are for programs that write into the page.
            Event::Html(_) | Event::InlineHtml(_) => {}
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            event => self.take_other(event),
        }
        Ok(())
    }

    /// What begins or ends a part of a table, or stays as it is.
    fn take_other(&mut self, event: Event<'a>) {
        let begins_cell = matches!(event, Event::Start(Tag::TableCell));
        let cell = &self.events[self.cell..];
        let part = self
            .table
            .as_mut()
            .and_then(|table| part_of_table(&event, table, cell));
        match part {
            Some(html) => self.push(html),
            None => self.events.push(event),
        }
        if begins_cell {
            self.cell = self.events.len();
        }
    }

    /// Gives the heading its identifier, and a link to itself.
    fn end_heading(&mut self, level: HeadingLevel) {
        let Some(begin) = self.heading.take() else {
            return;
        };
        let text = plain_text(&self.events[begin..]);
        let id = unique(slug(&text), &mut self.slugs);
        self.events[begin] = markup(format!("<{level} id=\"{id}\">"));
        if level == HeadingLevel::H1 {
            self.title.get_or_insert(text);
        } else {
            self.push(format!(
                " <a class=\"anchor\" href=\"#{id}\" aria-label=\"Link to this section\">#</a>"
            ));
            if level == HeadingLevel::H2 {
                self.sections.push((id, text));
            }
        }
        self.push(format!("</{level}>\n"));
    }

    fn push(&mut self, html: impl Into<CowStr<'static>>) {
        self.events.push(markup(html));
    }
}

/// The document of a page: the template with everything in its place.
pub(crate) fn document(
    template: &str,
    page: &Page,
    contents: &Contents,
    location: Location,
    version: &str,
) -> String {
    template
        .replace("{{root}}", location.root)
        .replace("{{pages}}", location.pages)
        .replace("{{index}}", &location.link_to("index"))
        .replace("{{version}}", version)
        .replace("{{title}}", &escape(&page.title))
        .replace("{{contents}}", &navigation(page, contents, location))
        .replace("{{neighbours}}", &neighbours(page, contents, location))
        .replace("{{body}}", &page.body)
}

/// All pages by group, with the sections of the one that is shown.
fn navigation(page: &Page, contents: &Contents, location: Location) -> String {
    let mut html = String::new();
    for group in &contents.0 {
        html += &format!("<p class=\"group\">{}</p>\n<ul>\n", escape(&group.title));
        for (name, title) in &group.pages {
            let is_current = *name == page.name;
            let mark = if is_current {
                " aria-current=\"page\""
            } else {
                ""
            };
            let link = location.link_to(name);
            html += &format!("<li><a href=\"{link}\"{mark}>{}</a>", escape(title));
            if is_current && page.sections.len() > 1 {
                html += "\n<ul class=\"sections\">\n";
                for (id, title) in &page.sections {
                    html += &format!("<li><a href=\"#{id}\">{}</a></li>\n", escape(title));
                }
                html += "</ul>\n";
            }
            html += "</li>\n";
        }
        html += "</ul>\n";
    }
    html
}

/// Links to the pages before and behind this one.
fn neighbours(page: &Page, contents: &Contents, location: Location) -> String {
    let pages: Vec<_> = contents.pages().collect();
    let position = pages.iter().position(|(name, _)| *name == page.name);
    let before = position.and_then(|at| pages.get(at.checked_sub(1)?));
    let behind = match position {
        None => pages.first(),
        Some(at) => pages.get(at + 1),
    };
    let link = |neighbour: Option<&&(String, String)>, class: &str, word: &str| {
        neighbour.map_or_else(String::new, |(name, title)| {
            let (link, title) = (location.link_to(name), escape(title));
            format!("<a class=\"{class}\" href=\"{link}\"><span>{word}</span> {title}</a>\n")
        })
    };
    link(before, "before", "Previous") + &link(behind, "behind", "Next")
}

fn parse(markdown: &str) -> Parser<'_> {
    Parser::new_ext(markdown, Options::ENABLE_TABLES)
}

/// A link of the repository as a link of the site, if it leads to a page, within one, or to another site.
fn on_the_site(link: &str, location: Location) -> Option<String> {
    if link.starts_with('#') || link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, format!("#{anchor}")),
        None => (link, String::new()),
    };
    let page = file
        .strip_suffix(".md")
        .filter(|page| !page.contains('/'))?;
    Some(location.link_to(page) + &anchor)
}

/// The identifier of a heading, as GitHub makes it, so that an anchor is the same in the repository and on the site.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let dashed = |c: char| if c == ' ' { '-' } else { c };
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(dashed)
        .collect()
}

/// The same with a number behind it when it has been used.
fn unique(slug: String, used: &mut Vec<String>) -> String {
    let times = used.iter().filter(|it| **it == slug).count();
    used.push(slug.clone());
    if times == 0 {
        slug
    } else {
        format!("{slug}-{times}")
    }
}

/// The markup of a part of a table, if this begins or ends one. `cell` is what is in the cell so far.
fn part_of_table(event: &Event<'_>, table: &mut Table, cell: &[Event<'_>]) -> Option<String> {
    Some(match event {
        Event::Start(Tag::TableHead) => table.begin_head().to_owned(),
        Event::End(TagEnd::TableHead) => table.end_head().to_owned(),
        Event::Start(Tag::TableRow) => table.begin_row().to_owned(),
        Event::End(TagEnd::TableRow) => Table::END_OF_ROW.to_owned(),
        Event::Start(Tag::TableCell) => table.begin_cell(),
        Event::End(TagEnd::TableCell) => table.end_cell(escape(&plain_text(cell))).to_owned(),
        _ => return None,
    })
}

fn plain_text(events: &[Event<'_>]) -> String {
    let words = events.iter().filter_map(|event| match event {
        Event::Text(words) | Event::Code(words) => Some(words.as_ref()),
        _ => None,
    });
    words.collect()
}

fn markup(html: impl Into<CowStr<'static>>) -> Event<'static> {
    Event::Html(html.into())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
