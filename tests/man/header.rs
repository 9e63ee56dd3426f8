//! What a header declares, with the comment before each declaration: read line by line, since
//! cbindgen writes every header in the same shape.

/// One declaration of a header.
#[derive(Clone, Debug, Default)]
pub struct Item {
    pub kind: Kind,
    /// The declared name.
    pub name: String,
    /// The comment before it, without its signs.
    pub doc: String,
    /// The declaration as it stands, without the comments of its fields.
    pub text: String,
    /// Of a struct or an enumeration: each field's declaration and its comment.
    pub fields: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Function,
    Type,
    /// A macro without parameters that stands for a number.
    Constant,
    Macro,
}

/// Everything that a header declares, in its order.
pub fn items(header: &str) -> Vec<Item> {
    let mut found = Vec::new();
    let mut doc = String::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        if let Some(start) = line.strip_prefix("/*") {
            doc = comment(start, &mut lines);
        } else if line.trim().is_empty() {
            // A comment belongs to what stands directly below it.
            doc.clear();
        } else if line.starts_with("#define") {
            found.extend(define(line, &doc, &mut lines));
        } else if line.starts_with('#') || line.starts_with("extern \"C\"") || line.starts_with('}') {
            doc.clear();
        } else {
            found.extend(declaration(line, std::mem::take(&mut doc), &mut lines));
        }
    }
    found
}

/// The text of a comment of which `start` is the rest of the first line.
fn comment<'a>(start: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let clean = |line: &str| {
        let line = line.trim_end();
        let line = line.strip_prefix(" *").or(line.strip_prefix("     ")).unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).to_owned()
    };
    if let Some(text) = start.strip_suffix("*/") {
        return text.trim().to_owned();
    }
    let mut text = vec![start.trim().to_owned()];
    for line in lines {
        match line.trim_end().strip_suffix("*/") {
            Some(rest) => {
                text.push(clean(rest));
                break;
            }
            None => text.push(clean(line)),
        }
    }
    text.join("\n").trim().to_owned()
}

fn define<'a>(line: &str, doc: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Item> {
    let rest = line.strip_prefix("#define ")?;
    let end =
        rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    let kind = if behind.trim().parse::<i64>().is_ok() { Kind::Constant } else { Kind::Macro };
    // Of a macro the parameters are told, and not what it stands for.
    let parameters = behind.strip_prefix('(').and_then(|behind| behind.split_once(')'));
    let text = match (kind, parameters) {
        (Kind::Constant, _) => behind.trim().to_owned(),
        (_, Some((parameters, _))) => format!("{name}({parameters})"),
        _ => name.to_owned(),
    };
    let mut last = line;
    while last.ends_with('\\') {
        last = lines.next()?;
    }
    Some(Item { kind, name: name.to_owned(), doc: doc.to_owned(), text, fields: Vec::new() })
}

/// A function, a type, or nothing of interest.
fn declaration<'a>(line: &str, doc: String, lines: &mut impl Iterator<Item = &'a str>) -> Option<Item> {
    let mut text = line.to_owned();
    let mut fields = Vec::new();
    if line.ends_with('{') {
        fields = body(lines);
        let name = line.trim_end_matches('{').split_whitespace().last()?.to_owned();
        text = line.trim_end_matches('{').trim().to_owned();
        return Some(Item { kind: Kind::Type, name, doc, text, fields });
    }
    while !text.ends_with(';') {
        text.push(' ');
        text.push_str(lines.next()?.trim());
    }
    let (before, _) = text.split_once('(')?;
    if text.starts_with("typedef") {
        let name = text.split_once("(*")?.1.split_once(')')?.0.to_owned();
        return Some(Item { kind: Kind::Type, name, doc, text, fields });
    }
    let word = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let name = before.rsplit(word).next()?.to_owned();
    Some(Item { kind: Kind::Function, name, doc, text, fields })
}

/// The fields up to the closing brace.
fn body<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut doc = String::new();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('}') {
            break;
        }
        if let Some(start) = line.strip_prefix("/*") {
            doc = comment(start, lines);
        } else if !line.is_empty() && !line.starts_with('#') {
            fields.push((line.to_owned(), std::mem::take(&mut doc)));
        }
    }
    fields
}

#[test]
fn declarations_are_recognised() {
    let header = "/* A length. */\n#define LEN(x) \\\n    (sizeof(x))\n\n/*\n The most.\n */\n#define MOST 250\n\n\
                  /*\n A pair.\n */\nstruct pair {\n    /*\n     One.\n     */\n    int one;\n};\n\n\
                  /*\n Told.\n */\ntypedef void (*told)(int a);\n\nstruct pair;\n\nextern \"C\" {\n\n\
                  /*\n Makes one.\n\n Second.\n */\nstruct pair *make(int a,\n                  int b);\n";
    let found = items(header);
    let short: Vec<_> = found
        .iter()
        .map(|item| (item.kind, item.name.as_str(), item.doc.as_str(), item.text.as_str()))
        .collect();
    assert_eq!(
        short,
        [
            (Kind::Macro, "LEN", "A length.", "LEN(x)"),
            (Kind::Constant, "MOST", "The most.", "250"),
            (Kind::Type, "pair", "A pair.", "struct pair"),
            (Kind::Type, "told", "Told.", "typedef void (*told)(int a);"),
            (Kind::Function, "make", "Makes one.\n\nSecond.", "struct pair *make(int a, int b);"),
        ]
    );
    assert_eq!(found[2].fields, [("int one;".to_owned(), "One.".to_owned())]);
}
