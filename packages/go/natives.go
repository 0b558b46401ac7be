package ikcp

// The archives lie beside this file, in no folder of their own, so that `go mod vendor` takes them along.

/*
#cgo linux,!android,amd64 LDFLAGS: ${SRCDIR}/libkcp_linux_amd64.a
#cgo linux,!android,arm64 LDFLAGS: ${SRCDIR}/libkcp_linux_arm64.a
#cgo linux,!android,arm LDFLAGS: ${SRCDIR}/libkcp_linux_arm.a
#cgo linux,!android,riscv64 LDFLAGS: ${SRCDIR}/libkcp_linux_riscv64.a
#cgo windows,amd64 LDFLAGS: ${SRCDIR}/libkcp_windows_amd64.a
#cgo windows,386 LDFLAGS: ${SRCDIR}/libkcp_windows_386.a
#cgo darwin,!ios,amd64 LDFLAGS: ${SRCDIR}/libkcp_darwin_amd64.a
#cgo darwin,!ios,arm64 LDFLAGS: ${SRCDIR}/libkcp_darwin_arm64.a
#cgo ios,arm64 LDFLAGS: ${SRCDIR}/libkcp_ios_arm64.a
#cgo android,arm64 LDFLAGS: ${SRCDIR}/libkcp_android_arm64.a
#cgo android,arm LDFLAGS: ${SRCDIR}/libkcp_android_arm.a
#cgo android,amd64 LDFLAGS: ${SRCDIR}/libkcp_android_amd64.a
#cgo android,386 LDFLAGS: ${SRCDIR}/libkcp_android_386.a
*/
import "C"
