//! Text to [`Scenario`]: a lexer that makes logical lines, and a recursive-descent parser over them.
//!
//! A mistake ends the line that it stands in, not the parse: the lines below are still read, so
//! that one run tells of several mistakes.

mod expr;
mod lex;
mod section;

use crate::Diagnostic;
use crate::ast::{
    CallLine, Condition, Line as Stmt, Name, Need, Process, Quantifier, Scenario, Span, With,
};
use crate::diagnostic::{Problem, Problems};
use expr::Cursor;
use lex::{Line, Tok, Token};
use section::{SECTIONS, Section};

/// Longest text, in bytes.
const LONGEST: usize = 1 << 20;
/// Deepest nesting of `fork` and `thread`.
const DEEPEST: usize = 32;
/// Most words of an `order`.
const LONGEST_ORDER: usize = 10_000;

/// Reads a scenario. `file` is the name that mistakes are reported under.
///
/// # Errors
/// The first mistake in the text, with further ones related to it.
pub fn parse(file: &str, text: &str) -> Result<Scenario, Diagnostic> {
    let mut problems = Problems::default();
    if text.len() > LONGEST {
        problems.push(
            Problem::new(Span::default(), "this file is too long to be a scenario")
                .help(format!("at most {LONGEST} bytes")),
        );
        return problems.finish(empty(), file, "");
    }
    let lines = lex::lex(text, &mut problems);
    let mut parser = Parser {
        text,
        lines: &lines,
        at: 0,
        problems,
        scenario: empty(),
    };
    parser.sections();
    let Parser {
        scenario, problems, ..
    } = parser;
    problems.finish(scenario, file, text)
}

fn empty() -> Scenario {
    Scenario {
        name: Name::new(""),
        description: String::new(),
        clauses: Vec::new(),
        needs: Vec::new(),
        with: Vec::new(),
        setup: Vec::new(),
        processes: Vec::new(),
        order: None,
        conditions: Vec::new(),
    }
}

struct Parser<'a> {
    text: &'a str,
    lines: &'a [Line],
    at: usize,
    problems: Problems,
    scenario: Scenario,
}

/// A line with those that continue it (they are indented deeper).
struct Joined {
    tokens: Vec<Token>,
    end: usize,
    bad: bool,
}

impl<'a> Parser<'a> {
    fn sections(&mut self) {
        let mut last: Option<(Section, Span)> = None;
        if self
            .lines
            .first()
            .is_none_or(|l| !l.bad && !begins_with(l, "test"))
        {
            let span = self
                .lines
                .first()
                .map_or(Span { start: 0, len: 0 }, |l| l.tokens[0].span);
            self.problems.push(
                Problem::new(span, "expected `test mechanism/behaviour`")
                    .label("a scenario begins with its name")
                    .help("for example: test pipe/no-boundaries"),
            );
        }
        while let Some(line) = self.lines.get(self.at) {
            let span = line.tokens[0].span;
            if line.indent > 0 {
                if !line.bad {
                    self.problems.push(
                        Problem::new(span, "this line is indented, but belongs to no block")
                            .help("blocks stand below `setup`, `process`, `fork` and `thread`"),
                    );
                }
                self.skip_deeper(0);
                continue;
            }
            let section = match &line.tokens[0].tok {
                Tok::Str(_) => Some(Section::Description),
                Tok::Ident(word) => Section::of(word),
                _ => None,
            };
            let Some(section) = section else {
                if !line.bad {
                    self.problems.push(self.no_section(line));
                }
                self.at += 1;
                self.skip_deeper(0);
                continue;
            };
            if let Some((before, place)) = last {
                let problem = if section < before {
                    Some(format!(
                        "{} stands before {}",
                        section.name(),
                        before.name()
                    ))
                } else if section == before && !section.may_repeat() {
                    Some(format!("a scenario has one {}", section.name()))
                } else {
                    None
                };
                if let Some(message) = problem {
                    self.problems.push(
                        Problem::new(span, message)
                            .label("this comes too late")
                            .also(place, format!("{} stands here", before.name())),
                    );
                }
            }
            if last.is_none_or(|(before, _)| section > before) {
                last = Some((section, span));
            }
            self.section(section, line);
        }
    }

