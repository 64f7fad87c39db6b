//! Calls that fail: once or for ever, with and without effect, short, and lying.
