//! Tables. The parser's own renderer aligns columns by inline styles, which the content security policy forbids.

use pulldown_cmark::Alignment;

/// A table that is being rendered.
pub(crate) struct Table {
    alignments: Vec<Alignment>,
    /// As they stand in an attribute.
    headers: Vec<String>,
    column: usize,
    is_in_head: bool,
}

impl Table {
    pub(crate) fn new(alignments: Vec<Alignment>) -> Self {
        Self {
            alignments,
            headers: Vec::new(),
            column: 0,
            is_in_head: false,
        }
    }

    /// What is wider than a phone is scrolled by itself, by keyboard too. Words are put below each other there: not numbers.
    pub(crate) fn begin(&self) -> String {
        let has_numbers = self.alignments.contains(&Alignment::Right);
        let kind = if has_numbers { "numbers" } else { "words" };
        format!(
            "<div class=\"table {kind}\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>"
        )
    }

    pub(crate) const END: &str = "</tbody></table></div>\n";
    pub(crate) const END_OF_ROW: &str = "</tr>\n";

    pub(crate) fn begin_head(&mut self) -> &'static str {
        self.is_in_head = true;
        "<thead><tr>"
    }

    pub(crate) fn end_head(&mut self) -> &'static str {
        self.is_in_head = false;
        self.column = 0;
        "</tr></thead><tbody>\n"
    }

    pub(crate) fn begin_row(&mut self) -> &'static str {
        self.column = 0;
        "<tr>"
    }

    /// A cell says what its column is, for where the head is not shown.
    pub(crate) fn begin_cell(&self) -> String {
        let tag = if self.is_in_head {
            "th scope=\"col\""
        } else {
            "td"
        };
        let is_number = self.alignments.get(self.column) == Some(&Alignment::Right);
        let class = if is_number { " class=\"number\"" } else { "" };
        match self.headers.get(self.column) {
            Some(header) => format!("<{tag}{class} data-column=\"{header}\">"),
            None => format!("<{tag}{class}>"),
        }
    }

    /// Ends a cell, of which this is the text, escaped.
    pub(crate) fn end_cell(&mut self, text: String) -> &'static str {
        self.column += 1;
        if self.is_in_head {
            self.headers.push(text);
            return "</th>";
        }
        "</td>"
    }
}
