fn main() {
    cc::Build::new().file("kcp/ikcp.c").compile("kcp");
}
