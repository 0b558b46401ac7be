//! Programs in Go that use kcp-go.

use std::fmt;
use std::path::Path;
use std::process::Command;

/// Where Debian's packages put the sources of Go libraries.
const GOPATH: &str = "/usr/share/gocode";

/// Why there is no program.
pub enum Error {
    /// What this machine lacks.
    Missing(String),
    /// What the compiler says.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (Error::Missing(why) | Error::Failed(why)) = self;
        out.write_str(why)
    }
}

/// Builds `source` into `folder/name`.
pub fn build(source: &Path, folder: &Path, name: &str) -> Result<(), Error> {
    let library = Path::new(GOPATH).join("src/github.com/xtaci/kcp-go/kcp.go");
    if !library.exists() {
        return Err(Error::Missing(format!("{} is missing", library.display())));
    }
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(folder.join(name))
        .arg(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .env("GOFLAGS", "")
        // GOPATH cannot be written to, and HOME may be unset.
        .env("GOCACHE", folder.join("go-cache"))
        .output()
        .map_err(|error| Error::Missing(format!("go: {error}")))?;
    match built.status.success() {
        true => Ok(()),
        false => Err(Error::Failed(
            String::from_utf8_lossy(&built.stderr).into_owned(),
        )),
    }
}
