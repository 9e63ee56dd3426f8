//! bring
