package ikcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"
)

// KCP has no greeting and no goodbye. A client draws the number of its connection; a server knows a connection by the address and
// the number, takes a new one with its first segment only, and forgets one that was silent for Options.Timeout.

// ErrTimeout: the peer does not answer any more.
var ErrTimeout = errors.New("ikcp: the peer does not answer")

// Options of a connection, alike at both ends but for the last three. nil or a field of 0: as said.
type Options struct {
	Interval int           // milliseconds between two flushes: 10
	Resend   int           // later segments acknowledged after which one is sent again: 2
	Window   int           // segments: 256
	Mtu      int           // bytes of the largest packet: 1400
	Stream   bool          // a stream of bytes instead of messages
	Timeout  time.Duration // after which a peer that does not answer counts as gone: 30 s
	Conv     uint32        // Dial: the number of the connection; drawn
	Limit    int           // Listen: connections at most; 10000
}

// The options with what stands for 0, or an error for those that no connection can be made with.
func (o *Options) filled() (Options, error) {
	var options Options
	if o != nil {
		options = *o
	}
	for _, field := range []struct {
		value    *int
		standard int
	}{{&options.Interval, 10}, {&options.Resend, 2}, {&options.Window, 256}, {&options.Mtu, 1400}, {&options.Limit, 10000}} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	if options.Timeout == 0 {
		options.Timeout = 30 * time.Second
	}
	for _, field := range []struct {
		name               string
		value, least, most int64
	}{
		{"Window", int64(options.Window), 1, 1<<30 - 1},
		{"Mtu", int64(options.Mtu), 50, 65507}, // the largest packet of UDP
		{"Timeout in milliseconds", options.Timeout.Milliseconds(), 1, 1<<31 - 1},
	} {
		if field.value < field.least || field.value > field.most {
			return options, fmt.Errorf("ikcp: Options: %s: expected %d to %d, got %d", field.name, field.least, field.most, field.value)
		}
	}
	return options, nil
}

// Conn is a net.Conn: each Write is a message, and a Read gives one message, or a part of one that is longer than its buffer. The
// protocol is Kcp, for its settings and counters.
type Conn struct {
	Kcp *Kcp

	local, remote net.Addr
	options       Options
	forget        func()
	kick          chan struct{}
	done          chan struct{}

	mu            sync.Mutex
	changed       chan struct{} // closed when something has changed
	err           error         // why it is over
	heard         time.Time
	rest          []byte // of a message that was longer than the buffer of Read
	readDeadline  time.Time
	writeDeadline time.Time
}

func newConn(conv uint32, local, remote net.Addr, output func([]byte), forget func(), options Options) (*Conn, error) {
	c := &Conn{
		Kcp: New(conv, output), local: local, remote: remote, options: options, forget: forget, heard: time.Now(),
		kick: make(chan struct{}, 1), done: make(chan struct{}), changed: make(chan struct{}),
	}
	for _, err := range []error{
		c.Kcp.SetMtu(options.Mtu),
		c.Kcp.NoDelay(1, options.Interval, options.Resend, 1),
		c.Kcp.WndSize(options.Window, options.Window),
		c.Kcp.SetStream(options.Stream),
		c.Kcp.DeadLink(int(options.Timeout.Milliseconds()), func() { go c.end(ErrTimeout) }),
	} {
		if err != nil {
			c.Kcp.Close()
			return nil, err
		}
	}
	go c.run()
	return c, nil
}

// Sends what is due when it is due.
func (c *Conn) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.kick:
		case <-timer.C:
		case <-c.done:
			return
		}
		now := Now()
		c.Kcp.UpdateDue(now)
		timer.Reset(time.Duration(c.Kcp.Next(now)-now) * time.Millisecond)
		c.broadcast()
	}
}

func (c *Conn) due() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *Conn) broadcast() {
	c.mu.Lock()
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
}

