//! The pool file: TOML as the operator wrote it, checked to the last word, as a [`Pool`](crate::rules::pool::Pool).
