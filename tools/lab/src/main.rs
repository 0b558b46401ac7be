//! The program; what it does is in the library beside it.

fn main() -> std::process::ExitCode {
    kcp_lab::main()
}