// Waits until something has changed, or the deadline has passed. The channel is from before the caller looked.
func (c *Conn) wait(changed chan struct{}, deadline time.Time) error {
	var passed <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-passed:
		return os.ErrDeadlineExceeded
	}
}

func (c *Conn) state() (changed chan struct{}, err error, readDeadline, writeDeadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed, c.err, c.readDeadline, c.writeDeadline
}

func (c *Conn) input(packet []byte) {
	c.Kcp.SetCurrent(Now()) // by which the round trip is measured
	if c.Kcp.Input(packet) != nil {
		return // from somebody else
	}
	c.mu.Lock()
	c.heard = time.Now()
	c.mu.Unlock()
	c.due()
}

// Read gives the next message, or what is left of the last one. io.EOF: the peer of a listener's connection was silent for so long that it
// counts as gone.
func (c *Conn) Read(buffer []byte) (int, error) {
	if len(buffer) == 0 {
		return 0, nil // as other readers do: it does not wait
	}
	c.mu.Lock()
	if len(c.rest) > 0 {
		size := copy(buffer, c.rest)
		c.rest = c.rest[size:]
		c.mu.Unlock()
		return size, nil
	}
	c.mu.Unlock()
	for {
		changed, over, deadline, _ := c.state()
		size, err := c.Kcp.Recv(buffer)
		if err == ErrShort {
			var message []byte
			if message, err = c.Kcp.RecvMessage(); err == nil {
				size = copy(buffer, message)
				c.mu.Lock()
				c.rest = message[size:]
				c.mu.Unlock()
			}
		}
		if err == nil {
			c.due() // the window may be open again
			return size, nil
		}
		if over != nil {
			return 0, over
		}
		if err != ErrEmpty {
			return 0, c.closed(err)
		}
		if err := c.wait(changed, deadline); err != nil {
			return 0, err
		}
	}
}

// Why the protocol is closed: the connection is over, or the program has closed Kcp itself.
func (c *Conn) closed(err error) error {
	if _, over, _, _ := c.state(); over != nil {
		return over
	}
	return err
}

// ReadMessage gives the next message in a slice of its own.
func (c *Conn) ReadMessage() ([]byte, error) {
	for {
		changed, over, deadline, _ := c.state()
		message, err := c.Kcp.RecvMessage()
		if err == nil {
			c.due()
			return message, nil
		}
		if over != nil {
			return nil, over
		}
		if err != ErrEmpty {
			return nil, c.closed(err)
		}
		if err := c.wait(changed, deadline); err != nil {
			return nil, err
		}
	}
}

// Write sends a message. It waits while more than twice the window is queued.
func (c *Conn) Write(message []byte) (int, error) {
	for {
		changed, over, _, deadline := c.state()
		if over != nil {
			return 0, over
		}
		if c.Kcp.WaitSnd() <= 2*c.options.Window {
			break
		}
		if err := c.wait(changed, deadline); err != nil {
			return 0, err
		}
	}
	if err := c.Kcp.Send(message); err != nil {
		return 0, err
	}
	c.due()
	return len(message), nil
}

// WriteUntil sends a message that is worth nothing when it has not left in so long. It never waits.
func (c *Conn) WriteUntil(message []byte, expires time.Duration) error {
	if _, over, _, _ := c.state(); over != nil {
		return over
	}
	c.Kcp.UpdateDue(Now()) // tells the time that it counts from
	if err := c.Kcp.SendUntil(message, int(expires.Milliseconds())); err != nil {
		return err
	}
	c.due()
	return nil
}

// Ends the connection at once.
func (c *Conn) end(why error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = why
	c.mu.Unlock()
	close(c.done)
	c.Kcp.UpdateDue(Now()) // acknowledges what has come
	c.Kcp.Close()
	c.forget()
	c.broadcast()
}

