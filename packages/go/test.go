//go:build ignore

// Of the installed module: settings, extensions, errors, closing, goroutines, and transfers over a link that loses packets. It runs as
// kcp_test.go in a program that uses the module.
package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ikcp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func gives(t *testing.T, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("%v instead of %v", err, wanted)
	}
}

// Two ends in memory, without loss.
func pair() (a, b *ikcp.Kcp) {
	a = ikcp.New(7, func(packet []byte) { b.Input(packet) })
	b = ikcp.New(7, func(packet []byte) { a.Input(packet) })
	a.NoDelay(1, 10, 2, 1)
	b.NoDelay(1, 10, 2, 1)
	return
}

func TestExtensions(t *testing.T) {
	a, b := pair()
	a.Stats()
	for _, message := range []string{"one", "two", ""} {
		must(t, a.Send([]byte(message)))
	}
	a.UpdateDue(1)
	for _, wanted := range []string{"one", "two", ""} {
		message, err := b.RecvMessage()
		must(t, err)
		if string(message) != wanted {
			t.Fatalf("%q", message)
		}
	}
	must(t, a.Send([]byte("again")))
	a.UpdateDue(20)
	_, err := b.Recv(make([]byte, 3))
	gives(t, err, ikcp.ErrShort)
	buffer := make([]byte, 10)
	if size, err := b.Recv(buffer); size != 5 || err != nil || b.PeekSize() != -1 {
		t.Fatal(size, err)
	}
	_, err = b.Recv(buffer)
	gives(t, err, ikcp.ErrEmpty)
	b.UpdateDue(20)
	stats, err := a.Stats()
	must(t, err)
	if stats.SegmentsSent != 4 || stats.BytesDelivered != 11 || a.WaitSnd() != 0 {
		t.Fatalf("%+v", stats)
	}
	if _, on := a.CcInfo(); on {
		t.Fatal("a control before it was asked for")
	}
	must(t, a.BBR())
	if info, on := a.CcInfo(); !on || info.PhaseName != "Startup" {
		t.Fatalf("%+v", info)
	}
	must(t, a.Cubic())
	if info, _ := a.CcInfo(); info.Phase != 16 {
		t.Fatalf("%+v", info)
	}
	for _, err := range []error{
		a.Builtin(), a.Rack(true), a.Redundancy(20), a.LargeMessages(true), a.BackoffLimit(1000), a.PathChanged(), a.SetMinRto(10),
	} {
		must(t, err)
	}
	if a.Next(40) != 40+0x7fffffff {
		t.Fatal("something is due")
	}
	must(t, a.SendUntil([]byte("expires in the queue"), 10))
	a.UpdateDue(100)
	if stats, _ := a.Stats(); b.PeekSize() != -1 || a.WaitSnd() != 0 || stats.MessagesDropped != 1 {
		t.Fatalf("%+v", stats)
	}
	var last []byte
	e, f := ikcp.New(9, func(packet []byte) { last = append([]byte{}, packet...) }), ikcp.New(9, nil)
	e.Stats()
	must(t, e.Stub([]byte("-")))
	e.UpdateDue(0)
	must(t, e.SendUntil([]byte("expires in flight"), 50))
	for now := uint32(10); now < 600; now += 10 {
		e.UpdateDue(now)
	}
	must(t, f.Input(last))
	message, err := f.RecvMessage()
	if stats, _ := e.Stats(); err != nil || string(message) != "-" || stats.MessagesShortened != 1 {
		t.Fatalf("%q, %v, %+v", message, err, stats)
	}
	dead, lines := 0, []string{}
	c := ikcp.New(1, func([]byte) {})
	must(t, c.DeadLink(1000, func() { dead++ }))
	c.UpdateDue(0)
	c.Send([]byte("nobody hears"))
	for now := uint32(10); now < 5000; now += 10 {
		c.Update(now)
	}
	if fields, err := c.Fields(); dead != 1 || err != nil || fields.State != 0xffffffff || fields.Conv != 1 || fields.NsndBuf != 1 {
		t.Fatalf("%d, %+v", dead, fields)
	}
	c.SetLog(0xffff, func(line string) { lines = append(lines, line) })
	c.Update(20000)
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "[RO]") {
		t.Fatal(lines)
	}
}

