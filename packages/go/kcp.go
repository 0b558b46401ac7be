// Package ikcp is KCP: reliable messages over UDP, with lower latency than TCP on bad links. The peer may be any KCP.
//
// Dial and Listen are connections over UDP; Kcp is the protocol alone, for sockets of your own.
package ikcp

/*
#include <stdlib.h>
#include <string.h>
#include "ikcpx.h"

// One end, and what its callbacks were called with: kind, length, bytes. Go takes it when the call is over, so C never calls Go.
struct end {
	ikcpcb *kcp;
	char *told;
	size_t used, room;
};

enum { PACKET, LINE, DEAD };

static void tell(struct end *end, IUINT32 kind, const char *data, IUINT32 size)
{
	size_t need = end->used + 2 * sizeof size + size;
	if (need > end->room) {
		size_t room = need * 2;
		char *larger = realloc(end->told, room);
		if (larger == NULL) return; // as if the packet was lost
		end->told = larger;
		end->room = room;
	}
	memcpy(end->told + end->used, &kind, sizeof kind);
	memcpy(end->told + end->used + sizeof kind, &size, sizeof size);
	if (size > 0) memcpy(end->told + end->used + 2 * sizeof size, data, size);
	end->used = need;
}

static int output(const char *packet, int size, ikcpcb *kcp, void *user)
{
	(void)kcp;
	tell(user, PACKET, packet, (IUINT32)size);
	return size;
}

static void writelog(const char *line, ikcpcb *kcp, void *user)
{
	(void)kcp;
	tell(user, LINE, line, (IUINT32)strlen(line));
}

static void dead(ikcpcb *kcp, void *user)
{
	(void)kcp;
	tell(user, DEAD, NULL, 0);
}

static struct end *create(IUINT32 conv)
{
	struct end *end = calloc(1, sizeof *end);
	if (end == NULL) return NULL;
	end->kcp = ikcp_create(conv, end);
	if (end->kcp == NULL) {
		free(end);
		return NULL;
	}
	ikcp_setoutput(end->kcp, output);
	return end;
}

static void release(struct end *end)
{
	ikcp_release(end->kcp);
	free(end->told);
	free(end);
}

static void set_log(struct end *end, int mask)
{
	end->kcp->writelog = writelog;
	end->kcp->logmask = mask;
}

static int dead_link(struct end *end, int milliseconds)
{
	return ikcpx_dead_link(end->kcp, milliseconds, dead);
}

static IUINT32 get_info(ikcpcb *kcp, struct IKCPX_CCINFO *info)
{
	const struct IKCPOPS *ops = kcp->ccops;
	if (ops == NULL || (ops != ikcpx_bbr() && ops != ikcpx_cubic())) return 0;
	return ops->get_info(kcp, info, sizeof *info);
}
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

var (
	// ErrClosed is what every call gives after Close.
	ErrClosed = errors.New("ikcp: the connection is closed")
	// ErrMessage: a message is too long for the protocol or the windows, or there is no memory.
	ErrMessage = errors.New("ikcp: the message is too long")
	// ErrWindow: with LargeMessages, the message is larger than any window that the peer has announced.
	ErrWindow = errors.New("ikcp: the message is larger than any window that the peer has announced")
	// ErrStream: SendUntil in stream mode, where there are no messages.
	ErrStream = errors.New("ikcp: a stream has no messages that expire")
	// ErrPacket: a packet does not belong to this connection.
	ErrPacket = errors.New("ikcp: the packet does not belong to this connection")
	// ErrShort: a buffer is too small for a message.
	ErrShort = errors.New("ikcp: the buffer is too small")
	// ErrEmpty: there is no message.
	ErrEmpty = errors.New("ikcp: no message")
)

// Kcp is one end of a connection, without a socket and without a clock. Names, settings and times (milliseconds) are those of
// ikcp.h and ikcpx.h. Goroutines may share it.
type Kcp struct {
	mu     sync.Mutex
	own    *memory
	output func(packet []byte)
	log    func(line string)
	dead   func()
}

// What is freed when the connection is garbage. It leads nowhere, unlike Kcp, whose output may lead back to it: Go does not collect a cycle
// with a finalizer in it.
type memory struct {
	end   *C.struct_end // nil: closed
	spare told
}

func (m *memory) release() {
	if m.end != nil {
		C.release(m.end)
		C.free(unsafe.Pointer(m.spare.data))
		m.end, m.spare = nil, told{}
	}
}

type told struct {
	data       *C.char
	used, room C.size_t
}

// New makes one end. conv is the same number at both ends. output gets each packet to send, valid during the call; it runs in the
// goroutine that made the call for the connection, when that call is over, and may call the connection, even close it.
func New(conv uint32, output func(packet []byte)) *Kcp {
	own := &memory{end: C.create(C.IUINT32(conv))}
	if own.end == nil {
		panic("ikcp: no memory")
	}
	runtime.SetFinalizer(own, (*memory).release)
	return &Kcp{own: own, output: output}
}

// Close frees the connection; nothing is sent. Closing it again does nothing.
func (k *Kcp) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own.release()
	return nil
}

// Makes a call of the library, then passes on what its callbacks were told.
func (k *Kcp) call(function func(kcp *C.ikcpcb) C.long) (int, error) {
	k.mu.Lock()
	if k.own.end == nil {
		k.mu.Unlock()
		return -1, ErrClosed
	}
	result := int(function(k.own.end.kcp))
	if k.own.end.used == 0 {
		k.mu.Unlock()
		return result, nil
	}
	taken := told{k.own.end.told, k.own.end.used, k.own.end.room}
	k.own.end.told, k.own.end.used, k.own.end.room = k.own.spare.data, 0, k.own.spare.room
	k.own.spare = told{}
	output, log, dead := k.output, k.log, k.dead
	k.mu.Unlock()

	defer k.giveBack(taken)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(taken.data)), int(taken.used))
	for len(bytes) > 0 {
		kind, size := native.Uint32(bytes), native.Uint32(bytes[4:])
		data := bytes[8 : 8+size : 8+size]
		bytes = bytes[8+size:]
		switch {
		case kind == C.PACKET && output != nil:
			output(data)
		case kind == C.LINE && log != nil:
			log(string(data))
		case kind == C.DEAD && dead != nil:
			dead()
		}
	}
	return result, nil
}

func (k *Kcp) giveBack(taken told) {
	k.mu.Lock()
	if k.own.end != nil && k.own.spare.data == nil {
		k.own.spare, taken.data = taken, nil
	}
	k.mu.Unlock()
	C.free(unsafe.Pointer(taken.data))
}

func (k *Kcp) set(name string, function func(kcp *C.ikcpcb) C.int) error {
	result, err := k.call(func(kcp *C.ikcpcb) C.long { return C.long(function(kcp)) })
	if err == nil && result != 0 {
		err = fmt.Errorf("ikcp: %s: a value is out of range, or there is no memory", name)
	}
	return err
}

var zero [1]byte

// C's pointer to bytes of Go: NULL has a meaning of its own.
func pointer(data []byte) *C.char {
	if len(data) == 0 {
		data = zero[:]
	}
	return (*C.char)(unsafe.Pointer(&data[0]))
}

// Send queues a message, which is copied. In stream mode: bytes that continue those before.
func (k *Kcp) Send(message []byte) error {
	taken, err := k.call(func(kcp *C.ikcpcb) C.long {
		return C.long(C.ikcp_send(kcp, pointer(message), C.int(len(message))))
	})
	return sent(taken, len(message), err)
}

// SendUntil queues a message that is worth nothing when it has not left in so long, from the time that the last update told.
func (k *Kcp) SendUntil(message []byte, milliseconds int) error {
	taken, err := k.call(func(kcp *C.ikcpcb) C.long {
		return C.long(C.ikcpx_send_until(kcp, pointer(message), C.int(len(message)), C.int(milliseconds)))
	})
	return sent(taken, len(message), err)
}

// Stub is what comes instead of a message of SendUntil that expires in flight: 1 to 64 bytes. nil: the message itself. Empty: see ikcpx.h.
func (k *Kcp) Stub(message []byte) error {
	return k.set("Stub", func(kcp *C.ikcpcb) C.int {
		return C.ikcpx_stub(kcp, pointer(message), C.int(len(message)), number(message != nil))
	})
}

func sent(taken, size int, err error) error {
	switch {
	case err != nil || taken == size:
		return err
	case taken == -1:
		return errors.New("ikcp: the time is negative")
	case taken == -3:
		return ErrWindow
	case taken == -4:
		return ErrStream
	default:
		return ErrMessage
	}
}

// Recv writes the next message into buffer. ErrEmpty: there is none; ErrShort: it is longer than the buffer, and stays.
func (k *Kcp) Recv(buffer []byte) (int, error) {
	size, err := k.call(func(kcp *C.ikcpcb) C.long {
		return C.long(C.ikcp_recv(kcp, pointer(buffer), C.int(len(buffer))))
	})
	switch {
	case err != nil:
		return 0, err
	case size == -3:
		return 0, ErrShort
	case size < 0:
		return 0, ErrEmpty
	}
	return size, nil
}

// RecvMessage is the next message, in a slice of its own.
func (k *Kcp) RecvMessage() (message []byte, err error) {
	_, err = k.call(func(kcp *C.ikcpcb) C.long {
		if size := C.ikcp_peeksize(kcp); size >= 0 {
			message = make([]byte, size)
			C.ikcp_recv(kcp, pointer(message), size)
		}
		return 0
	})
	if err == nil && message == nil {
		err = ErrEmpty
	}
	return
}

// PeekSize is the length of the next message; -1: there is none.
func (k *Kcp) PeekSize() int {
	size, _ := k.call(func(kcp *C.ikcpcb) C.long { return C.long(C.ikcp_peeksize(kcp)) })
	return size
}

// Input takes a packet that arrived.
func (k *Kcp) Input(packet []byte) error {
	result, err := k.call(func(kcp *C.ikcpcb) C.long {
		return C.long(C.ikcp_input(kcp, pointer(packet), C.long(len(packet))))
	})
	if err == nil && result < 0 {
		err = ErrPacket
	}
	return err
}

func (k *Kcp) Update(current uint32) error {
	return k.set("update", func(kcp *C.ikcpcb) C.int { C.ikcp_update(kcp, C.IUINT32(current)); return 0 })
}

func (k *Kcp) Flush() error {
	return k.set("flush", func(kcp *C.ikcpcb) C.int { C.ikcp_flush(kcp); return 0 })
}

// UpdateDue sets the clock and sends what is due.
func (k *Kcp) UpdateDue(current uint32) error {
	return k.set("updateDue", func(kcp *C.ikcpcb) C.int { C.ikcpx_update(kcp, C.IUINT32(current)); return 0 })
}

func (k *Kcp) time(current uint32, function func(kcp *C.ikcpcb) C.IUINT32) uint32 {
	result := current
	k.call(func(kcp *C.ikcpcb) C.long { result = uint32(function(kcp)); return 0 })
	return result
}

func (k *Kcp) Check(current uint32) uint32 {
	return k.time(current, func(kcp *C.ikcpcb) C.IUINT32 { return C.ikcp_check(kcp, C.IUINT32(current)) })
}

// Next is when UpdateDue has something to send.
func (k *Kcp) Next(current uint32) uint32 {
	return k.time(current, func(kcp *C.ikcpcb) C.IUINT32 { return C.ikcpx_next(kcp, C.IUINT32(current)) })
}

// WaitSnd counts the segments that are queued or in flight.
func (k *Kcp) WaitSnd() int {
	count, _ := k.call(func(kcp *C.ikcpcb) C.long { return C.long(C.ikcp_waitsnd(kcp)) })
	return count
}

func (k *Kcp) SetMtu(mtu int) error {
	return k.set("SetMtu", func(kcp *C.ikcpcb) C.int { return C.ikcp_setmtu(kcp, C.int(mtu)) })
}

func (k *Kcp) WndSize(sndwnd, rcvwnd int) error {
	return k.set("WndSize", func(kcp *C.ikcpcb) C.int { return C.ikcp_wndsize(kcp, C.int(sndwnd), C.int(rcvwnd)) })
}

func (k *Kcp) NoDelay(nodelay, interval, resend, nc int) error {
	return k.set("NoDelay", func(kcp *C.ikcpcb) C.int {
		return C.ikcp_nodelay(kcp, C.int(nodelay), C.int(interval), C.int(resend), C.int(nc))
	})
}

// SetLog passes on lines whose bit is in mask.
func (k *Kcp) SetLog(mask int, log func(line string)) error {
	return k.set("SetLog", func(*C.ikcpcb) C.int { k.log = log; C.set_log(k.own.end, C.int(mask)); return 0 })
}

func (k *Kcp) BBR() error {
	return k.set("BBR", func(kcp *C.ikcpcb) C.int { return C.ikcp_setcc(kcp, C.ikcpx_bbr()) })
}

func (k *Kcp) Cubic() error {
	return k.set("Cubic", func(kcp *C.ikcpcb) C.int { return C.ikcp_setcc(kcp, C.ikcpx_cubic()) })
}

// Builtin goes back to KCP's own congestion control.
func (k *Kcp) Builtin() error {
	return k.set("Builtin", func(kcp *C.ikcpcb) C.int { return C.ikcp_setcc(kcp, nil) })
}

func (k *Kcp) Rack(on bool) error {
	return k.set("Rack", func(kcp *C.ikcpcb) C.int { return C.ikcpx_rack(kcp, number(on)) })
}

func (k *Kcp) Redundancy(percent int) error {
	return k.set("Redundancy", func(kcp *C.ikcpcb) C.int { return C.ikcpx_redundancy(kcp, C.int(percent)) })
}

func (k *Kcp) LargeMessages(on bool) error {
	return k.set("LargeMessages", func(kcp *C.ikcpcb) C.int { return C.ikcpx_large_messages(kcp, number(on)) })
}

func (k *Kcp) PathChanged() error {
	return k.set("PathChanged", func(kcp *C.ikcpcb) C.int { C.ikcpx_path_changed(kcp); return 0 })
}

func (k *Kcp) BackoffLimit(milliseconds int) error {
	return k.set("BackoffLimit", func(kcp *C.ikcpcb) C.int { return C.ikcpx_backoff_limit(kcp, C.int(milliseconds)) })
}

// DeadLink calls dead when nothing was acknowledged for so long. 0: told by count, as in ikcp.h.
func (k *Kcp) DeadLink(milliseconds int, dead func()) error {
	return k.set("DeadLink", func(*C.ikcpcb) C.int { k.dead = dead; return C.dead_link(k.own.end, C.int(milliseconds)) })
}

// Stats is struct IKCPX_STATS: ikcpx.h says what each member is.
type Stats struct {
	Time, PacketsSent, BytesSent, PacketsReceived, BytesReceived, PacketsRefused, SegmentsSent, BytesDelivered uint64
	ResentTimeout, ResentSkipped, ResentPath, ResentNeedless, SegmentsReceived, DuplicatesReceived             uint64
	AcksSent, AcksReceived, ProbesSent, ProbesReceived, WindowsSent, WindowsReceived                           uint64
	QueueTime, LimitedByPeer, LimitedByWindow, LimitedByControl                                                uint64
	QueueTimeMax, RttMin, RttSmoothed, DeliveryRate                                                            uint32
	MessagesDropped, MessagesShortened, CopiesSent                                                             uint64
}

// Stats are the counters. The first call begins to count.
func (k *Kcp) Stats() (stats Stats, err error) {
	err = k.set("Stats", func(kcp *C.ikcpcb) C.int {
		return C.ikcpx_stats(kcp, (*C.struct_IKCPX_STATS)(unsafe.Pointer(&stats)), C.size_t(unsafe.Sizeof(stats)))
	})
	return
}

// CcInfo is struct IKCPX_CCINFO: the state of a congestion control.
type CcInfo struct {
	PhaseName                                                                                      string
	Phase, Bandwidth, PacingRate, MinRtt, Inflight, InflightTarget, Cwnd, Ssthresh, Lost, Needless uint32
}

// CcInfo is the state of BBR or Cubic; false without them.
func (k *Kcp) CcInfo() (CcInfo, bool) {
	var c C.struct_IKCPX_CCINFO
	filled, _ := k.call(func(kcp *C.ikcpcb) C.long { return C.long(C.get_info(kcp, &c)) })
	if filled <= 0 {
		return CcInfo{}, false
	}
	return CcInfo{
		C.GoString(c.phase_name), uint32(c.phase), uint32(c.bandwidth), uint32(c.pacing_rate), uint32(c.min_rtt), uint32(c.inflight),
		uint32(c.inflight_target), uint32(c.cwnd), uint32(c.ssthresh), uint32(c.lost), uint32(c.needless),
	}, true
}

// Fields are fields of struct IKCPCB: ikcp.h says what each is.
type Fields struct {
	Conv, Mtu, Mss, State, SndUna, SndNxt, RcvNxt, TsRecent, TsLastack, Ssthresh uint32
	RxRttval, RxSrtt, RxRto, RxMinrto                                            int32
	SndWnd, RcvWnd, RmtWnd, Cwnd, Probe, Current, Interval, TsFlush, Xmit        uint32
	NrcvBuf, NsndBuf, NrcvQue, NsndQue, Nodelay, Updated                         uint32
	TsProbe, ProbeWait, DeadLink, Incr                                           uint32
}

// Fields as they are now.
func (k *Kcp) Fields() (fields Fields, err error) {
	err = k.set("Fields", func(kcp *C.ikcpcb) C.int { fields = *(*Fields)(unsafe.Pointer(kcp)); return 0 })
	return
}

// SetStream joins messages as TCP does. To be called before the first Send.
func (k *Kcp) SetStream(on bool) error {
	return k.set("SetStream", func(kcp *C.ikcpcb) C.int { kcp.stream = number(on); return 0 })
}

// SetCurrent sets the clock by which Input measures round trips, for a program that slept until Next.
func (k *Kcp) SetCurrent(current uint32) error {
	return k.set("SetCurrent", func(kcp *C.ikcpcb) C.int { kcp.current = C.IUINT32(current); return 0 })
}

// SetMinRto sets the lowest timeout of a segment: rx_minrto.
func (k *Kcp) SetMinRto(milliseconds int) error {
	return k.set("SetMinRto", func(kcp *C.ikcpcb) C.int { kcp.rx_minrto = C.IINT32(milliseconds); return 0 })
}

// The structs of Go and of C are laid out alike, or this does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Stats{})-C.sizeof_struct_IKCPX_STATS]
	_ = [1]struct{}{}[unsafe.Offsetof(Stats{}.CopiesSent)-unsafe.Offsetof(C.struct_IKCPX_STATS{}.copies_sent)]
	_ = [1]struct{}{}[unsafe.Offsetof(Fields{}.Incr)-unsafe.Offsetof(C.ikcpcb{}.incr)]
)

var native = func() binary.ByteOrder {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}()

func number(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

// GetConv is the number of the connection that a packet belongs to.
func GetConv(packet []byte) (uint32, error) {
	if len(packet) < 4 {
		return 0, ErrPacket
	}
	return binary.LittleEndian.Uint32(packet), nil
}

var epoch = time.Now()

// Now is milliseconds of a clock that is never set back.
func Now() uint32 {
	return uint32(time.Since(epoch).Milliseconds())
}
