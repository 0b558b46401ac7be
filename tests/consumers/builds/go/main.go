package main

// #include "ikcp.h"
import "C"
import "fmt"

func main() {
	kcp := C.ikcp_create(1, nil)
	fmt.Printf("it runs: %d\n", C.ikcp_send(kcp, C.CString("hello"), 5))
	C.ikcp_release(kcp)
}
