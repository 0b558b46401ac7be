//! `ikcp.h` for one build of the library: it says of itself what programs would have to define.

use crate::{Build, Layout, Profile};

pub fn of(build: &Build, header: &str) -> Result<String, String> {
    let mut header = header.to_string();
    let profile = match build.profile {
        Profile::V211 => "211",
        Profile::V171 => "171",
        Profile::V17 => "170",
    };
    change(
        &mut header,
        "#define IKCP_PROFILE 211\n",
        &format!("#define IKCP_PROFILE {profile}\n"),
    )?;
    if build.layout == Layout::V211 {
        define(&mut header, "IKCP_LAYOUT_211", "")?;
    }
    if !build.prefix.is_empty() {
        define(&mut header, "KCP_PREFIX", &format!(" {}", build.prefix))?;
    }
    Ok(header)
}

/// Defines a macro where the header asks for it, unless a program has.
fn define(header: &mut String, name: &str, value: &str) -> Result<(), String> {
    let asks = format!("\n#ifdef {name}\n");
    change(
        header,
        &asks,
        &format!(
            "\n#ifndef {name}\n#define {name}{value} /* as the library was built */\n#endif{asks}"
        ),
    )
}

/// Changes a line, which must be there once.
fn change(header: &mut String, from: &str, to: &str) -> Result<(), String> {
    match header.matches(from).count() {
        1 => *header = header.replace(from, to),
        count => return Err(format!("ikcp.h has {count} times {:?}", from.trim())),
    }
    Ok(())
}
