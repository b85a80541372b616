//! Files with one mistake each.
