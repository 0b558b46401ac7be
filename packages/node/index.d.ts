/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';

/** `code` is ERR_KCP_MESSAGE, ERR_KCP_PACKET, ERR_KCP_BUFFER, ERR_KCP_VALUE, ERR_KCP_MEMORY or ERR_KCP_TIMEOUT; `result` is what the
 * function of C returned. Calls after close() throw an Error with the code ERR_KCP_CLOSED. */
export class KcpError extends Error {
  code: string;
  result?: number;
}

/** Milliseconds of a clock that is never set back. */
export function now(): number;
/** The number of the connection that a packet belongs to. */
export function getconv(packet: Uint8Array): number;

/** struct IKCPX_STATS: ikcpx.h says what each member is. */
export interface Stats {
  time: number; packetsSent: number; bytesSent: number; packetsReceived: number; bytesReceived: number; packetsRefused: number;
  segmentsSent: number; bytesDelivered: number; resentTimeout: number; resentSkipped: number; resentPath: number;
  resentNeedless: number; segmentsReceived: number; duplicatesReceived: number; acksSent: number; acksReceived: number;
  probesSent: number; probesReceived: number; windowsSent: number; windowsReceived: number; queueTime: number;
  limitedByPeer: number; limitedByWindow: number; limitedByControl: number; queueTimeMax: number; rttMin: number;
  rttSmoothed: number; deliveryRate: number; messagesDropped: number; messagesShortened: number; copiesSent: number;
}

/** struct IKCPX_CCINFO: the state of a congestion control. */
export interface CcInfo {
  phaseName: string; phase: number; bandwidth: number; pacingRate: number; minRtt: number; inflight: number;
  inflightTarget: number; cwnd: number; ssthresh: number; lost: number; needless: number;
}

/** A field of struct IKCPCB: ikcp.h says what each is, and which may be set. */
export type Field =
  | 'conv' | 'mtu' | 'mss' | 'state' | 'snd_una' | 'snd_nxt' | 'rcv_nxt' | 'ssthresh' | 'rx_rttval' | 'rx_srtt' | 'rx_rto'
  | 'rx_minrto' | 'snd_wnd' | 'rcv_wnd' | 'rmt_wnd' | 'cwnd' | 'probe' | 'current' | 'interval' | 'ts_flush' | 'xmit'
  | 'nrcv_buf' | 'nsnd_buf' | 'nrcv_que' | 'nsnd_que' | 'nodelay' | 'updated' | 'dead_link' | 'incr' | 'fastresend'
  | 'fastlimit' | 'nocwnd' | 'stream' | 'logmask';

/** One end of a connection, without a socket and without a clock. Names, settings and times (milliseconds) are those of ikcp.h and
 * ikcpx.h. A callback may call the connection, even close it; what it throws is thrown by the call that it ran in. */
export class Kcp {
  /** `conv` is the same number at both ends; `output` gets each packet to send, in a Buffer of its own. */
  constructor(conv: number, output: (packet: Buffer) => void);
  /** Frees the connection; nothing is sent. Closing it again does nothing. */
  close(): void;
  readonly closed: boolean;
  send(message: Uint8Array | string): void;
  /** Queues a message that is worth nothing when it has not left in so long, from the time that the last update told. */
  sendUntil(message: Uint8Array | string, milliseconds: number): void;
  /** What comes instead of a message of sendUntil() that expires in flight: 1 to 64 bytes. undefined: the message itself. Empty: see
   * ikcpx.h. */
  stub(message?: Uint8Array | string): void;
  /** The next message, or undefined. */
  recv(): Buffer | undefined;
  /** Writes the next message into `buffer`. Its length, or undefined. */
  recvInto(buffer: Uint8Array): number | undefined;
  /** Takes a packet that arrived. */
  input(packet: Uint8Array): void;
  update(current?: number): void;
  check(current?: number): number;
  flush(): void;
  /** When updateDue() has something to send. */
  next(current?: number): number;
  /** Sets the clock and sends what is due. */
  updateDue(current?: number): void;
  /** The length of the next message; -1: there is none. */
  peeksize(): number;
  /** Segments that are queued or in flight. */
  waitsnd(): number;
  setmtu(mtu: number): void;
  wndsize(sndwnd: number, rcvwnd: number): void;
  nodelay(nodelay: number, interval: number, resend: number, nc: number): void;
  get(field: Field): number;
  set(field: Field, value: number): void;
  setlog(mask: number, log: (line: string) => void): void;
  bbr(): void;
  cubic(): void;
  /** Goes back to KCP's own congestion control. */
  builtin(): void;
  /** The state of bbr() or cubic(); undefined without them. */
  ccinfo(): CcInfo | undefined;
  rack(on: boolean): void;
  redundancy(percent: number): void;
  /** The counters. The first call begins to count. */
  stats(): Stats;
  largeMessages(on: boolean): void;
  pathChanged(): void;
  backoffLimit(milliseconds: number): void;
  /** `dead` is called when nothing was acknowledged for so long. 0: told by count, as in ikcp.h. */
  deadLink(milliseconds: number, dead?: () => void): void;
}

/** Alike at both ends, but for `timeout`. */
export interface Options {
  /** Milliseconds between two flushes. 10 unless given. */
  interval?: number;
  /** Later segments acknowledged after which one is sent again. 2 unless given. */
  resend?: number;
  /** Segments. 256 unless given. */
  window?: number;
  /** Bytes of the largest packet. 1400 unless given. */
  mtu?: number;
  /** A stream of bytes instead of messages. */
  stream?: boolean;
  /** Milliseconds after which a peer that does not answer counts as gone. 30000 unless given. */
  timeout?: number;
}

/** A connection over UDP: a stream of messages, each a Buffer, or with `stream` of bytes. end() closes when the peer has acknowledged
 * everything, destroy() at once. `error` has the code ERR_KCP_TIMEOUT when the peer does not answer any more. */
export class Connection extends Duplex {
  readonly kcp: Kcp;
  /** Queues a message that is worth nothing when it has not left in so long, ahead of those that write() still holds. */
  sendUntil(message: Uint8Array | string, milliseconds: number): void;
  /** Of a server's connection. */
  remoteAddress?: string;
  remotePort?: number;
}

/** A connection to a server, which learns of it with the first message. */
export function connect(options: Options & { port: number; host?: string; conv?: number }, onConnect?: () => void): Connection;
export function connect(port: number, host?: string, onConnect?: () => void): Connection;

/** Emits `connection`, `listening`, `error` and `close`. */
export class Server extends EventEmitter {
  listen(port: number, host?: string, listening?: () => void): this;
  listen(port: number, listening?: () => void): this;
  address(): AddressInfo;
  readonly connections: Map<string, Connection>;
  /** Closes all connections at once, and the socket. `closed` gets an error if the server does not run. */
  close(closed?: (error?: Error) => void): this;
}

/** `limit`: connections at most, 10000 unless given. */
export function createServer(options: Options & { limit?: number }, onConnection?: (connection: Connection) => void): Server;
export function createServer(onConnection?: (connection: Connection) => void): Server;
