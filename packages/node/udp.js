// Connections over UDP with dgram: streams, as those of net are.
//
// KCP has no greeting and no goodbye. A client draws the number of its connection; a server knows a connection by the address and
// the number, takes a new one with its first segment only, and forgets one that was silent for `timeout`.
'use strict';

const { randomInt } = require('node:crypto');
const dgram = require('node:dgram');
const { EventEmitter } = require('node:events');
const net = require('node:net');
const { Duplex } = require('node:stream');
const { Kcp, KcpError, getconv, now } = require('./kcp.js');

const NEVER = 0x7fffffff;
const TIMEOUT = 30000;

// Throws for options that no connection can be made with: of a server before a packet arrives.
function check({ window = 256, mtu = 1400, timeout = TIMEOUT, limit = 10000 }) {
  for (const [name, value, least, most] of [
    ['window', window, 1, 0x3fffffff],
    ['mtu', mtu, 50, 65507], // the largest packet of UDP
    ['timeout', timeout, 1, 0x7fffffff],
    ['limit', limit, 0, Infinity],
  ]) {
    if (typeof value === 'number' && value >= least && value <= most) continue;
    const error = new RangeError(`${name}: expected a number from ${least} to ${most}, got ${value}`);
    throw Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
  }
}

class Connection extends Duplex {
  #timer;
  #soon;
  #ready = false;
  #ended = false; // nothing more to read
  #waiting; // called when enough was acknowledged
  #forget;

  constructor(conv, send, forget, options) {
    const { interval = 10, resend = 2, window = 256, mtu = 1400, stream = false, timeout = TIMEOUT } = options;
    super({ readableObjectMode: !stream, writableObjectMode: !stream, emitClose: true });
    this.kcp = new Kcp(conv, send);
    this.#forget = forget;
    this.heard = now();
    this.kcp.updateDue(this.heard);
    this.kcp.setmtu(mtu);
    this.kcp.nodelay(1, interval, resend, 1);
    this.kcp.wndsize(window, window);
    this.kcp.set('stream', stream ? 1 : 0);
    this.kcp.deadLink(timeout, () => {
      this.destroy(new KcpError(`the peer has acknowledged nothing for ${timeout} ms`, 'ERR_KCP_TIMEOUT'));
    });
  }

  // For this module: begins to send.
  _start() {
    this.#ready = true;
    this.#due();
  }

  // For this module: a packet has arrived.
  _input(packet) {
    const current = now();
    try {
      this.kcp.set('current', current); // by which the round trip is measured
      this.kcp.input(packet);
    } catch (error) {
      if (error instanceof KcpError) return; // from somebody else
      throw error;
    }
    this.heard = current;
    this._read();
    this.#due();
  }

  // For this module: the peer is silent. That is how a connection ends, hence no error.
  _end() {
    if (this.#ended) return;
    this.#ended = true;
    this.push(null);
    setImmediate(() => this.destroy());
  }

  // Sends what the calls of this turn of the event loop have made due, all at once.
  #due() {
    this.#soon ??= setImmediate(() => this.#update());
  }

  #update() {
    clearTimeout(this.#timer);
    this.#soon = undefined;
    if (!this.#ready || this.kcp.closed) return;
    const current = now();
    try {
      this.kcp.updateDue(current);
    } catch (error) {
      return this.destroy(error);
    }
    if (this.kcp.closed) return;
    if (this.#waiting && this.kcp.waitsnd() <= this.#waiting.segments) {
      const { done } = this.#waiting;
      this.#waiting = undefined;
      done();
      if (this.kcp.closed) return;
    }
    const wait = (this.kcp.next(current) - current) >>> 0;
    if (wait < NEVER) this.#timer = setTimeout(() => this.#update(), wait);
  }

  #whenWaiting(segments, done) {
    this.#waiting = { segments, done };
    this.#due();
  }

  _read() {
    for (let message; !this.kcp.closed && !this.#ended && (message = this.kcp.recv()) !== undefined;) {
      this.#due(); // the window may be open again
      if (!this.push(message)) return; // the rest waits in KCP, which tells the peer
    }
  }

  _write(message, encoding, done) {
    try {
      this.kcp.send(message);
    } catch (error) {
      return done(error);
    }
    const limit = 2 * this.kcp.get('snd_wnd');
    if (this.kcp.waitsnd() <= limit) {
      this.#due();
      done();
    } else {
      this.#whenWaiting(limit, done);
    }
  }