// Close waits until the peer has acknowledged everything, then closes. Messages that were not read are lost.
func (c *Conn) Close() error {
	for {
		changed, over, _, _ := c.state()
		if over != nil || c.Kcp.WaitSnd() == 0 {
			break
		}
		c.due()
		c.wait(changed, time.Time{})
	}
	c.end(net.ErrClosed)
	return nil
}

// Abort closes at once.
func (c *Conn) Abort() { c.end(net.ErrClosed) }

func (c *Conn) LocalAddr() net.Addr  { return c.local }
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.readDeadline = t
	c.mu.Unlock()
	c.broadcast()
	return nil
}

func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.writeDeadline = t
	c.mu.Unlock()
	c.broadcast()
	return nil
}

// Dial makes a connection to a server, which learns of it with the first message.
func Dial(address string, options *Options) (*Conn, error) {
	filled, err := options.filled()
	if err != nil {
		return nil, err
	}
	socket, err := net.Dial("udp", address)
	if err != nil {
		return nil, err
	}
	conv := filled.Conv
	if conv == 0 {
		conv = rand.New(rand.NewSource(time.Now().UnixNano())).Uint32()
	}
	output := func(packet []byte) { socket.Write(packet) }
	c, err := newConn(conv, socket.LocalAddr(), socket.RemoteAddr(), output, func() { socket.Close() }, filled)
	if err != nil {
		socket.Close()
		return nil, err
	}
	go func() {
		packet := make([]byte, 65536)
		for {
			size, err := socket.Read(packet)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				c.input(packet[:size])
			} // other errors are like lost packets: nobody listens yet
		}
	}()
	return c, nil
}

type peer struct {
	address string
	conv    uint32
}

// Listener is a net.Listener: Accept gives a *Conn.
type Listener struct {
	socket  net.PacketConn
	options Options
	accept  chan *Conn
	done    chan struct{}
	once    sync.Once

	mu    sync.Mutex
	conns map[peer]*Conn
}

// Listen makes connections for those who send to the address.
func Listen(address string, options *Options) (*Listener, error) {
	filled, err := options.filled()
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		socket: socket, options: filled, accept: make(chan *Conn, 128), done: make(chan struct{}), conns: map[peer]*Conn{},
	}
	go l.read()
	go l.sweep()
	return l, nil
}

func (l *Listener) read() {
	packet := make([]byte, 65536)
	for {
		size, address, err := l.socket.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && size >= 24 {
			if c := l.find(packet[:size], address); c != nil {
				c.input(packet[:size])
			}
		}
	}
}

func (l *Listener) find(packet []byte, address net.Addr) *Conn {
	conv, _ := GetConv(packet)
	key := peer{address.String(), conv}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conns[key]
	// Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
	if c != nil || packet[4] != 81 || binary.LittleEndian.Uint32(packet[12:]) != 0 || len(l.conns) >= l.options.Limit {
		return c
	}
	if len(l.accept) == cap(l.accept) {
		return nil // nobody accepts; the peer will send again
	}
	output := func(packet []byte) { l.socket.WriteTo(packet, address) }
	c, err := newConn(conv, l.socket.LocalAddr(), address, output, func() { l.remove(key) }, l.options)
	if err != nil {
		return nil
	}
	l.conns[key] = c
	l.accept <- c
	return c
}

func (l *Listener) remove(key peer) {
	l.mu.Lock()
	delete(l.conns, key)
	l.mu.Unlock()
}

func (l *Listener) all() (conns []*Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		conns = append(conns, c)
	}
	return
}

func (l *Listener) sweep() {
	ticker := time.NewTicker(l.options.Timeout / 4)
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
		}
		for _, c := range l.all() {
			c.mu.Lock()
			silent := time.Since(c.heard) > l.options.Timeout
			c.mu.Unlock()
			if silent {
				c.end(io.EOF)
			}
		}
	}
}

// Accept gives the next connection, a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Len counts the connections.
func (l *Listener) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Close closes all connections at once, and the socket.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		for _, c := range l.all() {
			c.Abort()
		}
		l.socket.Close()
	})
	return nil
}
