//! Broadcast
