//! Which cases a command line chooses, and how another command line chooses the same.

use super::Stop;
use super::args::Choice;
use super::out::quote;
use lockstep::{Case, Error, suite};

/// The words that would be subcommands if they were spelled rightly.
const COMMANDS: &[&str] = &[
    "run", "explore", "simulate", "race", "matrix", "list", "show", "explain", "coverage", "help",
];

/// The cases that are chosen; at least one.
pub fn cases(choice: &Choice) -> Result<Vec<Case>, Stop> {
    let mut chosen = suite::choose(&choice.words).map_err(|e| Stop::Bad(explain(e)))?;
    if let Some(wanted) = &choice.variant {
        let has = |case: &Case, one: &str| assignments(case.variant()).contains(&one);
        let wanted_all = assignments(wanted);
        let known = variants(&chosen);
        chosen.retain(|case| wanted_all.iter().all(|one| has(case, one)));
        if chosen.is_empty() {
            return Err(usage(format!("no variant is `{wanted}`; there {known}")));
        }
    }
    match chosen.is_empty() {
        true => Err(usage("there are no scenarios".into())),
        false => Ok(chosen),
    }
}

/// The one case that is chosen, where a schedule must belong to one.
pub fn only(cases: &[Case]) -> Result<&Case, Stop> {
    match cases {
        [case] => Ok(case),
        cases => Err(usage(format!(
            "a schedule belongs to one scenario, and {} are chosen; {}",
            cases.len(),
            match cases.iter().any(|c| !c.variant().is_empty()) {
                true => "say which with --variant NAME=VALUE",
                false => "give its file or its full name",
            }
        ))),
    }
}

/// The words that choose this case: `tests/a.ipc --variant n=1`, `'pipe/a[n=1]'`.
pub fn words(case: &Case) -> String {
    match (case.source.built_in, case.variant()) {
        (true, _) => quote(case.name()),
        (false, "") => quote(&case.source.file),
        (false, variant) => format!("{} --variant {}", quote(&case.source.file), quote(variant)),
    }
}

/// A mistake of usage.
pub fn usage(text: String) -> Stop {
    Stop::Bad(vec![Error::Usage(text)])
}

/// `n=4096,ends=pipe` as its parts. A comma in a list or in a string parts nothing.
fn assignments(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '(' if !quoted => depth += 1,
            ']' | ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

fn variants(cases: &[Case]) -> String {
    let names: Vec<&str> = cases
        .iter()
        .map(Case::variant)
        .filter(|v| !v.is_empty())
        .collect();
    match names.as_slice() {
        [] => "are none".into(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join("; ")),
    }
}

/// A word that is no scenario may be a subcommand with a slip.
fn explain(errors: Vec<Error>) -> Vec<Error> {
    let slip = |error| match error {
        Error::NothingChosen(word) => {
            match lockstep::scenario::nearest(&word, COMMANDS.iter().copied()) {
                Some(near) => Error::Usage(format!(
                    "`{word}` is no command and chooses no scenario; did you mean `lockstep {near}`?"
                )),
                None => Error::NothingChosen(word),
            }
        }
        error => error,
    };
    errors.into_iter().map(slip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_values_part_nothing() {
        assert_eq!(
            assignments(r#"n=1, s="a,b",l=[1,2]"#),
            ["n=1", r#"s="a,b""#, "l=[1,2]"]
        );
    }
}
