//! The page of the problem types, the target of every `type`: `docs/problems.md`. The page is generated, and a test compares it.

use std::fmt::Write as _;

use super::types::ProblemType;

/// The width of the page's lines, in characters.
const WIDTH: usize = 120;

/// The page of all problem types, in Markdown: `docs/problems.md`.
#[must_use]
pub fn page() -> String {
    let mut page =
        "# Problem types\n\n<!-- Generated from shared/edge/src/problem/types.rs; CONTRIBUTING.md says how. -->\n"
            .to_owned();
    let introduction = "Every refusal is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): `type`, \
                        `title`, `status` (the HTTP status) and `detail` (a sentence for a person; its wording may change). \
                        Programs decide by the last part of `type`, which never changes and is a heading of this page. Further \
                        members of a refusal are at its top level and listed under its heading. With `Accept-Language: fr`, \
                        `title`, `detail` and every `message` are in French; `Content-Language` says which language they are in.";
    paragraphs(&mut page, introduction);
    for &problem in ProblemType::ALL {
        let _ = write!(page, "\n## {}\n", problem.as_str());
        paragraphs(&mut page, &format!("**{}** {}", problem.status().as_u16(), problem.meaning()));
        paragraphs(&mut page, &format!("**What to do:** {}", problem.remedy()));
    }
    page
}

/// Adds paragraphs, each after an empty line and wrapped. Tables stay as they are.
fn paragraphs(page: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        page.push('\n');
        if paragraph.starts_with('|') {
            page.push_str(paragraph);
        } else {
            wrap(page, paragraph);
        }
        page.push('\n');
    }
}

fn wrap(page: &mut String, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            page.push('\n');
            column = 0;
        } else if column > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_type_has_an_anchor() {
        let page = page();
        for &problem in ProblemType::ALL {
            assert!(page.contains(&format!("\n## {}\n\n**{}** ", problem.as_str(), problem.status().as_u16())));
        }
        assert_eq!(page.matches("\n## ").count(), ProblemType::ALL.len());
        assert!(page.lines().all(|line| line.starts_with('|') || line.chars().count() <= WIDTH));
    }
}
