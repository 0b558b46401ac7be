//! Runs the latency test of KCP as a C program would use the library: builds it, compiles latency.c with the system's C
//! compiler against the header and libkcp.a, and starts that. Options are those of latency.c.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

fn main() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = example.ancestors().nth(2).unwrap_or(example);
    // This program is <target>/<profile>/latency, and the library lies in <target>/release.
    let target = env::current_exe()
        .ok()
        .and_then(|path| Some(path.ancestors().nth(2)?.to_path_buf()))
        .unwrap_or_else(|| fail("this program does not know where it lies"));

    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .current_dir(root)
        .args(["build", "--release", "--lib", "--locked", "--target-dir"])
        .arg(&target));

    let program = target.join("release/latency-c");
    run(Command::new(compiler())
        .args(["-O2", "-I"])
        .arg(root.join("include"))
        .arg(example.join("latency.c"))
        .arg(target.join("release/libkcp.a"))
        .arg("-o")
        .arg(&program));

    become_program(&program)
}

/// Ends in the C program, so that Ctrl-C and the exit code are that program's.
#[cfg(unix)]
fn become_program(program: &Path) -> ! {
    use std::os::unix::process::CommandExt;
    let error = Command::new(program).args(env::args_os().skip(1)).exec();
    fail(&format!("{}: {error}", program.display()))
}

#[cfg(not(unix))]
fn become_program(_: &Path) -> ! {
    fail("the program needs POSIX sockets")
}

/// What `CC` names, or the first C compiler there is.
fn compiler() -> PathBuf {
    if let Some(cc) = env::var_os("CC") {
        return cc.into();
    }
    ["cc", "gcc", "clang"]
        .into_iter()
        .find(|name| {
            Command::new(name)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
        })
        .unwrap_or_else(|| fail("no C compiler is here: install gcc or clang, or set CC"))
        .into()
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?}: {status}")),
        Err(error) => fail(&format!("{command:?}: {error}")),
    }
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(1)
}
