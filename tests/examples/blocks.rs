//! The fenced blocks of a page, and what is to be done with each of them. What a block is follows from its language and
//! from a comment on the line before it, which no reader of the page sees (CONTRIBUTING.md, "Pages that are run").

use std::path::Path;

use crate::support::cc;

/// What a block is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Use {
    /// Shell commands, which are run.
    Run,
    /// `<!-- file: PATH -->`: what a reader is told to write into that file.
    File(String),
    /// Without a language, behind commands: what they print. A line `...` stands for any lines, `…` for any text.
    Printed,
    /// `text`: a drawing.
    Drawing,
    /// `<!-- part of: FILE -->`: it stands like this in a file of the repository, which is run elsewhere.
    PartOf(String),
    /// `<!-- run by: FILE -->`: a test in another language takes it from the page and runs it.
    RunBy(String),
}

/// A block, with the line that it begins on.
#[derive(Debug)]
pub struct Block {
    pub line: usize,
    pub text: String,
    pub used: Use,
}

/// All blocks of a page of the repository.
///
/// # Panics
/// When one of them is nothing that is known.
pub fn of_page(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(cc::root().join(page)).expect("the page");
    of_text(page, &text)
}

fn of_text(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    let mut comment = "";
    while let Some((line, opening)) = lines.next() {
        // A block may stand within a list: then all of it is indented.
        let indent = &opening[..opening.len() - opening.trim_start().len()];
        let Some(language) = opening.trim_start().strip_prefix("```") else {
            comment = opening;
            continue;
        };
        let inner = lines.by_ref().map(|(_, text)| text.strip_prefix(indent).unwrap_or(text));
        let body: Vec<&str> = inner.take_while(|text| *text != "```").collect();
        let said = |what: &str| {
            let rest = comment.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(what)?;
            Some(rest.strip_prefix(": ")?.to_owned())
        };
        let used = if let Some(path) = said("file") {
            Use::File(path)
        } else if let Some(file) = said("part of") {
            Use::PartOf(file)
        } else if let Some(file) = said("run by") {
            Use::RunBy(file)
        } else if language == "text" {
            Use::Drawing
        } else if language == "sh" {
            Use::Run
        } else if language.is_empty() && matches!(blocks.last(), Some(Block { used: Use::Run, .. })) {
            Use::Printed
        } else {
            panic!("{page}:{line}: nobody runs this block, and nobody says where it stands");
        };
        let text = body.iter().map(|line| format!("{line}\n")).collect();
        blocks.push(Block { line, text, used });
        comment = "";
    }
    blocks
}

/// What is said of a block that others run, or that stands elsewhere, is true.
pub fn are_where_they_should(page: &str) {
    for block in of_page(page) {
        let text = |file: &str| {
            let path: &Path = &cc::root().join(file);
            std::fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("{page}:{}: {file}: {error}", block.line))
        };
        match &block.used {
            Use::PartOf(file) => {
                assert!(
                    text(file).contains(block.text.trim_end()),
                    "{page}:{}: not so in {file}",
                    block.line
                );
            }
            Use::RunBy(file) => {
                assert!(text(file).contains(page), "{page}:{}: {file} does not name the page", block.line);
            }
            Use::Run | Use::File(_) | Use::Printed | Use::Drawing => {}
        }
    }
}

/// Whether what was printed is what the page shows.
pub fn matches(shown: &str, printed: &str) -> bool {
    fn line_fits(shown: &str, printed: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (shown, printed) = (words(shown), words(printed));
        let pieces: Vec<&str> = shown.split('…').collect();
        let Some(mut rest) = printed.strip_prefix(pieces[0]) else { return false };
        for (at, piece) in pieces.iter().enumerate().skip(1) {
            let found = if at + 1 == pieces.len() {
                rest.ends_with(piece).then(|| rest.len() - piece.len())
            } else {
                rest.find(piece)
            };
            let Some(found) = found else { return false };
            rest = &rest[found + piece.len()..];
        }
        rest.is_empty()
    }
    fn all_fit(shown: &[&str], printed: &[&str]) -> bool {
        match shown {
            [] => printed.is_empty(),
            ["...", more @ ..] => (0..=printed.len()).any(|passed| all_fit(more, &printed[passed..])),
            [line, more @ ..] => {
                printed.first().is_some_and(|it| line_fits(line, it)) && all_fit(more, &printed[1..])
            }
        }
    }
    all_fit(&shown.lines().collect::<Vec<_>>(), &printed.lines().collect::<Vec<_>>())
}

#[test]
fn blocks_are_told_apart() {
    let page = "x\n\n```sh\ntrue\n```\n```\nsaid\n```\n<!-- file: a.c -->\n```c\nint x;\n```\n- y\n\n  ```sh\n  z\n  ```\n";
    let blocks = of_text("page", page);
    assert_eq!(blocks.last().map(|block| block.text.as_str()), Some("z\n"));
    let uses: Vec<Use> = blocks.into_iter().map(|block| block.used).collect();
    assert_eq!(uses, [Use::Run, Use::Printed, Use::File("a.c".into()), Use::Run]);
    let unknown = std::panic::catch_unwind(|| of_text("page", "```python\nx\n```\n"));
    assert!(unknown.is_err(), "a block that nobody runs is no part of a page");
}

#[test]
fn what_is_printed_is_compared() {
    assert!(matches("a  1\n...\nz … end\n", "a 1\nb\nc\nz  9 8 end\n"));
    assert!(matches("...\n", "") && matches("a…c\n", "abc\n") && matches("…\n", "x\n"));
    assert!(!matches("a\n", "a\nb\n") && !matches("a…c\n", "abd\n") && !matches("a\n", ""));
}
