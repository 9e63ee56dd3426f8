//! C types by the names that the old header used.

/// `u_int16_t` of `<sys/types.h>`.
pub type u_int16_t = u16;
/// `u_int32_t` of `<sys/types.h>`.
pub type u_int32_t = u32;
/// `u_int64_t` of `<sys/types.h>`.
pub type u_int64_t = u64;
