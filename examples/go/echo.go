// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	"example.com/ikcp"
)

const messages = 100

func main() {
	conn, err := ikcp.Dial("127.0.0.1:"+os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	conn.Kcp.Stats() // counts from here on
	start := time.Now()
	conn.SetDeadline(start.Add(20 * time.Second))
	var sent [messages][]byte
	for n := range sent {
		sent[n] = bytes.Repeat([]byte{byte(n)}, n*31) // up to 3 KB: more than a packet
		if _, err := conn.Write(sent[n]); err != nil {
			log.Fatal(err)
		}
	}
	for n := range sent {
		message, err := conn.ReadMessage()
		if err != nil || !bytes.Equal(message, sent[n]) {
			log.Fatalf("echo %d is not what was sent: %v", n, err)
		}
	}
	stats, _ := conn.Kcp.Stats()
	conn.Close()
	fmt.Printf("%d echoes, all equal, in %d ms\n", messages, time.Since(start).Milliseconds())
	fmt.Printf("%d packets; of %d segments %d were sent again\n", stats.PacketsSent, stats.SegmentsSent,
		stats.ResentTimeout+stats.ResentSkipped)
}
