//! Makes docs/api.md from the comments in include/ikcp.h and include/ikcpx.h.

use std::error::Error;
use std::fmt::Write as _;

const FUNCTIONS: &str = "/* ---- structures and functions";
const LOG_MASKS: &str = "/* ---- bits of logmask";

/// A declaration and the lines of the comment before it.
struct Item<'a> {
    comment: Vec<&'a str>,
    declaration: &'a str,
}

/// The whole page, from ikcp.h and ikcpx.h.
pub fn page(header: &str, extensions: &str) -> Result<String, Box<dyn Error>> {
    let (before, declarations) = header.split_once(FUNCTIONS).ok_or("no functions")?;
    let (_, masks) = before.split_once(LOG_MASKS).ok_or("no log masks")?;
    let functions: Vec<Item> = items(declarations)
        .into_iter()
        .filter(|item| name(item.declaration).is_ok_and(|name| name.starts_with("ikcp_")))
        .collect();

    let mut page = String::from(
        "# API\n\nEnglish | [简体中文](api.zh-CN.md)\n\nEvery function, structure and log bit of [ikcp.h](../include/ikcp.h). \
         This page is made of the comments there. They come from `src/api.rs` and `core/src/abi.rs`: change them there, then run \
         `IKCP_BLESS=1 cargo test --locked header:`, and the same with `docs:`.\n",
    );
    writeln!(page, "\n## What holds for all functions\n")?;
    for rule in rules(header)? {
        writeln!(page, "- {}", prose(&rule))?;
    }

    writeln!(
        page,
        "\n## Return codes\n\n| function | returns |\n|---|---|"
    )?;
    for function in &functions {
        let text = Text::of(function)?;
        let name = name(function.declaration)?;
        let returns = match text.returns.is_empty() {
            true => "nothing".to_string(),
            false => prose(&text.returns),
        };
        writeln!(page, "| [`{name}`](#{name}) | {returns} |")?;
    }

    writeln!(page, "\n## Functions")?;
    for function in &functions {
        let text = Text::of(function)?;
        writeln!(page, "\n### {}\n", name(function.declaration)?)?;
        writeln!(page, "```c\n{}\n```\n", function.declaration)?;
        writeln!(page, "{}", prose(&text.summary))?;
        if !text.arguments.is_empty() {
            writeln!(page)?;
        }
        for (argument, meaning) in &text.arguments {
            writeln!(page, "- `{argument}`: {}", prose(meaning))?;
        }
        if !text.returns.is_empty() {
            writeln!(page, "\n**Returns** {}.", prose(&text.returns))?;
        }
    }

    for structure in ["IKCPCB", "IKCPOPS", "IKCPSEG"] {
        fields(&mut page, declarations, structure)?;
    }

    writeln!(
        page,
        "\n## Bits of logmask\n\n| name | bit | line |\n|---|---|---|"
    )?;
    for line in masks
        .lines()
        .filter_map(|line| line.strip_prefix("#define "))
    {
        let (definition, meaning) = line.split_once("/*").unwrap_or((line, "as above */"));
        let mut words = definition.split_whitespace();
        let (name, value) = (
            words.next().ok_or("no name")?,
            words.next().ok_or("no value")?,
        );
        let meaning = meaning.trim().trim_end_matches("*/").trim();
        writeln!(page, "| `{name}` | {value} | {} |", prose(meaning))?;
    }

    writeln!(
        page,
        "\n## Functions of ikcpx.h\n\n[extensions.md](extensions.md) says whom they serve; the comments in \
         [ikcpx.h](../include/ikcpx.h) say the rest.\n\n| function | returns |\n|---|---|"
    )?;
    for function in items(extensions) {
        if name(function.declaration)?.starts_with("ikcpx_") {
            let returns = match Text::of(&function)?.returns {
                returns if returns.is_empty() => "nothing".to_string(),
                returns => prose(&returns),
            };
            let declaration = function.declaration.trim_end_matches(';');
            writeln!(page, "| `{declaration}` | {returns} |")?;
        }
    }
    Ok(page)
}

/// The list in the first comment of the header.
fn rules(header: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let comment = header.split("*/").next().ok_or("no comment")?;
    let mut rules: Vec<String> = Vec::new();
    for line in comment.lines() {
        let line = line.trim_start_matches([' ', '*']).trim_end();
        match (line.strip_prefix("- "), rules.last_mut()) {
            (Some(first), _) => rules.push(first.to_string()),
            (None, Some(rule)) if !line.is_empty() => *rule = format!("{rule} {line}"),
            _ => {}
        }
    }
    match rules.is_empty() {
        true => Err("the header's first comment has no list".into()),
        false => Ok(rules),
    }
}

