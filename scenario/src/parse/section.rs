//! The sections of a scenario file.

/// The words that begin a section.
pub(super) const SECTIONS: &[&str] = &[
    "test",
    "clauses",
    "needs",
    "with",
    "setup",
    "process",
    "order",
    "always",
    "never",
    "sometimes",
];

/// The sections in the order in which they stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Test,
    Description,
    Clauses,
    Needs,
    With,
    Setup,
    Process,
    Order,
    Condition,
}

impl Section {
    /// The section that the word begins.
    pub(super) fn of(word: &str) -> Option<Section> {
        Some(match word {
            "test" => Section::Test,
            "clauses" => Section::Clauses,
            "needs" => Section::Needs,
            "with" => Section::With,
            "setup" => Section::Setup,
            "process" => Section::Process,
            "order" => Section::Order,
            "always" | "never" | "sometimes" => Section::Condition,
            _ => return None,
        })
    }

    pub(super) fn may_repeat(self) -> bool {
        !matches!(self, Section::Test | Section::Setup | Section::Order)
    }

    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Section::Test => "`test`",
            Section::Description => "the description",
            Section::Clauses => "`clauses`",
            Section::Needs => "`needs`",
            Section::With => "`with`",
            Section::Setup => "`setup`",
            Section::Process => "`process`",
            Section::Order => "`order`",
            Section::Condition => "conditions",
        }
    }
}
