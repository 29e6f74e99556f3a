//! Text to lines of tokens. A line here is a logical one: inside brackets it goes on over ends of
//! lines.

use super::section::SECTIONS;
use crate::ast::Span;
use crate::diagnostic::{Problem, Problems};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tok {
    Ident(String),
    /// A word of a `test` or `clauses` line: `pipe/no-boundaries`, `PIPE-030`.
    Word(String),
    /// A number and how it was written.
    Int(u64, Base),
    Str(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Decimal,
    Octal,
    Hex,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub tok: Tok,
    pub span: Span,
}

/// A logical line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Spaces before it.
    pub indent: usize,
    /// Its tokens; never none.
    pub tokens: Vec<Token>,
    /// Where it ends.
    pub end: usize,
    /// A mistake in it has already been noted.
    pub bad: bool,
}

/// Longest first, so that `<=` is not read as `<` and `=`.
const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", "+", "-", "*", "|",
];

pub(super) fn lex(text: &str, problems: &mut Problems) -> Vec<Line> {
    let mut lexer = Lexer {
        text,
        pos: 0,
        words: false,
        lines: Vec::new(),
    };
    if text.starts_with('\u{feff}') {
        lexer.pos = '\u{feff}'.len_utf8();
    }
    while lexer.pos < text.len() {
        lexer.line(problems);
    }
    lexer.lines
}

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    /// The present section is one of words (`test`, `clauses`).
    words: bool,
    lines: Vec<Line>,
}

