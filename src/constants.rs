//! The protocol's constants as the original exports them: data symbols that programs declare themselves, as in
//! `extern const IUINT32 IKCP_OVERHEAD;`. The header leaves them out, since some programs define macros of these names.

use ikcp_core::{IUINT32, consts};

macro_rules! export {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            #[cfg_attr(prefixed, unsafe(export_name = prefixed!($name)))]
            pub static $name: IUINT32 = consts::$name as IUINT32;
        )*
    };
}

export! {
    IKCP_RTO_NDL IKCP_RTO_MIN IKCP_RTO_DEF IKCP_RTO_MAX
    IKCP_CMD_PUSH IKCP_CMD_ACK IKCP_CMD_WASK IKCP_CMD_WINS
    IKCP_ASK_SEND IKCP_ASK_TELL
    IKCP_WND_SND IKCP_WND_RCV
    IKCP_MTU_DEF IKCP_ACK_FAST IKCP_INTERVAL IKCP_OVERHEAD IKCP_DEADLINK
    IKCP_THRESH_INIT IKCP_THRESH_MIN
    IKCP_PROBE_INIT IKCP_PROBE_LIMIT
    IKCP_FASTACK_LIMIT
}
