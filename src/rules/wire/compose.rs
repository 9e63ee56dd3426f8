//! Commands as bytes.

use super::Command;

/// A command needs meta commands and the server has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported;

/// Appends a command's bytes to `out`. `meta`: whether the server has meta commands.
pub fn compose(command: &Command<'_>, meta: bool, out: &mut Vec<u8>) -> Result<(), Unsupported> {
    todo!("{command:?} {meta} {out:?}")
}
