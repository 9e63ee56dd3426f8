//! The blocking carrier against fake servers: threads of this program on loopback that fragment,
//! hang, break, lie, and come back on purpose. Time limits are never asserted, only outcomes.

mod answers;
mod failures;
mod fake;
mod large;
mod question;
mod returns;
