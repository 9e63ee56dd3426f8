//! Wire transcripts.
