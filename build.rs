//! The scenarios under `tests/` are built into the program: a new one there means a new program.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=tests");
}
