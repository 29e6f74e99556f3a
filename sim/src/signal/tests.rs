//! Signals, told step by step.