func TestErrors(t *testing.T) {
	a, _ := pair()
	gives(t, a.Send(make([]byte, 1<<20)), ikcp.ErrMessage)
	must(t, a.LargeMessages(true))
	gives(t, a.Send(make([]byte, 200*1376)), ikcp.ErrWindow)
	gives(t, a.Input([]byte("short")), ikcp.ErrPacket)
	must(t, a.Stub([]byte{}))
	must(t, a.Stub(nil))
	if a.SetMtu(10) == nil || a.Redundancy(101) == nil || a.Stub(make([]byte, 65)) == nil || a.SendUntil(nil, -1) == nil {
		t.Fatal("a value out of range was accepted")
	}
	if _, err := ikcp.GetConv([]byte("abc")); err == nil {
		t.Fatal("too short")
	}
	var d *ikcp.Kcp
	d = ikcp.New(1, func([]byte) { d.Close() }) // a callback may close
	d.Send([]byte("last"))
	d.UpdateDue(1)
	gives(t, d.Send([]byte("late")), ikcp.ErrClosed)
	_, err := d.RecvMessage()
	gives(t, err, ikcp.ErrClosed)
	must(t, d.Close())
}

// A connection that nobody has any more is freed, though its output refers to it.
func TestCollected(t *testing.T) {
	gone := make(chan bool)
	func() {
		marker := new([64]byte)
		runtime.SetFinalizer(marker, func(*[64]byte) { close(gone) })
		var k *ikcp.Kcp
		k = ikcp.New(1, func([]byte) { marker[0] = byte(k.WaitSnd()) })
		k.Send([]byte("x"))
		k.UpdateDue(1)
	}()
	for i := 0; i < 100; i++ {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("it is kept for ever")
}

// Goroutines that share a connection take turns.
func TestGoroutines(t *testing.T) {
	a, b := pair()
	a.WndSize(4096, 4096)
	b.WndSize(4096, 4096)
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 500; i++ {
				a.Send(make([]byte, 100))
			}
		}()
	}
	now := uint32(1)
	for ; now < 1000; now += 10 {
		a.UpdateDue(now)
	}
	group.Wait()
	for ; now < 20000; now += 10 {
		a.UpdateDue(now)
		b.UpdateDue(now)
	}
	received := 0
	for b.PeekSize() >= 0 {
		b.RecvMessage()
		received++
	}
	if received != 2000 {
		t.Fatal(received)
	}
}

// A relay before a server that loses a tenth of the packets.
func lossy(t *testing.T, server string) string {
	seed, err := strconv.ParseInt(os.Getenv("IKCP_SEED"), 10, 64)
	if err != nil {
		seed = time.Now().UnixNano()
	}
	t.Log("seed of the losses:", seed)
	luck, mu := rand.New(rand.NewSource(seed)), sync.Mutex{}
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	back, err := net.Dial("udp", server)
	must(t, err)
	lost := func() bool { mu.Lock(); defer mu.Unlock(); return luck.Intn(10) == 0 }
	first := make(chan net.Addr, 1)
	go func() {
		packet := make([]byte, 65536)
		for known := false; ; {
			size, peer, err := front.ReadFrom(packet)
			if err != nil {
				return
			}
			if !known {
				first <- peer
				known = true
			}
			if !lost() {
				back.Write(packet[:size])
			}
		}
	}()
	go func() {
		packet, peer := make([]byte, 65536), <-first
		for {
			size, err := back.Read(packet)
			if err != nil {
				return
			}
			if !lost() {
				front.WriteTo(packet[:size], peer)
			}
		}
	}()
	t.Cleanup(func() { front.Close(); back.Close() })
	return front.LocalAddr().String()
}

func serve(t *testing.T, options *ikcp.Options) *ikcp.Listener {
	listener, err := ikcp.Listen("127.0.0.1:0", options)
	must(t, err)
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer peer.Close()
				io.Copy(peer, peer)
			}()
		}
	}()
	t.Cleanup(func() { listener.Close() })
	return listener
}