  sendUntil(message, milliseconds) {
    if (this.#ready) this.kcp.updateDue(); // tells the time that it counts from
    this.kcp.sendUntil(message, milliseconds);
    this.#due();
  }

  // end(): closes when the peer has acknowledged everything.
  _final(done) {
    this.#whenWaiting(0, () => {
      done();
      setImmediate(() => this.destroy());
    });
  }

  _destroy(error, done) {
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    if (!this.kcp.closed) {
      try {
        if (this.#ready) this.kcp.updateDue(); // acknowledges what has come
      } catch (other) {
        error ??= other;
      }
      this.kcp.close();
    }
    this.#forget();
    done(error);
  }
}

// connect(options, [onConnect]) or connect(port, [host], [onConnect])
function connect(...given) {
  const listener = typeof given.at(-1) === 'function' ? given.pop() : undefined;
  const options = typeof given[0] === 'object' ? given[0] : { port: given[0], host: given[1] };
  const { port, host = '127.0.0.1', conv = randomInt(2 ** 32) } = options;
  check(options);
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
  const connection = new Connection(conv, (packet) => socket.send(packet), () => socket.close(), options);
  if (listener) connection.once('connect', listener);
  let connected = false;
  socket.on('message', (packet) => connection._input(packet));
  socket.on('error', (error) => {
    if (!connected) connection.destroy(error); // later ones are like lost packets
  });
  socket.connect(port, host, (error) => {
    if (error) return connection.destroy(error);
    connected = true;
    connection._start();
    connection.emit('connect');
  });
  return connection;
}

class Server extends EventEmitter {
  #socket;
  #options;
  #sweep;
  #over = false;

  constructor(options, listener) {
    super();
    check(options);
    this.#options = options;
    this.connections = new Map();
    if (listener) this.on('connection', listener);
  }

  listen(port, host = '127.0.0.1', listening = undefined) {
    if (typeof host === 'function') return this.listen(port, undefined, host);
    if (listening) this.once('listening', listening);
    const { timeout = TIMEOUT } = this.#options;
    this.#socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
    this.#socket.on('message', (packet, peer) => this.#input(packet, peer));
    this.#socket.on('error', (error) => this.emit('error', error));
    this.#socket.bind(port, host, () => this.emit('listening'));
    this.#sweep = setInterval(() => {
      for (const connection of this.connections.values()) {
        if ((now() - connection.heard) >>> 0 > timeout) connection._end();
      }
    }, timeout / 4);
    return this;
  }

  address() { return this.#socket.address(); }

  #input(packet, { address, port }) {
    if (packet.length < 24) return;
    const conv = getconv(packet);
    const key = `${address} ${port} ${conv}`;
    let connection = this.connections.get(key);
    if (!connection) {
      // Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
      const { limit = 10000 } = this.#options;
      if (packet[4] !== 81 || packet.readUInt32LE(12) !== 0 || this.connections.size >= limit) return;
      const send = (bytes) => this.#socket.send(bytes, port, address, () => {}); // an error is like a lost packet
      connection = new Connection(conv, send, () => this.connections.delete(key), this.#options);
      connection.remoteAddress = address;
      connection.remotePort = port;
      connection.on('error', () => {}); // a peer that is gone ends its connection alone, not the program
      this.connections.set(key, connection);
      connection._start();
      this.emit('connection', connection);
    }
    connection._input(packet);
  }

  close(closed) {
    if (this.#over || !this.#socket) { // as net.Server does
      const error = Object.assign(new Error('the server is not running'), { code: 'ERR_SERVER_NOT_RUNNING' });
      if (closed) setImmediate(closed, error);
      return this;
    }
    this.#over = true;
    if (closed) this.once('close', closed);
    clearInterval(this.#sweep);
    for (const connection of [...this.connections.values()]) connection.destroy();
    // After what the connections sent last.
    setImmediate(() => this.#socket.close(() => this.emit('close')));
    return this;
  }
}

const createServer = (options, listener) =>
  typeof options === 'function' ? new Server({}, options) : new Server(options ?? {}, listener);

module.exports = { Connection, Server, connect, createServer };
