// kcp-go, with its cipher or without: CIPHER ROLE WORK CONNECTIONS SIZE WINDOW PERIOD [ADDRESS], see ../stack.c.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	kcp "github.com/xtaci/kcp-go"
)

var bytes, messages uint64

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(at int) int {
	value, err := strconv.Atoi(os.Args[at])
	must(err)
	return value
}

func took(size int) {
	atomic.AddUint64(&bytes, uint64(size))
	atomic.AddUint64(&messages, 1)
}

// Counts for each line, and the end with the input.
func answer() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(atomic.LoadUint64(&bytes), atomic.LoadUint64(&messages), 0)
	}
	os.Exit(0)
}

func pump(session *kcp.UDPSession, size int) {
	message := make([]byte, size)
	for {
		_, err := session.Write(message)
		must(err)
	}
}

func drain(session *kcp.UDPSession, echo bool) {
	buffer := make([]byte, 1<<16)
	for {
		size, err := session.Read(buffer)
		must(err)
		took(size)
		if echo {
			_, err = session.Write(buffer[:size])
			must(err)
		}
	}
}

func main() {
	role, work := os.Args[2], os.Args[3]
	connections, size, window, period := number(4), number(5), number(6), number(7)
	var block kcp.BlockCrypt
	if os.Args[1] == "aes" {
		var err error
		block, err = kcp.NewAESBlockCrypt(make([]byte, 32))
		must(err)
	}
	set := func(session *kcp.UDPSession) {
		session.SetNoDelay(1, 10, 2, 1)
		session.SetWindowSize(window, window)
		session.SetMtu(1400)
		session.SetStreamMode(work == "up" || work == "down")
		session.SetWriteDelay(work != "echo")
		session.SetACKNoDelay(work == "echo")
	}
	go answer()
	if role == "server" {
		listener, err := kcp.ListenWithOptions(os.Getenv("KCP_STACK_HOST")+":0", block, 0, 0)
		must(err)
		listener.SetReadBuffer(4 << 20)
		listener.SetWriteBuffer(4 << 20)
		fmt.Printf("address %d\n", listener.Addr().(*net.UDPAddr).Port)
		for {
			session, err := listener.AcceptKCP()
			must(err)
			set(session)
			if work == "down" {
				// The first message only tells that somebody is there.
				go func() {
					session.Read(make([]byte, 64))
					pump(session, size)
				}()
			} else {
				go drain(session, work == "echo")
			}
		}
	}
	for i := 0; i < connections; i++ {
		session, err := kcp.DialWithOptions(os.Args[8], block, 0, 0)
		must(err)
		set(session)
		session.SetReadBuffer(1 << 20)
		switch work {
		case "up":
			go pump(session, size)
		case "down":
			session.Write([]byte("here"))
			go drain(session, false)
		default:
			go drain(session, false)
			go func(i int) {
				message := make([]byte, size)
				time.Sleep(time.Duration(i*period) * time.Millisecond / time.Duration(connections))
				ticker := time.NewTicker(time.Duration(period) * time.Millisecond)
				for range ticker.C {
					_, err := session.Write(message)
					must(err)
				}
			}(i)
		}
	}
	fmt.Println("ready")
	select {}
}