// The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0.
func TestTheClockStoodStillWhileAConnectionSlept(t *testing.T) {
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer peer.Close()
	conn, err := ikcp.Dial(peer.LocalAddr().String(), nil)
	must(t, err)
	defer conn.Abort()
	_, err = conn.Write([]byte("x"))
	must(t, err)
	packet := make([]byte, 1500)
	_, from, err := peer.ReadFrom(packet)
	must(t, err)
	time.Sleep(100 * time.Millisecond)
	// conv, an acknowledgement, a window of 128, ts, sn, una, no payload
	answer := append(append(append([]byte{}, packet[:4]...), 82, 0, 128, 0), packet[8:16]...)
	_, err = peer.WriteTo(append(answer, 1, 0, 0, 0, 0, 0, 0, 0), from)
	must(t, err)
	for {
		fields, err := conn.Kcp.Fields()
		must(t, err)
		if fields.SndUna == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		if fields.RxSrtt < 90 {
			t.Fatalf("%d ms", fields.RxSrtt)
		}
		return
	}
}

func TestTransfer(t *testing.T) {
	listener := serve(t, nil)
	conn, err := ikcp.Dial(lossy(t, listener.Addr().String()), nil)
	must(t, err)
	conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	var sent, received [][]byte
	for n := 0; n < 100; n++ {
		sent = append(sent, bytes.Repeat([]byte{byte(n)}, 1+n*31))
	}
	go func() {
		for _, message := range sent {
			conn.Write(message)
		}
	}()
	for range sent {
		message, err := conn.ReadMessage()
		must(t, err)
		received = append(received, message)
	}
	if !reflect.DeepEqual(sent, received) || listener.Len() != 1 {
		t.Fatal("not what was sent")
	}
	time.Sleep(3200 * time.Millisecond) // the time counts from the call, not from the last update
	conn.Kcp.Stats()
	must(t, conn.WriteUntil([]byte("in time"), 3*time.Second))
	message, err := conn.ReadMessage()
	if stats, _ := conn.Kcp.Stats(); err != nil || string(message) != "in time" || stats.MessagesDropped != 0 {
		t.Fatalf("%q, %v, %+v", message, err, stats)
	}
	// a part of a message, a deadline, closing
	conn.Write([]byte("abcd"))
	for _, wanted := range []string{"abc", "d"} {
		part := make([]byte, 3)
		size, err := conn.Read(part)
		must(t, err)
		if string(part[:size]) != wanted {
			t.Fatalf("%q", part[:size])
		}
	}
	// a Read without room does not wait
	if size, err := conn.Read(nil); size != 0 || err != nil {
		t.Fatal(size, err)
	}
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = conn.Read(make([]byte, 3))
	gives(t, err, os.ErrDeadlineExceeded)
	must(t, conn.Close())
	_, err = conn.Read(make([]byte, 3))
	gives(t, err, net.ErrClosed)
	_, err = conn.Write([]byte("late"))
	gives(t, err, net.ErrClosed)
}

// Late packets of a connection that the server has forgotten make no new one.
func TestForgotten(t *testing.T) {
	listener := serve(t, &ikcp.Options{Timeout: 3 * time.Second})
	conn, err := ikcp.Dial(listener.Addr().String(), &ikcp.Options{Timeout: 4 * time.Second})
	must(t, err)
	conn.Write([]byte("x"))
	_, err = conn.ReadMessage()
	must(t, err)
	for start := time.Now(); listener.Len() != 0; time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("a silent peer is remembered")
		}
	}
	conn.Write([]byte("y"))
	_, err = conn.ReadMessage()
	gives(t, err, ikcp.ErrTimeout)
	if listener.Len() != 0 {
		t.Fatal("an old connection began anew")
	}
}

func TestStream(t *testing.T) {
	options := &ikcp.Options{Stream: true}
	conn, err := ikcp.Dial(serve(t, options).Addr().String(), options)
	must(t, err)
	conn.Write([]byte("ab"))
	conn.Write([]byte("cd"))
	whole := make([]byte, 4)
	_, err = io.ReadFull(conn, whole)
	must(t, err)
	gives(t, conn.WriteUntil([]byte("ef"), time.Second), ikcp.ErrStream)
	if string(whole) != "abcd" {
		t.Fatalf("%q", whole)
	}
	must(t, conn.Close())
}
