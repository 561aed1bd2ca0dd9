#!/usr/bin/env python3
"""Every link of the manual leads somewhere: in the repository, where it is read as Markdown, and on the site, where the
server has it at /guide. Addresses of other sites are only looked at for their form."""

import html.parser
import re
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import parlor
from manual import FENCE, PAGES, ROOT

SECONDS = 20
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors of a page, as GitHub makes them of its headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.M):
        words = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).lower()
        slug = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        found.add(slug if slug not in found else "%s-1" % slug)
    return found


class Page(html.parser.HTMLParser):
    """The links, the identifiers and the title of a page on the site."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.title, self.in_title = [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.in_title = tag == "title"
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_data(self, data):
        if self.in_title:
            self.title, self.in_title = data, False


class InTheRepository(unittest.TestCase):
    def test_every_link_and_anchor_is_there(self):
        pages = [*PAGES, "tests/bench/results.md", "tests/mutation/README.md", "tests/autobahn/README.md"]
        texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in pages}
        count = 0
        for page, text in texts.items():
            for link in LINK.findall(FENCE.sub("", text)):
                count += 1
                with self.subTest(page=page, link=link):
                    self.check(page, text, link)
        self.assertGreater(count, 100)

    def check(self, page, text, link):
        if re.match(r"https?://", link):
            self.assertTrue(urllib.parse.urlsplit(link).hostname)
            return
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        self.assertTrue(target.exists(), "there is no %s" % target)
        if anchor:
            self.assertIn(anchor, anchors(target.read_text(encoding="utf-8")))

    def test_the_map_of_the_tests_has_each_of_them(self):
        listed = subprocess.check_output(["git", "ls-files", "tests"], cwd=ROOT, text=True).split()
        names = {path.split("/")[1] for path in listed} - {"README.md"}
        map_of_tests = (ROOT / "tests/README.md").read_text(encoding="utf-8")
        self.assertEqual([name for name in sorted(names) if name not in map_of_tests], [])

    def test_the_readme_is_read_in_one_sitting(self):
        lines = (ROOT / "README.md").read_text(encoding="utf-8").count("\n")
        self.assertLessEqual(lines, 250)

    def test_the_figures_of_the_readme_are_those_of_the_guide(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        measured = (ROOT / "assets/guide/performance.md").read_text(encoding="utf-8")
        table = readme.split("## Figures")[1].split("## ")[0]
        cells = [cell.strip() for row in re.findall(r"^\|(.+)\|$", table, re.M)[2:] for cell in row.split("|")[1:]]
        self.assertGreater(len(cells), 10)
        for cell in cells:
            with self.subTest(figure=cell):
                self.assertIn("| %s |" % cell, measured)


class OnTheSite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(parlor.serving("--bind", "127.0.0.1"))
        cls.root = "http://127.0.0.1:%d/" % cls.server.port
        cls.pages = {}

    def page(self, address):
        if address not in self.pages:
            with urllib.request.urlopen(address, timeout=SECONDS) as response:
                self.pages[address] = Page(response.read().decode(errors="replace"))
        return self.pages[address]

    def test_every_link_and_anchor_is_there(self):
        due, seen = [self.root + "guide", self.root + "guide/"], set()
        while due:
            address = due.pop()
            if address in seen:
                continue
            seen.add(address)
            for link in self.page(address).links:
                target, _, anchor = urllib.parse.urljoin(address, link).partition("#")
                if not target.startswith(self.root):
                    continue
                with self.subTest(page=address, link=link):
                    self.assertTrue(target in seen or self.page(target))
                    if anchor:
                        self.assertIn(anchor, self.page(target).ids)
                if target.startswith(self.root + "guide") and not target.endswith(".css"):
                    due.append(target)
        names = {Path(page).stem for page in PAGES if page.startswith("assets/guide/")} - {"index"}
        self.assertEqual({address.rpartition("/guide/")[2] for address in seen} - {self.root + "guide", ""}, names)

    def test_each_page_has_a_title_and_identifiers_of_its_own(self):
        titles = [self.page(self.root + "guide/" + Path(page).stem).title
                  for page in PAGES if page.startswith("assets/guide/") and not page.endswith("index.md")]
        self.assertEqual(len(titles), len(set(titles)))
        for title in titles:
            self.assertRegex(title, " · parlor$")
        for page in self.pages.values():
            self.assertEqual(len(page.ids), len(set(page.ids)))

    def test_what_is_no_page_says_where_they_are(self):
        for path in ("guide/nothing", "guide/tokens.md", "guide/tokens/"):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(self.root + path, timeout=SECONDS)
            self.assertEqual(caught.exception.code, 404)
            self.assertIn("/guide lists all of them", caught.exception.read().decode())


if __name__ == "__main__":
    parlor.run_tests("links")
