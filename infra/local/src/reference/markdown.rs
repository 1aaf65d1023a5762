//! The Markdown that the document's descriptions use: paragraphs, tables, code, links, strong and emphasised text.

use maud::{Markup, PreEscaped, html};

/// How a part of a paragraph begins and ends. `**` is before `*`, which it begins with.
const MARKS: [(&str, &str); 4] = [("`", "`"), ("**", "**"), ("*", "*"), ("[", ")")];

/// Paragraphs and tables.
pub(super) fn blocks(text: &str) -> Markup {
    html! {
        @for block in text.split("\n\n").filter(|block| !block.is_empty()) {
            @if block.starts_with("| ") { (table(block)) } @else { p { (inline(block)) } }
        }
    }
}

fn table(block: &str) -> Markup {
    let mut rows = block.lines().map(|line| line.trim_matches('|').split(" | ").map(str::trim));
    let head = rows.next();
    html! {
        table {
            thead { tr { @for cell in head.into_iter().flatten() { th { (inline(cell)) } } } }
            // The second line only divides the head from the rows.
            tbody { @for row in rows.skip(1) { tr { @for cell in row { td { (inline(cell)) } } } } }
        }
    }
}

/// The text of a paragraph.
pub(super) fn inline(text: &str) -> Markup {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let marks = MARKS.iter().filter_map(|mark| Some((rest.find(mark.0)?, mark)));
        let Some((_, &(open, close))) = marks.min_by_key(|(at, _)| *at) else { break };
        let Some((before, body)) = rest.split_once(open) else { break };
        out += &html! { (before) }.into_string();
        let Some((inner, after)) = body.split_once(close) else {
            out += open;
            rest = body;
            continue;
        };
        out += &marked(open, inner).into_string();
        rest = after;
    }
    out += &html! { (rest) }.into_string();
    PreEscaped(out)
}

fn marked(open: &str, inner: &str) -> Markup {
    match (open, inner.split_once("](")) {
        ("`", _) => html! { code { (inner) } },
        ("**", _) => html! { strong { (inline(inner)) } },
        ("*", _) => html! { em { (inline(inner)) } },
        (_, Some((name, address))) => html! { a href=(address) { (name) } },
        (_, None) => html! { "[" (inner) ")" },
    }
}

/// A block of code. A keyboard can scroll it.
pub(super) fn code(content: &str) -> Markup {
    html! { pre tabindex="0" { code { (content) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_elements_and_all_else_is_escaped() {
        for (text, expected) in [
            ("a < b & c", "a &lt; b &amp; c"),
            ("`a * <b> *`", "<code>a * &lt;b&gt; *</code>"),
            ("**What `to` do:** *yours*", "<strong>What <code>to</code> do:</strong> <em>yours</em>"),
            ("([RFC 6901](https://rfc.example/6901))", "(<a href=\"https://rfc.example/6901\">RFC 6901</a>)"),
            ("2 * 3", "2 * 3"),
            ("[1] (2)", "[1] (2)"),
        ] {
            assert_eq!(inline(text).into_string(), expected);
        }
    }

    #[test]
    fn blocks_are_paragraphs_and_tables() {
        assert_eq!(
            blocks("one\n\n| `a` | b |\n|---|---|\n| c | d |\n\ntwo").into_string(),
            "<p>one</p><table><thead><tr><th><code>a</code></th><th>b</th></tr></thead>\
             <tbody><tr><td>c</td><td>d</td></tr></tbody></table><p>two</p>"
        );
    }
}
