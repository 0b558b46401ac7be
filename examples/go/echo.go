// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../include
#cgo LDFLAGS: ${SRCDIR}/../../target/release/libkcp.a
#include <stdint.h>
#include "ikcp.h"

// The callback in Go. What it finds its connection by is a number: C must not keep pointers of Go.
int goOutput(char *buf, int len, uintptr_t handle);

static int output(const char *buf, int len, ikcpcb *kcp, void *user) {
	return goOutput((char *)buf, len, (uintptr_t)user);
}

static ikcpcb *create(IUINT32 conv, uintptr_t handle) {
	ikcpcb *kcp = ikcp_create(conv, (void *)handle);
	ikcp_setoutput(kcp, output);
	return kcp;
}
*/
import "C"

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"os"
	"runtime/cgo"
	"time"
	"unsafe"
)

const messages = 100

// One connection over one UDP socket. KCP is not for use by several goroutines at once.
type connection struct {
	kcp    *C.ikcpcb
	udp    *net.UDPConn
	server *net.UDPAddr
	handle cgo.Handle
}

//export goOutput
func goOutput(buf *C.char, size C.int, handle C.uintptr_t) C.int {
	c := cgo.Handle(handle).Value().(*connection)
	c.udp.WriteToUDP(unsafe.Slice((*byte)(unsafe.Pointer(buf)), int(size)), c.server)
	return size
}

func dial(address string) (*connection, error) {
	server, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c := &connection{udp: udp, server: server}
	c.handle = cgo.NewHandle(c)
	c.kcp = C.create(1, C.uintptr_t(c.handle))
	C.ikcp_nodelay(c.kcp, 1, 10, 2, 1)
	C.ikcp_wndsize(c.kcp, 256, 256)
	C.ikcp_update(c.kcp, now())
	return c, nil
}

func (c *connection) close() {
	C.ikcp_release(c.kcp)
	c.handle.Delete()
	c.udp.Close()
}

var epoch = time.Now()

// Milliseconds of a clock that is never set back.
func now() C.IUINT32 {
	return C.IUINT32(time.Since(epoch).Milliseconds())
}

func (c *connection) send(message []byte) {
	C.ikcp_send(c.kcp, (*C.char)(unsafe.Pointer(&message[0])), C.int(len(message)))
}

// Waits for a packet or for what KCP has to do; then takes a message, if there is one.
func (c *connection) wait() {
	current := now()
	due := time.Duration(C.ikcp_check(c.kcp, current)-current) * time.Millisecond
	if due < time.Millisecond {
		due = time.Millisecond
	}
	var packet [65536]byte
	c.udp.SetReadDeadline(time.Now().Add(due))
	if size, _, err := c.udp.ReadFromUDP(packet[:]); err == nil && size > 0 {
		C.ikcp_input(c.kcp, (*C.char)(unsafe.Pointer(&packet[0])), C.long(size))
	}
	C.ikcp_update(c.kcp, now())
}

func (c *connection) receive() []byte {
	size := C.ikcp_peeksize(c.kcp)
	if size <= 0 {
		return nil
	}
	message := make([]byte, size)
	C.ikcp_recv(c.kcp, (*C.char)(unsafe.Pointer(&message[0])), size)
	return message
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: echo PORT")
	}
	c, err := dial("127.0.0.1:" + os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer c.close()

	start := time.Now()
	var sent [messages][]byte
	for n := range sent {
		sent[n] = bytes.Repeat([]byte{byte(n)}, 1+n*31) // up to 3 KB: more than a packet
		c.send(sent[n])
	}
	C.ikcp_flush(c.kcp)

	for received := 0; received < messages; {
		if time.Since(start) > 20*time.Second {
			log.Fatalf("only %d of %d echoes came back", received, messages)
		}
		c.wait()
		for message := c.receive(); message != nil; message = c.receive() {
			if !bytes.Equal(message, sent[received]) {
				log.Fatalf("echo %d is not what was sent", received)
			}
			received++
		}
	}
	fmt.Printf("%d echoes, all equal, in %d ms\n", messages, time.Since(start).Milliseconds())
}
