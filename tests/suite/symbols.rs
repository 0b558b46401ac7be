//! What the two files export: the original's symbols, and those of ikcpx.h if the library has extensions.

use std::fs;
use std::path::Path;

use object::elf;
use object::read::archive::ArchiveFile;
use object::read::elf::{ElfFile64, SectionHeader};
use object::{Endianness, Object, ObjectSymbol, SymbolFlags, SymbolKind};

use crate::library::{self, ALL, DEFAULT, Flavour, LAYOUT_211, PLAIN};
use crate::suite::{Outcome, Suite};
use crate::tools::compare_with_file;

/// What a machine lacks if its files have another format.
pub fn missing() -> Option<String> {
    (!cfg!(all(target_os = "linux", target_pointer_width = "64")))
        .then(|| "reads 64-bit ELF files only".to_string())
}

pub fn add(suite: &mut Suite) {
    for flavour in ALL.into_iter().chain([PLAIN]) {
        suite.test_in(
            flavour.extent(),
            missing(),
            format!("symbols: of libkcp.so, {}", flavour.name),
            move || shared_symbols(flavour),
        );
        suite.test_in(
            flavour.extent(),
            missing(),
            format!("symbols: of libkcp.a, {}", flavour.name),
            move || archive_symbols(flavour),
        );
    }
    suite.test_unless(missing(), "symbols: libkcp.so is called libkcp.so", soname);
    for flavour in ALL.into_iter().chain([PLAIN]) {
        suite.test_in(
            flavour.extent(),
            missing(),
            format!("symbols: no panic is left, {}", flavour.name),
            move || no_panic(flavour),
        );
    }
}

/// `T` for a function, `D` for data, as in nm; read-only data counts as data.
fn line<'data>(symbol: &impl ObjectSymbol<'data>) -> String {
    let kind = match symbol.kind() {
        SymbolKind::Text => 'T',
        SymbolKind::Data => 'D',
        other => return format!("{other:?} {}", symbol.name().unwrap_or("?")),
    };
    format!("{kind} {}", symbol.name().unwrap_or("?"))
}

/// Whether other files see the symbol.
fn is_exported<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    let visible = match symbol.flags() {
        SymbolFlags::Elf { st_other, .. } => st_other & 3 == elf::STV_DEFAULT,
        _ => true,
    };
    visible && symbol.is_global() && symbol.is_definition()
}

/// Both golden lists.
pub fn golden() -> Result<String, std::io::Error> {
    let folder = library::root().join("tests/golden");
    let own = fs::read_to_string(folder.join("symbols.txt"))?;
    Ok(own + &fs::read_to_string(folder.join("symbols-extensions.txt"))?)
}

pub fn compare(flavour: Flavour, mut found: Vec<String>) -> Outcome {
    found.sort_by(|a, b| a[2..].cmp(&b[2..]));
    if flavour == LAYOUT_211 {
        // The name that the header of this layout gives to ikcp_create.
        let own = found
            .iter()
            .position(|line| line == "T ikcp_create_layout_211")
            .ok_or("ikcp_create_layout_211 is missing")?;
        found.remove(own);
    }
    let (own, extensions): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|line| !line.contains("ikcpx_"));
    let golden = library::root().join("tests/golden");
    let text = |lines: Vec<String>| lines.join("\n") + "\n";
    compare_with_file(&golden.join("symbols.txt"), &text(own))?;
    match (flavour == PLAIN, extensions.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("extensions in a library without: {extensions:?}").into()),
        _ => Ok(compare_with_file(
            &golden.join("symbols-extensions.txt"),
            &text(extensions),
        )?),
    }
}

fn shared_symbols(flavour: Flavour) -> Outcome {
    let data = fs::read(flavour.library()?.shared)?;
    compare(flavour, of_shared(&data)?)
}

