//! The sweep: every copy that is not where the rules place it is moved there (rules 6 to 8).
//!
//! - [`dump`]: the list of a server's keys;
//! - [`line`]: one line of it; [`part`]: what is kept of it; `talk`: the connection over which it comes.
//!
//! Which copy goes where is decided by the rules alone; here is only what carries them.

pub mod dump;
pub mod line;
pub mod part;
mod talk;