fn is_ident_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_ident(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, f: impl Fn(char) -> bool) -> usize {
        let start = self.pos;
        let rest = self.rest();
        self.pos += rest.find(|c| !f(c)).unwrap_or(rest.len());
        self.pos - start
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start,
            len: self.pos - start,
        }
    }

    fn skip_line(&mut self) {
        self.skip_while(|c| c != '\n');
        self.pos = (self.pos + 1).min(self.text.len());
    }

    /// Reads one logical line, or skips an empty one.
    fn line(&mut self, problems: &mut Problems) {
        let start = self.pos;
        let indent = self.skip_while(|c| c == ' ');
        let mut bad = false;
        if self.peek() == Some('\t') {
            let at = self.pos;
            self.skip_while(|c| c == ' ' || c == '\t');
            if !matches!(self.peek(), None | Some('\n' | '\r' | '#')) {
                problems.push(tab(at));
                bad = true;
            }
        }
        if let None | Some('\n' | '\r' | '#') = self.peek() {
            self.skip_line();
            return;
        }
        let indent = if bad {
            (self.pos - start).max(1)
        } else {
            indent
        };
        let first = self.skip_while(is_ident);
        let keyword = &self.text[self.pos - first..self.pos];
        if indent == 0 {
            self.words = keyword == "test" || keyword == "clauses";
        }
        self.pos -= first;
        let mut line = Line {
            indent,
            tokens: Vec::new(),
            end: self.pos,
            bad,
        };
        let mut depth = 0usize;
        loop {
            self.skip_while(|c| c == ' ');
            match self.peek() {
                None => break,
                Some('#') => {
                    self.skip_while(|c| c != '\n');
                    continue;
                }
                Some('\r') if self.rest().starts_with("\r\n") => {
                    self.pos += 1;
                    continue;
                }
                Some('\n') => {
                    if depth == 0 || self.section_follows() {
                        break;
                    }
                    self.pos += 1;
                    continue;
                }
                Some(_) => {}
            }
            match self.token(&line) {
                Ok(token) => {
                    line.end = self.pos;
                    match token.tok {
                        Tok::Sign("(" | "[") => depth += 1,
                        Tok::Sign(")" | "]") => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    line.tokens.push(token);
                }
                Err(problem) => {
                    // One mistake a line: what follows it is rarely independent.
                    if !line.bad {
                        problems.push(problem);
                    }
                    line.bad = true;
                    line.end = self.pos;
                    self.skip_while(|c| c != '\n');
                    break;
                }
            }
        }
        self.skip_line();
        if !line.tokens.is_empty() {
            self.lines.push(line);
        }
    }

    /// Whether the next line begins a section, so that an open bracket ends here.
    fn section_follows(&self) -> bool {
        let rest = &self.rest()[1..];
        let word = &rest[..rest.find(|c| !is_ident(c)).unwrap_or(rest.len())];
        SECTIONS.contains(&word)
    }

    fn token(&mut self, line: &Line) -> Result<Token, Problem> {
        let start = self.pos;
        let c = self.peek().unwrap_or('\n');
        let first = line.tokens.is_empty();
        let tok = if c == '"' {
            // Only a description may begin a line with a string; it may span lines.
            let prose = line.tokens.iter().all(|t| matches!(t.tok, Tok::Str(_)))
                || (self.words && line.indent == 0);
            Tok::Str(self.string(prose)?)
        } else if self.words && !(first && line.indent == 0 && is_ident_start(c)) {
            if c == ',' {
                self.pos += 1;
                Tok::Sign(",")
            } else {
                self.skip_while(|c| !c.is_whitespace() && !matches!(c, ',' | '"' | '#'));
                if self.pos == start {
                    return self.strange(c);
                }
                Tok::Word(self.text[start..self.pos].into())
            }
        } else if is_ident_start(c) {
            self.skip_while(is_ident);
            Tok::Ident(self.text[start..self.pos].into())
        } else if c.is_ascii_digit() {
            self.number()?
        } else if let Some(sign) = SIGNS.iter().find(|s| self.rest().starts_with(**s)) {
            self.pos += sign.len();
            Tok::Sign(sign)
        } else {
            return self.strange(c);
        };
        Ok(Token {
            tok,
            span: self.span(start),
        })
    }

    fn strange(&mut self, c: char) -> Result<Token, Problem> {
        let start = self.pos;
        self.pos += c.len_utf8();
        if c == '\t' {
            return Err(tab(start));
        }
        let problem = Problem::new(self.span(start), format!("unexpected character {c:?}"));
        let rest = &self.text[start..];
        Err(match c {
            '\'' => problem.help("strings stand in double quotes"),
            '&' => problem.help("write `and`"),
            '!' => problem.help("write `not`, or `!=`"),
            ':' | '{' | '}' => problem.help("a block is told by its indentation alone"),
            ';' => problem.help("one call a line; a comment begins with `#`"),
            '/' if rest.starts_with("//") => problem.help("a comment begins with `#`"),
            _ => problem,
        })
    }

    fn number(&mut self) -> Result<Tok, Problem> {
        let start = self.pos;
        self.skip_while(is_ident);
        let written = &self.text[start..self.pos];
        let span = self.span(start);
        let (base, radix, digits) = if let Some(digits) = written.strip_prefix("0o") {
            (Base::Octal, 8, digits)
        } else if let Some(digits) = written.strip_prefix("0x") {
            (Base::Hex, 16, digits)
        } else {
            (Base::Decimal, 10, written)
        };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(Problem::new(span, format!("`{written}` is not a number"))
                .help("numbers are written 4096, 0o644 (octal) or 0xff (hexadecimal)"));
        }
        if base == Base::Decimal && digits.len() > 1 && digits.starts_with('0') {
            return Err(
                Problem::new(span, format!("`{written}` begins with 0")).help(format!(
                    "an octal number is written 0o{}",
                    digits.trim_start_matches('0')
                )),
            );
        }
        match u64::from_str_radix(digits, radix) {
            Ok(n) if n <= 1 << 63 => Ok(Tok::Int(n, base)),
            _ => Err(Problem::new(span, format!("{written} is too large"))
                .label("does not fit in 64 bits, signed")),
        }
    }

    /// A string from its opening quote. In prose, an end of line with the blanks around it is one
    /// space.
    fn string(&mut self, prose: bool) -> Result<Vec<u8>, Problem> {
        let open = self.pos;
        self.pos += 1;
        let mut bytes = Vec::new();
        let unclosed = || {
            Problem::new(
                Span {
                    start: open,
                    len: 1,
                },
                "this string is not closed",
            )
            .label("opened here")
        };
        loop {
            let at = self.pos;
            let Some(c) = self.peek() else {
                return Err(unclosed());
            };
            self.pos += c.len_utf8();
            match c {
                '"' => return Ok(bytes),
                '\n' if prose => {
                    self.skip_while(|c| c == ' ' || c == '\r');
                    if matches!(self.peek(), None | Some('\n')) {
                        self.pos = at;
                        return Err(unclosed());
                    }
                    while let Some(b' ' | b'\r') = bytes.last() {
                        bytes.pop();
                    }
                    bytes.push(b' ');
                }
                '\n' => {
                    self.pos = at;
                    return Err(unclosed());
                }
                '\t' => {
                    return Err(
                        Problem::new(Span { start: at, len: 1 }, "a tab in a string")
                            .help("write \\t"),
                    );
                }
                '\\' => bytes.push(self.escape(at)?),
                c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    /// What follows a backslash, which stands at `at`.
    fn escape(&mut self, at: usize) -> Result<u8, Problem> {
        let c = self.peek().unwrap_or('\n');
        if c == '\n' {
            return Err(Problem::new(
                Span { start: at, len: 1 },
                "a backslash ends the line",
            ));
        }
        self.pos += c.len_utf8();
        Ok(match c {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            '0' => b'\0',
            '\\' => b'\\',
            '"' => b'"',
            'x' => {
                let digits: String = self.rest().chars().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit()));
                let Some(byte) = byte else {
                    return Err(Problem::new(
                        self.span(at),
                        "two hexadecimal digits follow `\\x`",
                    ));
                };
                self.pos += 2;
                byte
            }
            c => {
                return Err(
                    Problem::new(self.span(at), format!("unknown escape `\\{c}`"))
                        .help("the escapes are \\n \\t \\r \\0 \\\\ \\\" and \\xNN"),
                );
            }
        })
    }
}

fn tab(at: usize) -> Problem {
    Problem::new(Span { start: at, len: 1 }, "a tab")
        .label("a tab stands here")
        .help("indent with spaces: how wide a tab is, no two editors agree")
}
