//! The static library as rustc writes it holds, beside the library, all of Rust's runtime for arithmetic: 300 members and
//! 4 MB of which nothing is used. A linker that is told to take an archive whole takes them, and then misses the unwinder.
//! Here: the members that are the library's own, under names that do not change from build to build.

use std::error::Error;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use ar_archive_writer::{
    ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream,
};
use object::read::archive::ArchiveFile;
use object::{BinaryFormat, Object, ObjectSymbol};

/// How a member of its own is called afterwards; `None` for the others. rustc's name begins with the crate's, the C compiler's
/// wrapper has a number before the source file's.
fn own_name(name: &str) -> Option<&'static str> {
    match name {
        name if name.starts_with("kcp") && name.ends_with(".rcgu.o") => Some("kcp.o"),
        name if name.ends_with("ikcp_log.o") => Some("ikcp_log.o"),
        _ => None,
    }
}

pub fn shrink(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let data = fs::read(from)?;
    let archive = ArchiveFile::parse(&*data)?;
    let mut own = Vec::new();
    let mut apple = false;
    for member in archive.members() {
        let member = member?;
        let name = String::from_utf8_lossy(member.name());
        // Apple's archives pad names.
        let name = name.trim_end_matches('\0');
        if let Some(called) = own_name(name) {
            // A copy, since members are less aligned than what the parser reads.
            let bytes = member.data(&*data)?.to_vec();
            if !bytes.starts_with(b"\0asm") {
                let file = object::File::parse(&*bytes)?;
                apple = file.format() == BinaryFormat::MachO;
                complete(&file, name)?;
            }
            own.push((called, bytes));
        }
    }
    own.sort();
    own.reverse();
    if own
        .iter()
        .map(|(name, _)| *name)
        .ne(["kcp.o", "ikcp_log.o"])
    {
        let found: Vec<_> = own.iter().map(|(name, _)| name).collect();
        return Err(format!(
            "{} has these members of the library: {found:?}; expected kcp.o and ikcp_log.o",
            from.display()
        )
        .into());
    }

    let kind = match to.extension() {
        Some(extension) if extension == "lib" => ArchiveKind::Coff,
        _ if apple => ArchiveKind::Darwin,
        _ => ArchiveKind::Gnu,
    };
    let members: Vec<_> = own
        .into_iter()
        .map(|(name, bytes)| NewArchiveMember::new(bytes, &DEFAULT_OBJECT_READER, name.into()))
        .collect();
    let mut written = Cursor::new(Vec::new());
    write_archive_to_stream(&mut written, &members, kind, false, None)?;
    Ok(fs::write(to, written.into_inner())?)
}

/// What a member asks for has a name of C, which the C library or the compiler's own library has; a name of Rust would be
/// found nowhere.
fn complete(file: &object::File, member: &str) -> Result<(), Box<dyn Error>> {
    let missing: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| {
            let plain = name.trim_start_matches('_');
            plain.starts_with("ZN") || plain.starts_with('R') || plain.starts_with("rust_")
        })
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("{member} needs {missing:?}, which only Rust's runtime has").into()),
    }
}