/// Declarations of one line directly after a comment.
fn items(text: &str) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut comment = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let bare = line.trim();
        if let Some(rest) = bare.strip_prefix("/*") {
            comment.clear();
            inside = !bare.ends_with("*/");
            let rest = rest.trim_end_matches("*/").trim();
            comment.extend((!rest.is_empty()).then_some(rest));
        } else if inside {
            inside = !bare.ends_with("*/");
            if inside {
                comment.push(bare.trim_start_matches('*').trim());
            }
        } else if !comment.is_empty() && bare.ends_with(';') {
            items.push(Item {
                comment: comment.clone(),
                declaration: bare,
            });
        } else if bare.is_empty() || bare.ends_with('{') {
            comment.clear();
        }
    }
    items
}

/// The parts of a function's comment.
#[derive(Default)]
struct Text {
    summary: String,
    arguments: Vec<(String, String)>,
    returns: String,
}

impl Text {
    fn of(function: &Item) -> Result<Self, Box<dyn Error>> {
        enum Part {
            Summary,
            Argument,
            Returns,
        }
        let mut text = Text::default();
        let mut part = Part::Summary;
        for line in &function.comment {
            let argument = line
                .split_once(": ")
                .filter(|(name, _)| has_argument(function.declaration, name));
            if let Some((name, meaning)) = argument {
                part = Part::Argument;
                text.arguments.push((name.to_string(), meaning.to_string()));
            } else if let Some(returns) = line.strip_prefix("Returns ") {
                part = Part::Returns;
                text.returns = returns.to_string();
            } else {
                let into = match part {
                    Part::Summary => &mut text.summary,
                    Part::Argument => &mut text.arguments.last_mut().ok_or("no argument")?.1,
                    Part::Returns => &mut text.returns,
                };
                *into = format!("{into} {line}").trim().to_string();
            }
        }
        text.returns = text.returns.trim_end_matches('.').to_string();
        Ok(text)
    }
}

fn has_argument(declaration: &str, name: &str) -> bool {
    let (_, arguments) = declaration.split_once('(').unwrap_or_default();
    !name.is_empty()
        && arguments
            .split(|c: char| !is_name(c))
            .any(|word| word == name)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn name(declaration: &str) -> Result<&str, Box<dyn Error>> {
    let before = declaration.split('(').next().unwrap_or_default();
    Ok(before
        .rsplit(|c: char| !is_name(c))
        .next()
        .ok_or("no name")?)
}

/// The table of a structure: fields that follow one comment share a row.
fn fields(page: &mut String, declarations: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let (before, body) = declarations
        .split_once(&format!("\nstruct {name} {{\n"))
        .ok_or("no such structure")?;
    let (_, comment) = before.rsplit_once("/*").ok_or("no comment")?;
    let comment: Vec<_> = comment
        .lines()
        .map(|line| line.trim_matches([' ', '*', '/']))
        .filter(|line| !line.is_empty())
        .collect();
    let body = body.split("\n};").next().unwrap_or_default();
    let mut rows: Vec<(Vec<&str>, Vec<&str>)> = Vec::new(); // declarations, comment
    for item in items(body) {
        match rows.last_mut() {
            Some((fields, comment)) if *comment == item.comment => fields.push(item.declaration),
            _ => rows.push((vec![item.declaration], item.comment)),
        }
    }
    writeln!(
        page,
        "\n## struct {name}\n\n{}\n\n| declaration | meaning |\n|---|---|",
        prose(&comment.join(" "))
    )?;
    for (fields, comment) in rows {
        let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
        writeln!(
            page,
            "| {} | {} |",
            fields.join("<br>"),
            prose(&comment.join(" "))
        )?;
    }
    Ok(())
}

/// Names of C in code style, with characters escaped that Markdown would interpret.
fn prose(text: &str) -> String {
    let mut result = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            write!(result, "`{part}`").ok();
            continue;
        }
        let mut rest = part;
        while !rest.is_empty() {
            let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            if let Some(after) = after.strip_prefix("()") {
                write!(result, "`{word}()`").ok();
                rest = after;
            } else if word.contains('_') || word == "ikcpcb" {
                write!(result, "`{word}`").ok();
                rest = after;
            } else if length > 0 {
                result.push_str(word);
                rest = after;
            } else {
                let mut chars = rest.chars();
                match chars.next() {
                    Some(c @ ('*' | '|' | '<')) => result.extend(['\\', c]),
                    Some(c) => result.push(c),
                    None => {}
                }
                rest = chars.as_str();
            }
        }
    }
    result
}