    fn no_section(&self, line: &Line) -> Problem {
        let cursor = Cursor::new(self.text, &line.tokens, line.end);
        let problem = cursor.expected("a section");
        match &line.tokens[0].tok {
            Tok::Ident(_) if matches!(line.tokens.get(1), Some(t) if t.tok == Tok::Sign("(")) => {
                problem.help("calls are indented, below `setup` or `process NAME`")
            }
            Tok::Ident(word) => match crate::diagnostic::nearest(word, SECTIONS.iter().copied()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("the sections are {}", SECTIONS.join(", "))),
            },
            _ => problem,
        }
    }

    /// Skips lines indented deeper than `indent`.
    fn skip_deeper(&mut self, indent: usize) {
        while self.lines.get(self.at).is_some_and(|l| l.indent > indent) {
            self.at += 1;
        }
    }

    /// The present line and those that continue it.
    fn joined(&mut self) -> Joined {
        let first = &self.lines[self.at];
        let mut joined = Joined {
            tokens: first.tokens.clone(),
            end: first.end,
            bad: first.bad,
        };
        self.at += 1;
        while let Some(line) = self.lines.get(self.at)
            && line.indent > first.indent
        {
            joined.tokens.extend(line.tokens.iter().cloned());
            joined.end = line.end;
            joined.bad |= line.bad;
            self.at += 1;
        }
        joined
    }

    fn section(&mut self, section: Section, line: &'a Line) {
        match section {
            Section::Setup | Section::Process => self.block_section(section, line),
            Section::Description => self.description(),
            _ => {
                let joined = self.joined();
                if joined.bad {
                    return;
                }
                let mut cursor = Cursor::new(self.text, &joined.tokens, joined.end);
                let result = match section {
                    Section::Test => self.test(&mut cursor),
                    Section::Clauses => self.clauses(&mut cursor),
                    Section::Needs => self.needs(&mut cursor),
                    Section::With => self.with(&mut cursor),
                    Section::Order => self.order(&mut cursor),
                    _ => self.condition(&mut cursor),
                };
                self.problems.take(result);
            }
        }
    }

    fn test(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        cursor.advance();
        let span = cursor.span();
        let Some(Tok::Word(word)) = cursor.peek() else {
            return Err(cursor
                .expected("a name")
                .help("for example: test pipe/no-boundaries"));
        };
        let part = |s: &str| {
            !s.is_empty()
                && s.chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
        };
        if !word.contains('/') || !word.split('/').all(part) {
            return Err(
                Problem::new(span, format!("`{word}` is not the name of a scenario"))
                    .label("expected mechanism/behaviour")
                    .help("letters, digits and `-`, parted by `/`: pipe/no-boundaries"),
            );
        }
        self.scenario.name = Name {
            text: word.clone(),
            span,
        };
        cursor.advance();
        self.strings(cursor)
    }

    /// One line that begins with a string, and those that continue it.
    fn description(&mut self) {
        let joined = self.joined();
        if !joined.bad {
            let mut cursor = Cursor::new(self.text, &joined.tokens, joined.end);
            let result = self.strings(&mut cursor);
            self.problems.take(result);
        }
    }

    /// Adjacent strings of a description are joined by a space.
    fn strings(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        let mut first = self.scenario.description.is_empty();
        while let Some(Tok::Str(bytes)) = cursor.peek() {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return Err(
                    Problem::new(cursor.span(), "a description is text, not bytes")
                        .label("not UTF-8"),
                );
            };
            if !first {
                self.scenario.description.push(' ');
            }
            first = false;
            self.scenario.description.push_str(text);
            cursor.advance();
        }
        cursor.finish("a string or ")
    }

    fn clauses(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        cursor.advance();
        if cursor.done() {
            return Err(cursor
                .expected("a clause")
                .help("for example: clauses PIPE-030"));
        }
        while !cursor.done() {
            match cursor.peek() {
                Some(Tok::Word(word)) => {
                    let name = Name {
                        text: word.clone(),
                        span: cursor.span(),
                    };
                    self.scenario.clauses.push(name);
                }
                Some(Tok::Sign(",")) => {}
                _ => return Err(cursor.expected("a clause")),
            }
            cursor.advance();
        }
        Ok(())
    }

    fn needs(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        cursor.advance();
        loop {
            let need = self.need(cursor)?;
            self.scenario.needs.push(need);
            if cursor.done() {
                return Ok(());
            }
            if !cursor.take_sign(",") {
                return Err(cursor.expected("`,` or the end of the line"));
            }
        }
    }

    fn need(&mut self, cursor: &mut Cursor) -> Result<Need, Problem> {
        let name = cursor.compound("what is needed")?;
        match name.text.as_str() {
            "root" => Ok(Need::Root(name.span)),
            "linux" => {
                let version = |cursor: &mut Cursor| {
                    let number = match cursor.peek() {
                        Some(&Tok::Int(n, lex::Base::Decimal)) => u32::try_from(n).ok(),
                        _ => None,
                    };
                    cursor.advance();
                    number
                };
                let expected = cursor
                    .expected("`>=` and a version")
                    .help("needs linux>=6.18");
                if !cursor.take_sign(">=") {
                    return Err(expected);
                }
                let wrong = cursor.expected("a version").help("needs linux>=6.18");
                let major = version(cursor).ok_or_else(|| wrong.clone())?;
                let minor = match cursor.take_sign(".") {
                    true => version(cursor).ok_or(wrong)?,
                    false => 0,
                };
                Ok(Need::Linux(major, minor, cursor.since(name.span.start)))
            }
            "cap" | "nocap" if matches!(cursor.peek(), Some(Tok::Ident(_))) => {
                let held = name.text == "cap";
                Ok(Need::Capability {
                    name: cursor.name("a capability")?,
                    held,
                })
            }
            "cap" | "nocap" => Err(cursor
                .expected("a capability")
                .help("for example: needs nocap CAP_SYS_RESOURCE")),
            _ => Ok(Need::Facility(name)),
        }
    }

    fn with(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        cursor.advance();
        let name = cursor.name("the name of a variable")?;
        if !cursor.take_word("in") {
            return Err(cursor
                .expected("`in`")
                .help("for example: with n in 4095, 4096"));
        }
        let mut values = Vec::new();
        loop {
            values.push(cursor.value()?);
            if cursor.done() {
                break;
            }
            if !cursor.take_sign(",") {
                return Err(cursor.expected("`,` or the end of the line"));
            }
        }
        self.scenario.with.push(With { name, values });
        Ok(())
    }

    fn order(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        cursor.advance();
        let mut order = Vec::new();
        if cursor.done() {
            return Err(cursor
                .expected("the name of a task")
                .help("order writer reader*2"));
        }
        while !cursor.done() {
            let name = cursor.name("the name of a task")?;
            let mut times = 1;
            if cursor.take_sign("*") {
                let problem = cursor.expected("a count, 1 or more");
                times = match cursor.peek() {
                    Some(&Tok::Int(n, _)) if n > 0 => n,
                    _ => return Err(problem),
                };
                cursor.advance();
            }
            if times + order.len() as u64 > LONGEST_ORDER as u64 {
                let message = format!("an order of more than {LONGEST_ORDER} calls");
                return Err(Problem::new(name.span, message));
            }
            order.extend((0..times).map(|_| name.clone()));
        }
        self.scenario.order = Some(order);
        Ok(())
    }

    fn condition(&mut self, cursor: &mut Cursor) -> Result<(), Problem> {
        let start = cursor.span().start;
        let quantifier = match cursor.peek() {
            Some(Tok::Ident(w)) if w == "always" => Quantifier::Always,
            Some(Tok::Ident(w)) if w == "never" => Quantifier::Never,
            _ => Quantifier::Sometimes,
        };
        cursor.advance();
        let names_model = matches!(cursor.peek_after(), Some(Tok::Ident(w)) if w != "in"
                && w != "and" && w != "or" && w != "implies");
        let under = match names_model && cursor.take_word("under") {
            true => Some(cursor.compound("the name of a model")?),
            false => None,
        };
        let expr = cursor.condition()?;
        if matches!(cursor.peek(), Some(Tok::Sign("="))) {
            return Err(cursor
                .expected("an operator")
                .help("equality is written `==`"));
        }
        cursor.finish("an operator or ")?;
        let span = cursor.since(start);
        self.scenario.conditions.push(Condition {
            quantifier,
            under,
            expr,
            span,
        });
        Ok(())
    }

    /// `setup` or `process NAME`, and the block below.
    fn block_section(&mut self, section: Section, line: &'a Line) {
        let mut cursor = Cursor::new(self.text, &line.tokens, line.end);
        cursor.advance();
        let name = match section {
            Section::Setup => Ok(Name::new("setup")),
            _ => cursor.name("the name of the process"),
        };
        let name = name.and_then(|name| cursor.finish("").map(|()| name));
        if line.bad {
            // Its mistake is noted; its block is read for its own.
        } else if let Err(problem) = &name {
            self.problems.push(problem.clone());
        }
        self.at += 1;
        let body = self.block(line.indent, 0);
        match name {
            _ if section == Section::Setup => self.scenario.setup.extend(body),
            Ok(name) => self.scenario.processes.push(Process { name, body }),
            Err(_) => {}
        }
    }

    /// The lines indented deeper than `outer`, all alike.
    fn block(&mut self, outer: usize, depth: usize) -> Vec<Stmt> {
        let mut body = Vec::new();
        let mut indent = None;
        while let Some(line) = self.lines.get(self.at)
            && line.indent > outer
        {
            let indent = *indent.get_or_insert(line.indent);
            if line.indent != indent {
                let problem = Problem::new(line.tokens[0].span, "this indentation fits no block");
                let problem = if line.indent > indent {
                    problem
                        .label(format!(
                            "indented by {}, its block by {indent}",
                            line.indent
                        ))
                        .help("only `fork NAME` and `thread NAME` have a block below them")
                } else {
                    problem.label(format!(
                        "indented by {}, its block by {indent}",
                        line.indent
                    ))
                };
                if !line.bad {
                    self.problems.push(problem);
                }
                while self
                    .lines
                    .get(self.at)
                    .is_some_and(|l| l.indent > outer && l.indent != indent)
                {
                    self.at += 1;
                }
                continue;
            }
            self.at += 1;
            match self.statement(line, depth) {
                Ok(stmt) => body.push(stmt),
                Err(problem) if !line.bad => self.problems.push(problem),
                Err(_) => {}
            }
        }
        body
    }

    fn statement(&mut self, line: &'a Line, depth: usize) -> Result<Stmt, Problem> {
        let mut cursor = Cursor::new(self.text, &line.tokens, line.end);
        let start = cursor.span();
        let starts_task = match (cursor.peek(), cursor.peek_after()) {
            (Some(Tok::Ident(word)), Some(Tok::Ident(_)) | None) => {
                word == "fork" || word == "thread"
            }
            _ => false,
        };
        if starts_task {
            let fork = cursor.take_word("fork");
            if !fork {
                cursor.advance();
            }
            let name = cursor.name("the name of the new task");
            let end = cursor.finish("");
            if depth + 1 >= DEEPEST {
                self.skip_deeper(line.indent);
                return Err(Problem::new(
                    start,
                    format!("tasks nested more than {DEEPEST} deep"),
                ));
            }
            let body = self.block(line.indent, depth + 1);
            let name = name?;
            end?;
            let task = Process { name, body };
            return Ok(if fork {
                Stmt::Fork(task)
            } else {
                Stmt::Thread(task)
            });
        }
        let name = cursor.name("a call")?;
        let args = cursor.arguments(name.span)?;
        let blocks = cursor.take_word("blocks");
        let expect = match cursor.take_sign("=") {
            true => Some(cursor.value()?),
            false => None,
        };
        match (blocks, expect.is_some()) {
            (_, true) => cursor.finish("")?,
            (true, false) => cursor.finish("`=` or ")?,
            (false, false) => cursor.finish("`=`, `blocks` or ")?,
        }
        let span = cursor.since(start.start);
        Ok(Stmt::Call(CallLine {
            name,
            args,
            blocks,
            expect,
            span,
        }))
    }
}

fn begins_with(line: &Line, word: &str) -> bool {
    matches!(&line.tokens[0].tok, Tok::Ident(w) if w == word)
}
