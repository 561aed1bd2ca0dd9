//! How the build script makes HTML of the guide's Markdown.

#[path = "../src/guide/render.rs"]
mod render;
#[path = "../src/guide/table.rs"]
mod table;

use render::{Contents, Location, Page, document};

const INDEX: &str = "# Guide\n\nRead [that](b.md) first.\n\n## One\n\n- [The *first*](a.md): why\n- [Second](b.md)\n\n## Two\n\n- [Third](c.md)\n";
const TEMPLATE: &str =
    "{{title}}|{{root}}|{{index}}|{{version}}|{{contents}}|{{neighbours}}|{{body}}";

fn html_at(name: &str, markdown: &str, location: Location) -> String {
    let page = Page::render(name, markdown, location).unwrap();
    let contents = Contents::of(INDEX).unwrap();
    document(TEMPLATE, &page, &contents, location, "1.2")
}

fn body(markdown: &str) -> String {
    let html = html_at("a", &format!("# T\n\n{markdown}"), Location::FOLDER);
    html.rsplit_once("</h1>\n").unwrap().1.trim().to_owned()
}

#[test]
fn links_of_the_repository_become_links_of_the_site() {
    let markdown = "# T\n\n[a](tokens.md) [b](tokens.md#claims) [c](#here) [d](https://example.org/x.md) [e](index.md)";
    let links = |location| {
        let html = html_at("a", markdown, location);
        let body = html.rsplit_once("</h1>").unwrap().1.to_owned();
        let links = body.split("href=\"").skip(1);
        let until_quote = |link: &str| link.split('"').next().unwrap().to_owned();
        links.map(until_quote).collect::<Vec<_>>()
    };
    let elsewhere = "https://example.org/x.md";
    assert_eq!(
        links(Location::FOLDER),
        ["tokens", "tokens#claims", "#here", elsewhere, "../guide"]
    );
    assert_eq!(
        links(Location::GUIDE),
        [
            "guide/tokens",
            "guide/tokens#claims",
            "#here",
            elsewhere,
            "guide"
        ]
    );
}

#[test]
fn what_the_site_cannot_show_ends_the_build() {
    for (markdown, why) in [
        (
            "# T\n\n[x](../../src/lib.rs)",
            "a.md links to ../../src/lib.rs",
        ),
        ("# T\n\n[x](other/page.md)", "a.md links to other/page.md"),
        ("# T\n\n![x](picture.svg)", "a.md shows picture.svg"),
        ("No title", "a.md has no title"),
    ] {
        let error = Page::render("a", markdown, Location::FOLDER).unwrap_err();
        assert!(error.starts_with(why), "{error}");
    }
}

#[test]
fn headings_have_the_anchors_that_github_makes() {
    let html = body("## Who *loses* `what`?\n\n## Twice\n\n### Twice\n");
    for id in ["who-loses-what", "twice", "twice-1"] {
        assert!(html.contains(&format!(" id=\"{id}\">")), "{html}");
        assert!(html.contains(&format!(" href=\"#{id}\"")), "{html}");
    }
    assert!(
        html.starts_with("<h2 id=\"who-loses-what\">Who <em>loses</em> <code>what</code>?"),
        "{html}"
    );
}

#[test]
fn tables_and_code_can_be_scrolled_and_have_no_inline_style() {
    let html =
        body("| a | *b* |\n|---|---:|\n| `1` | 2 |\n\n```sh not-run=\"why\"\nmake <all>\n```");
    assert!(html.contains("tabindex=\"0\" role=\"group\""), "{html}");
    assert!(
        html.contains("<td class=\"number\" data-column=\"b\">2</td>"),
        "{html}"
    );
    assert!(
        html.contains("<pre tabindex=\"0\"><code class=\"language-sh\">make &lt;all&gt;"),
        "{html}"
    );
    assert!(!html.contains("style="), "{html}");
}

#[test]
fn markup_in_a_page_is_left_out() {
    assert_eq!(body("<!-- figures: begin -->\n\na <b>c</b>"), "<p>a c</p>");
}

#[test]
fn the_table_of_contents_is_what_the_index_lists() {
    let contents = Contents::of(INDEX).unwrap();
    let html = html_at(
        "b",
        "# B & C\n\n## First part\n\n## Second part",
        Location::FOLDER,
    );
    assert!(
        html.starts_with("B &amp; C|../|../guide|1.2|<p class=\"group\">One</p>"),
        "{html}"
    );
    for part in [
        "<a href=\"a\">The first</a>",
        "<a href=\"b\" aria-current=\"page\">Second</a>",
        "<li><a href=\"#second-part\">Second part</a></li>",
        "<p class=\"group\">Two</p>",
        "<a class=\"before\" href=\"a\"><span>Previous</span> The first</a>",
        "<a class=\"behind\" href=\"c\"><span>Next</span> Third</a>",
    ] {
        assert!(html.contains(part), "no {part} in {html}");
    }
    assert_eq!(contents.check(["index", "c", "a", "b"].into_iter()), Ok(()));
    for names in [&["index", "a", "b"][..], &["index", "a", "b", "c", "d"]] {
        assert!(contents.check(names.iter().copied()).is_err(), "{names:?}");
    }
    assert!(Contents::of("# Guide\n\n## Empty\n").is_err());
}

#[test]
fn the_index_leads_to_the_first_page() {
    let html = html_at("index", INDEX, Location::GUIDE);
    assert!(
        html.contains("<a class=\"behind\" href=\"guide/a\">"),
        "{html}"
    );
    assert!(!html.contains("aria-current"), "{html}");
}

#[test]
fn short_code_is_not_broken_across_lines() {
    let html = body("`--line-port` and `{\"room\",\"epoch\",\"offset\"} & more`");
    assert!(
        html.contains("<code class=\"whole\">--line-port</code>"),
        "{html}"
    );
    assert!(html.contains("<code>{\"room\","), "{html}");
}