/// What a shared object exports, except for the ends of its sections, which some linkers add.
pub fn of_shared(data: &[u8]) -> Result<Vec<String>, object::Error> {
    let file = object::File::parse(data)?;
    let of_linker = |name: &str| ["__bss_start", "_edata", "_end"].contains(&name);
    Ok(file
        .dynamic_symbols()
        .filter(is_exported)
        .filter(|symbol| !symbol.name().is_ok_and(of_linker))
        .map(|symbol| line(&symbol))
        .collect())
}

fn archive_symbols(flavour: Flavour) -> Outcome {
    let data = fs::read(flavour.library()?.archive)?;
    compare(flavour, of_archive(&data)?)
}

/// What the members of an archive export.
pub fn of_archive(data: &[u8]) -> Result<Vec<String>, object::Error> {
    let archive = ArchiveFile::parse(data)?;
    let mut found = Vec::new();
    for member in archive.members() {
        let member = member?;
        // Rust's own runtime. In some versions an internal name is visible, but none that is a name in C.
        let runtime = member.name().starts_with(b"compiler_builtins");
        // A copy, because the parser needs more alignment than members have.
        let object = member.data(data)?.to_vec();
        if !object.starts_with(&elf::ELFMAG) {
            continue; // metadata of rustc
        }
        let file = object::File::parse(&*object)?;
        found.extend(
            file.symbols()
                .filter(is_exported)
                .map(|symbol| line(&symbol))
                .filter(|line| !(runtime && line.contains(" _ZN"))),
        );
    }
    Ok(found)
}

fn soname() -> Outcome {
    let path = DEFAULT.library()?.shared;
    let found = read_soname(&path)?;
    match found.as_str() {
        "libkcp.so" => Ok(()),
        _ => Err(format!("its soname is {found:?}").into()),
    }
}

fn read_soname(path: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let data = fs::read(path)?;
    let file = ElfFile64::<Endianness>::parse(&*data)?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    for section in sections.iter() {
        let Some((entries, link)) = section.dynamic(endian, &*data)? else {
            continue;
        };
        let strings = sections.strings(endian, &*data, link)?;
        for entry in entries {
            if entry.d_tag.get(endian) == elf::DT_SONAME {
                let name = strings
                    .get(u32::try_from(entry.d_val.get(endian))?)
                    .map_err(|()| "bad string table")?;
                return Ok(String::from_utf8(name.to_vec())?);
            }
        }
    }
    Err("it has no soname".into())
}

/// Hostile input must not end a program, so a release build contains no code that could panic.
fn no_panic(flavour: Flavour) -> Outcome {
    let library = flavour.library()?;
    let data = fs::read(library.shared)?;
    let file = ElfFile64::<Endianness>::parse(&*data)?;
    no_panic_among(file.symbols())?;

    let data = fs::read(library.archive)?;
    let archive = ArchiveFile::parse(&*data)?;
    for member in archive.members() {
        let member = member?;
        let object = member.data(&*data)?.to_vec();
        // This member of the archive is ours. The others are the shim of ikcp_log and Rust's own runtime, which is linked only as
        // far as our member needs it.
        if member.name().starts_with(b"kcp.") && object.starts_with(&elf::ELFMAG) {
            let file = object::File::parse(&*object)?;
            return no_panic_among(file.symbols());
        }
    }
    Err("the archive has no member of ours".into())
}

/// All names of symbols: local, global and undefined, since a call of a function that panics may be any of these.
fn no_panic_among<'data>(symbols: impl Iterator<Item = impl ObjectSymbol<'data>>) -> Outcome {
    let all: Vec<_> = symbols
        .filter_map(|symbol| symbol.name().ok().map(str::to_string))
        .collect();
    if !all.iter().any(|name| name == "ikcp_send") {
        return Err("the file is stripped, so its symbols are unknown".into());
    }
    let panics: Vec<_> = all
        .iter()
        .filter(|name| {
            [
                "panic",
                "rust_begin_unwind",
                "rust_eh_personality",
                "unwrap_failed",
            ]
            .iter()
            .any(|part| name.contains(part))
        })
        .collect();
    match panics.is_empty() {
        true => Ok(()),
        false => Err(format!("{panics:?}").into()),
    }
}
