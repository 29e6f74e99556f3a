//! Expressions, by precedence climbing, over the tokens of one line.

use super::lex::{Base, Tok, Token};
use crate::Data;
use crate::ast::{Expr, ExprKind, Name, Op, Span};
use crate::diagnostic::Problem;

/// Words that are operators, and so cannot be names.
pub(super) const RESERVED: &[&str] = &["and", "or", "not", "implies", "in", "blocks"];

/// Deepest nesting of an expression. Everything that walks one recurses, so this bounds the stack.
const DEEPEST: usize = 200;

/// Walks the tokens of a line.
pub(super) struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    end: usize,
}

/// An expression and how deep it is.
type Deep = (Expr, usize);

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token], end: usize) -> Self {
        Cursor {
            text,
            tokens,
            at: 0,
            end,
        }
    }

    pub(super) fn peek(&self) -> Option<&'a Tok> {
        self.tokens.get(self.at).map(|t| &t.tok)
    }

    pub(super) fn peek_after(&self) -> Option<&'a Tok> {
        self.tokens.get(self.at + 1).map(|t| &t.tok)
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Where the next token stands, or the end of the line.
    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(
            Span {
                start: self.end,
                len: 0,
            },
            |t| t.span,
        )
    }

    /// From `start` to the last token taken.
    pub(super) fn since(&self, start: usize) -> Span {
        let last = self.tokens[..self.at]
            .last()
            .map_or(start, |t| t.span.start + t.span.len);
        Span {
            start,
            len: last.saturating_sub(start),
        }
    }

    /// `expected …, found …` at the next token.
    pub(super) fn expected(&self, what: &str) -> Problem {
        let found = match self.peek() {
            None => "the end of the line".to_string(),
            Some(Tok::Str(_)) => "a string".to_string(),
            Some(_) => {
                let Span { start, len } = self.span();
                format!("`{}`", &self.text[start..start + len])
            }
        };
        Problem::new(self.span(), format!("expected {what}, found {found}"))
            .label(format!("expected {what}"))
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Some(Tok::Sign(s)) if *s == sign);
        self.at += usize::from(there);
        there
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let there = matches!(self.peek(), Some(Tok::Ident(s)) if s == word);
        self.at += usize::from(there);
        there
    }

    pub(super) fn name(&mut self, what: &str) -> Result<Name, Problem> {
        match self.peek() {
            Some(Tok::Ident(text)) if RESERVED.contains(&text.as_str()) => Err(Problem::new(
                self.span(),
                format!("`{text}` is a word of the language and cannot be a name"),
            )),
            Some(Tok::Ident(text)) => {
                let name = Name {
                    text: text.clone(),
                    span: self.span(),
                };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Names and numbers that stand without a blank between them, joined by `-` or `.`:
    /// `x86-tso`, `posix_mq`.
    pub(super) fn compound(&mut self, what: &str) -> Result<Name, Problem> {
        let first = self.name(what)?;
        let mut end = first.span.start + first.span.len;
        while let [joint, part, ..] = &self.tokens[self.at..]
            && matches!(joint.tok, Tok::Sign("-" | "."))
            && matches!(part.tok, Tok::Ident(_) | Tok::Int(..))
            && joint.span.start == end
            && part.span.start == end + 1
        {
            end = part.span.start + part.span.len;
            self.at += 2;
        }
        let span = Span {
            start: first.span.start,
            len: end - first.span.start,
        };
        Ok(Name {
            text: self.text[first.span.start..end].into(),
            span,
        })
    }

    pub(super) fn finish(&self, or: &str) -> Result<(), Problem> {
        if self.done() {
            Ok(())
        } else {
            Err(self.expected(&format!("{or}the end of the line")))
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self) -> Result<Expr, Problem> {
        Ok(self.expr(0, 0)?.0)
    }

    /// An argument or an expectation: no comparison outside parentheses.
    pub(super) fn value(&mut self) -> Result<Expr, Problem> {
        Ok(self.expr(Op::BitOr.precedence(), 0)?.0)
    }

    fn operator(&self) -> Option<Op> {
        Some(match self.peek()? {
            Tok::Ident(word) => match word.as_str() {
                "or" => Op::Or,
                "and" => Op::And,
                "implies" => Op::Implies,
                "in" => Op::In,
                _ => return None,
            },
            Tok::Sign(sign) => match *sign {
                "==" => Op::Eq,
                "!=" => Op::Ne,
                "<" => Op::Lt,
                "<=" => Op::Le,
                ">" => Op::Gt,
                ">=" => Op::Ge,
                "|" => Op::BitOr,
                "+" => Op::Add,
                "-" => Op::Sub,
                "*" => Op::Mul,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn too_deep(&self, at: Span) -> Problem {
        Problem::new(
            at,
            format!("this expression is nested more than {DEEPEST} deep"),
        )
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn expr(&mut self, least: u8, depth: usize) -> Result<Deep, Problem> {
        let start = self.span();
        if depth > DEEPEST {
            return Err(self.too_deep(start));
        }
        let (mut left, mut height) = if least <= Op::NOT && self.take_word("not") {
            let (inner, height) = self.expr(Op::NOT, depth + 1)?;
            (self.node(start, ExprKind::Not(Box::new(inner))), height + 1)
        } else {
            self.operand(depth)?
        };
        while let Some(op) = self.operator() {
            let binds = op.precedence();
            if binds < least {
                break;
            }
            let sign = self.span();
            self.at += 1;
            let right_least = if op == Op::Implies { binds } else { binds + 1 };
            let (right, right_height) = self.expr(right_least, depth + 1)?;
            height = height.max(right_height) + 1;
            if height > DEEPEST {
                return Err(self.too_deep(sign));
            }
            left = self.node(start, ExprKind::Binary(op, Box::new(left), Box::new(right)));
            if op.is_comparison()
                && let Some(next) = self.operator()
                && next.is_comparison()
            {
                return Err(Problem::new(self.span(), "comparisons do not chain")
                    .help("join two comparisons with `and`"));
            }
        }
        Ok((left, height))
    }

    fn node(&self, start: Span, kind: ExprKind) -> Expr {
        Expr {
            kind,
            span: self.since(start.start),
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Deep, Problem> {
        let start = self.span();
        let Some(tok) = self.peek() else {
            return Err(self.expected("a value"));
        };
        let kind = match tok {
            Tok::Int(n, base) => {
                self.at += 1;
                number(*n, *base, false, start)?
            }
            Tok::Str(bytes) => {
                self.at += 1;
                ExprKind::Data(Data::from_bytes(bytes))
            }
            Tok::Sign("-") => self.negative(start)?,
            Tok::Sign("(") => {
                self.at += 1;
                let (mut inner, height) = self.expr(0, depth + 1)?;
                self.close(")", start)?;
                inner.span = self.since(start.start);
                return Ok((inner, height));
            }
            Tok::Sign("[") => {
                self.at += 1;
                let (items, height) = self.list("]", start, depth)?;
                return Ok((self.node(start, ExprKind::List(items)), height + 1));
            }
            Tok::Ident(word) if word == "not" => {
                return Err(Problem::new(start, "`not` stands before a whole condition")
                    .help("put it in parentheses: (not a)"));
            }
            Tok::Ident(_) => {
                let name = self.name("a value")?;
                if self.take_sign("(") {
                    let (args, height) = self.list(")", start, depth)?;
                    return Ok((
                        self.node(start, ExprKind::Apply(name.text, args)),
                        height + 1,
                    ));
                }
                if self.take_sign(".") {
                    let inner = self.name("the name of a result")?;
                    ExprKind::Qualified(name.text, inner.text)
                } else {
                    ExprKind::Name(name.text)
                }
            }
            _ => return Err(self.expected("a value")),
        };
        Ok((self.node(start, kind), 1))
    }

    /// `-1`, or `-1 EAGAIN`.
    fn negative(&mut self, start: Span) -> Result<ExprKind, Problem> {
        self.at += 1;
        let Some(&Tok::Int(n, base)) = self.peek() else {
            return Err(self.expected("a number"));
        };
        self.at += 1;
        if let Some(Tok::Ident(word)) = self.peek()
            && !RESERVED.contains(&word.as_str())
        {
            if (n, base) != (1, Base::Decimal) {
                return Err(
                    Problem::new(self.since(start.start), "a failed call returns -1")
                        .help(format!("write -1 {word}")),
                );
            }
            let errno = self.name("an errno")?;
            return Ok(ExprKind::Error(errno.text));
        }
        number(n, base, true, self.since(start.start))
    }

    fn close(&mut self, sign: &str, open: Span) -> Result<(), Problem> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self
            .expected(&format!("`{sign}`"))
            .also(open, "to close what opens here"))
    }

    /// Values up to the closing sign; the opening one has been taken.
    fn list(
        &mut self,
        closing: &str,
        open: Span,
        depth: usize,
    ) -> Result<(Vec<Expr>, usize), Problem> {
        let mut items = Vec::new();
        let mut height = 0;
        if self.take_sign(closing) {
            return Ok((items, height));
        }
        loop {
            let (item, h) = self.expr(Op::BitOr.precedence(), depth + 1)?;
            height = height.max(h);
            items.push(item);
            if self.take_sign(closing) {
                return Ok((items, height));
            }
            if !self.take_sign(",") {
                return Err(self
                    .expected(&format!("`,` or `{closing}`"))
                    .also(open, "in the list that opens here"));
            }
        }
    }

    /// The arguments of a call, from the opening parenthesis.
    pub(super) fn arguments(&mut self, call: Span) -> Result<Vec<Expr>, Problem> {
        let open = self.span();
        if !self.take_sign("(") {
            return Err(self.expected("`(`").also(call, "after the name of a call"));
        }
        Ok(self.list(")", open, 0)?.0)
    }
}

fn number(n: u64, base: Base, negative: bool, span: Span) -> Result<ExprKind, Problem> {
    let n = i128::from(n) * if negative { -1 } else { 1 };
    let n = i64::try_from(n).map_err(|_| {
        Problem::new(span, format!("{n} is too large")).label("does not fit in 64 bits, signed")
    })?;
    Ok(match base {
        Base::Decimal => ExprKind::Int(n),
        Base::Octal => ExprKind::Octal(n),
        Base::Hex => ExprKind::Hex(n),
    })
}
