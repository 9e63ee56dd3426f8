//! The sweep: every copy that is not where the rules place it is moved there (rules 6 to 8).
//!
//! - [`walk`]: all keys of one server are looked at, and what is not where it belongs is moved; [`pace`]: at what pace; [`counts`]: for
//!   people;
//! - [`dump`]: the list of a server's keys; [`line`]: one line of it; [`part`]: what is kept of it; `talk`: the connection over
//!   which it comes;
//! - [`marker`]: of several machines' daemons one sweeps;
//! - [`crew`]: the threads that do all this, and what they tell the daemon's loop.
//!
//! Which servers are to be walked, [`rules::sweep`](crate::rules::sweep) decides; which copy goes where,
//! [`Move`](crate::rules::operation::Move). Here is only what carries them.

pub mod counts;
pub mod crew;
pub mod dump;
pub mod line;
pub mod marker;
pub mod pace;
pub mod part;
mod talk;
pub mod walk;
