//! The C interface of KCP for the tools.
