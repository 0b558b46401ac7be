//! Bytes of code that users of the library ship.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The shared library, stripped.
    Shared,
    /// Text that the archive adds to a program that calls every function of 1.7.1, linked with --gc-sections.
    Static,
}

/// Calls every function of ikcp.h but `ikcp_setcc`, which 1.7.1 lacks. With `STUBS` it defines empty ones, and so is the program without a library.
const PROGRAM: &str = r#"
#include <stddef.h>
#ifdef STUBS
#define API(type, name, parameters) __attribute__((noinline)) type name parameters { return (type)0; }
#define API_VOID(name, parameters) __attribute__((noinline)) void name parameters { }
#else
#define API(type, name, parameters) type name parameters;
#define API_VOID(name, parameters) void name parameters;
#endif
API(void *, ikcp_create, (unsigned conv, void *user))
API_VOID(ikcp_release, (void *kcp))
API_VOID(ikcp_setoutput, (void *kcp, int (*output)(const char *, int, void *, void *)))
API(int, ikcp_recv, (void *kcp, char *buffer, int len))
API(int, ikcp_send, (void *kcp, const char *buffer, int len))
API_VOID(ikcp_update, (void *kcp, unsigned current))
API(unsigned, ikcp_check, (const void *kcp, unsigned current))
API(int, ikcp_input, (void *kcp, const char *data, long size))
API_VOID(ikcp_flush, (void *kcp))
API(int, ikcp_peeksize, (const void *kcp))
API(int, ikcp_setmtu, (void *kcp, int mtu))
API(int, ikcp_wndsize, (void *kcp, int sndwnd, int rcvwnd))
API(int, ikcp_waitsnd, (const void *kcp))
API(int, ikcp_nodelay, (void *kcp, int nodelay, int interval, int resend, int nc))
API_VOID(ikcp_log, (void *kcp, int mask, const char *fmt, ...))
API_VOID(ikcp_allocator, (void *(*new_malloc)(size_t), void (*new_free)(void *)))
API(unsigned, ikcp_getconv, (const void *ptr))
int main(int argc, char **argv)
{
    static char buffer[1500];
    void *kcp = ikcp_create((unsigned)argc, argv);
    ikcp_allocator(NULL, NULL);
    ikcp_setoutput(kcp, NULL);
    ikcp_nodelay(kcp, argc, argc, argc, argc);
    ikcp_wndsize(kcp, argc, argc);
    ikcp_setmtu(kcp, argc);
    ikcp_send(kcp, argv[0], argc);
    ikcp_input(kcp, argv[0], argc);
    ikcp_update(kcp, (unsigned)argc);
    ikcp_flush(kcp);
    ikcp_log(kcp, argc, argv[0], argc);
    argc += ikcp_recv(kcp, buffer, sizeof buffer) + ikcp_peeksize(kcp) + ikcp_waitsnd(kcp);
    argc += (int)(ikcp_check(kcp, (unsigned)argc) + ikcp_getconv(argv[0]));
    ikcp_release(kcp);
    return argc;
}
"#;

/// The size of the shared library without debug information.
pub fn shared(library: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let stripped = directory.path().join("stripped.so");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(library))?;
    Ok(std::fs::metadata(&stripped)?.len() as f64)
}

/// The text of a program with the archive, less that of the same program with empty functions.
pub fn added_text(archive: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let source = directory.path().join("program.c");
    std::fs::write(&source, PROGRAM)?;
    let link = |name: &str, arguments: &[&Path]| -> Result<f64> {
        let program = directory.path().join(name);
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        run(Command::new(compiler)
            .args(["-O2", "-ffunction-sections", "-Wl,--gc-sections", "-o"])
            .arg(&program)
            .arg(&source)
            .args(arguments))?;
        text(&program)
    };
    let with = link("with", &[archive])?;
    let without = link("without", &[&PathBuf::from("-DSTUBS")])?;
    Ok(with - without)
}

/// The first column of `size`: code and constants.
fn text(program: &Path) -> Result<f64> {
    let listing = run(Command::new("size").arg(program))?;
    let number = listing
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next())
        .context("size prints a table")?;
    Ok(number.parse()?)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
