//! The scenarios that come with Lockstep, built into the program, and the choice among files.

use crate::{Case, Error, Scenario};
use include_dir::{Dir, DirEntry, include_dir};
use std::path::{Path, PathBuf};

/// What scenario files are called.
pub const EXTENSION: &str = "ipc";

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests");

/// The scenarios that come with Lockstep, by file name.
///
/// # Errors
/// If one of them is not a scenario, which the tests exclude.
pub fn built_in() -> Result<Vec<Scenario>, Error> {
    fn gather(dir: &Dir<'_>, into: &mut Vec<(String, String)>) {
        for entry in dir.entries() {
            match entry {
                DirEntry::Dir(d) => gather(d, into),
                DirEntry::File(f) => {
                    let path = f.path();
                    if let (true, Some(text)) = (
                        path.extension().is_some_and(|e| e == EXTENSION),
                        f.contents_utf8(),
                    ) {
                        into.push((format!("tests/{}", path.display()), text.to_string()));
                    }
                }
            }
        }
    }
    let mut files = Vec::new();
    gather(&BUILT_IN, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|(file, text)| Scenario::built_in(file, text))
        .collect()
}

/// The scenario files under a folder, in every depth, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn files_under(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::File {
        file: dir.display().to_string(),
        error,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else if path.extension().is_some_and(|e| e == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The cases that the words of a command line choose: those of a file, of the files of a folder,
/// or of the built-in scenarios that name exactly, or else those whose name contains the word;
/// without words, all built-in ones. None is chosen twice.
///
/// # Errors
/// Every file that is not a scenario or cannot be read, and every word that chooses nothing.
pub fn choose(words: &[String]) -> Result<Vec<Case>, Vec<Error>> {
    let one = |e| vec![e];
    if words.is_empty() {
        return Ok(cases(&built_in().map_err(one)?));
    }
    let mut chosen: Vec<Case> = Vec::new();
    let mut errors = Vec::new();
    for word in words {
        match choose_by(word) {
            Ok(found) if found.is_empty() => errors.push(Error::NothingChosen(word.clone())),
            Ok(found) => {
                for case in found {
                    let same =
                        |c: &Case| c.name() == case.name() && c.source.file == case.source.file;
                    if !chosen.iter().any(same) {
                        chosen.push(case);
                    }
                }
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        Ok(chosen)
    } else {
        Err(errors)
    }
}

fn choose_by(word: &str) -> Result<Vec<Case>, Vec<Error>> {
    let path = Path::new(word);
    let looks_like_file = path.extension().is_some_and(|e| e == EXTENSION);
    if path.is_file() || looks_like_file {
        let scenario = Scenario::read(path).map_err(|e| vec![e])?;
        return Ok(scenario.cases().to_vec());
    }
    if path.is_dir() {
        let mut scenarios = Vec::new();
        let mut errors = Vec::new();
        for file in files_under(path).map_err(|e| vec![e])? {
            match Scenario::read(file) {
                Ok(scenario) => scenarios.push(scenario),
                Err(error) => errors.push(error),
            }
        }
        return if errors.is_empty() {
            Ok(cases(&scenarios))
        } else {
            Err(errors)
        };
    }
    let all = cases(&built_in().map_err(|e| vec![e])?);
    let exact: Vec<Case> = all
        .iter()
        .filter(|c| c.name() == word || c.base_name() == word)
        .cloned()
        .collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    Ok(all
        .into_iter()
        .filter(|c| c.name().contains(word))
        .collect())
}

fn cases(scenarios: &[Scenario]) -> Vec<Case> {
    scenarios.iter().flat_map(|s| s.cases().to_vec()).collect()
}
