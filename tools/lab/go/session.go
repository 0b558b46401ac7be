// A session of kcp-go in one program: a listener that reads, and a dialer that sends messages on a clock. It says where it listens, is
// told on standard input where to send, and says at the end what kcp-go counted:
//
//     address HOST:PORT
//     counted RETRANSMITTED FAST EARLY LOST REPEATED
package main

import (
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	kcp "github.com/xtaci/kcp-go"
)

var (
	key      = flag.String("key", "", "of AES, in hexadecimal; none without it")
	data     = flag.Int("data", 0, "data shards of error correction")
	parity   = flag.Int("parity", 0, "parity shards")
	messages = flag.Int("messages", 400, "messages to send")
	every    = flag.Duration("every", 10*time.Millisecond, "between messages")
	window   = flag.Int("window", 256, "send window")
)

func block() kcp.BlockCrypt {
	if *key == "" {
		return nil
	}
	bytes, err := hex.DecodeString(*key)
	if err != nil {
		log.Fatal(err)
	}
	block, err := kcp.NewAESBlockCrypt(bytes)
	if err != nil {
		log.Fatal(err)
	}
	return block
}

func tune(session *kcp.UDPSession) {
	session.SetNoDelay(1, 10, 2, 1)
	session.SetWindowSize(*window, 256)
	session.SetACKNoDelay(false)
}

func main() {
	flag.Parse()
	connection, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	listener, err := kcp.ServeConn(block(), *data, *parity, connection)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("address", listener.Addr())
	var link string
	if _, err := fmt.Scanln(&link); err != nil {
		log.Fatal(err)
	}
	const size = 400
	done := make(chan bool)
	go func() {
		session, err := listener.AcceptKCP()
		if err != nil {
			log.Fatal(err)
		}
		tune(session)
		buffer := make([]byte, size**messages)
		if _, err := io.ReadFull(session, buffer); err != nil {
			log.Fatal(err)
		}
		done <- true
	}()
	session, err := kcp.DialWithOptions(link, block(), *data, *parity)
	if err != nil {
		log.Fatal(err)
	}
	tune(session)
	message := make([]byte, size)
	for number := 0; number < *messages; number++ {
		if _, err := session.Write(message); err != nil {
			log.Fatal(err)
		}
		time.Sleep(*every)
	}
	<-done
	// Until the last acknowledgements have come.
	time.Sleep(500 * time.Millisecond)
	count := kcp.DefaultSnmp.Copy()
	fmt.Println("counted", count.RetransSegs, count.FastRetransSegs, count.EarlyRetransSegs, count.LostSegs, count.RepeatSegs)
}
