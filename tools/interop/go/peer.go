// One side of a transfer with kcp-go: sends random bytes and receives as many, says the digests of both, and goes on
// acknowledging until its standard input is closed.
//
// On standard output: "address HOST:PORT" once it can be reached (not when it dials), and at the end
// "report SENT RECEIVED", SHA-256 in hexadecimal: of the contents, in message mode each preceded by its length in 32
// bits, little-endian.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"hash"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"

	kcp "github.com/xtaci/kcp-go"
)

var (
	role     = flag.String("role", "", "core, listen or dial")
	stream   = flag.Bool("stream", false, "stream mode")
	extended = flag.Bool("extended", false, "some messages that arrive expire, and are not counted")
	bytes    = flag.Int("bytes", 0, "bytes to send and to receive")
	longest  = flag.Int("longest", 1, "bytes of the longest message")
	conv     = flag.Uint("conv", 0, "number of the conversation, unless it dials")
	seed     = flag.Int64("seed", 0, "of contents and message lengths")
	link     = flag.String("link", "", "address to send to")
)

// The windows of both sides, in segments.
const window = 256

// What was sent or received so far.
type account struct {
	hash     hash.Hash
	left     int
	expected uint32
}

func newAccount() *account {
	return &account{sha256.New(), *bytes, 0}
}

func (a *account) add(message []byte) {
	if !*stream {
		var length [4]byte
		binary.LittleEndian.PutUint32(length[:], uint32(len(message)))
		a.hash.Write(length[:])
	}
	a.hash.Write(message)
	a.left -= len(message)
}

// The next message to send.
func (a *account) next(random *rand.Rand) []byte {
	length := 1 + random.Intn(*longest)
	if length > a.left {
		length = a.left
	}
	message := make([]byte, length)
	random.Read(message)
	if *extended {
		message[0] &= 0x7f
	}
	a.add(message)
	return message
}

// A message that arrived. Those that expire have the highest bit in their first byte: one byte of 0xff where they have
// expired in flight, otherwise numbers that ascend.
func (a *account) take(message []byte) {
	if !*extended || message[0] < 0x80 {
		a.add(message)
		return
	}
	if len(message) == 1 && message[0] == 0xff {
		return
	}
	if len(message) != 200 || message[0] != 0x80 {
		log.Fatalf("%d bytes that begin with %x", len(message), message[0])
	}
	number := binary.LittleEndian.Uint32(message[1:])
	for _, fill := range message[5:] {
		if fill != byte(number) || number < a.expected {
			log.Fatalf("message %d, expected %d or later", number, a.expected)
		}
	}
	a.expected = number + 1
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func report(sent, received *account) {
	fmt.Printf("report %x %x\n", sent.hash.Sum(nil), received.hash.Sum(nil))
}

// A session: kcp-go's own sockets, goroutines and timers.
func session(connection *kcp.UDPSession) {
	connection.SetNoDelay(1, 10, 2, 1)
	connection.SetWindowSize(window, window)
	connection.SetStreamMode(*stream)
	sent, received := newAccount(), newAccount()
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		random := rand.New(rand.NewSource(*seed))
		for sent.left > 0 {
			_, err := connection.Write(sent.next(random))
			must(err)
		}
	}()
	go func() {
		defer both.Done()
		buffer := make([]byte, 1<<16)
		for received.left > 0 {
			length, err := connection.Read(buffer)
			must(err)
			received.take(buffer[:length])
		}
	}()
	both.Wait()
	report(sent, received)
}

// The protocol alone, with a socket and a clock of our own.
func core(socket *net.UDPConn, peer net.Addr) {
	protocol := kcp.NewKCP(uint32(*conv), func(packet []byte, size int) {
		socket.WriteTo(packet[:size], peer)
	})
	protocol.NoDelay(1, 10, 2, 1)
	protocol.WndSize(window, window)
	sent, received := newAccount(), newAccount()
	random := rand.New(rand.NewSource(*seed))
	packet, message := make([]byte, 1<<16), make([]byte, 1<<19)
	for reported := false; ; {
		for sent.left > 0 && protocol.WaitSnd() < 2*window {
			if result := protocol.Send(sent.next(random)); result != 0 {
				log.Fatalf("Send gave %d", result)
			}
		}
		protocol.Update()
		wait := 5 * time.Millisecond
		for count := 0; count < 64; count++ {
			socket.SetReadDeadline(time.Now().Add(wait))
			length, _, err := socket.ReadFrom(packet)
			if err != nil {
				break
			}
			if result := protocol.Input(packet[:length], true, false); result != 0 {
				log.Fatalf("Input gave %d", result)
			}
			wait = 0
		}
		for {
			length := protocol.Recv(message)
			if length < 0 {
				break
			}
			received.take(message[:length])
		}
		if !reported && sent.left == 0 && received.left <= 0 && protocol.WaitSnd() == 0 {
			report(sent, received)
			reported = true
		}
	}
}

func main() {
	flag.Parse()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	here := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	peer, err := net.ResolveUDPAddr("udp", *link)
	must(err)
	switch *role {
	case "core":
		socket, err := net.ListenUDP("udp", here)
		must(err)
		fmt.Printf("address %s\n", socket.LocalAddr())
		core(socket, peer)
	case "listen":
		listener, err := kcp.ListenWithOptions(here.String(), nil, 0, 0)
		must(err)
		fmt.Printf("address %s\n", listener.Addr())
		connection, err := listener.AcceptKCP()
		must(err)
		session(connection)
	case "dial":
		socket, err := net.ListenUDP("udp", here)
		must(err)
		connection, err := kcp.NewConn2(peer, nil, 0, 0, socket)
		must(err)
		session(connection)
	default:
		log.Fatalf("no role %q", *role)
	}
	select {} // until the input is closed
}
