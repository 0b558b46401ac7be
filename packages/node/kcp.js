// One end of a connection, without a socket and without a clock.
'use strict';

const path = require('node:path');

// The addon for this machine: linux-x64, linux-x64-musl, win32-x64, darwin-arm64 and so on.
function load() {
  const glibc = process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime;
  const name = `${process.platform}-${process.arch}${glibc ? '' : '-musl'}`;
  try {
    return require(path.join(__dirname, 'prebuilds', name, 'kcp.node'));
  } catch (cause) {
    throw new Error(`ikcp: no library for ${name} in this package`, { cause });
  }
}

const native = load();

class KcpError extends Error {
  constructor(message, code, result) {
    super(message);
    this.name = 'KcpError';
    this.code = code;
    this.result = result;
  }
}

const now = () => Math.floor(performance.now()) >>> 0;

function getconv(packet) {
  const conv = native.getconv(packet);
  if (conv === undefined) throw new KcpError('the packet is too short', 'ERR_KCP_PACKET');
  return conv;
}

function check(result) {
  if (result !== 0) throw new KcpError('a value is out of range, or there is no memory', 'ERR_KCP_VALUE', result);
}

// A number as it is: undefined, a string or NaN would be taken for 0.
function number(name, value) {
  if (typeof value === 'number' && !Number.isNaN(value)) return value;
  throw Object.assign(new TypeError(`${name}: a number is expected`), { code: 'ERR_INVALID_ARG_TYPE' });
}

function callable(name, value) {
  if (typeof value === 'function') return value;
  throw Object.assign(new TypeError(`${name}: a function is expected`), { code: 'ERR_INVALID_ARG_TYPE' });
}

const bytes = (message) => (typeof message === 'string' ? Buffer.from(message) : message);

const REFUSED = {
  '-1': 'the time is negative',
  '-3': 'the message is larger than any window that the peer has announced',
  '-4': 'a stream has no messages that expire',
};

function sent(taken, data) {
  if (taken === data.length) return;
  throw new KcpError(REFUSED[taken] ?? 'the message is too long, or there is no memory', 'ERR_KCP_MESSAGE', taken);
}

class Kcp {
  #handle;
  #callbacks = {}; // held here: the addon's references are weak
  #closed = false;

  constructor(conv, output) {
    if (!Number.isInteger(number('conv', conv)) || conv < 0 || conv > 0xffffffff) {
      throw Object.assign(new RangeError(`conv: expected a whole number of 32 bits, got ${conv}`), { code: 'ERR_OUT_OF_RANGE' });
    }
    callable('output', output);
    this.#callbacks.output = (packet) => void output(packet);
    this.#handle = native.create(conv, this.#callbacks.output);
  }

  get closed() { return this.#closed; }
  close() {
    this.#closed = true;
    native.close(this.#handle);
  }

  send(message) {
    const data = bytes(message);
    sent(native.send(this.#handle, data), data);
  }

  sendUntil(message, milliseconds) {
    const data = bytes(message);
    sent(native.sendUntil(this.#handle, data, number('milliseconds', milliseconds)), data);
  }

  stub(message) { check(native.stub(this.#handle, bytes(message ?? ''), message == null ? 0 : 1)); }

  recv() { return native.recv(this.#handle); }
  recvInto(buffer) {
    const size = native.recvInto(this.#handle, buffer);
    if (size === -3) throw new KcpError('the buffer is too small', 'ERR_KCP_BUFFER', size);
    return size < 0 ? undefined : size;
  }

  input(packet) {
    const result = native.input(this.#handle, packet);
    if (result < 0) throw new KcpError('the packet does not belong to this connection', 'ERR_KCP_PACKET', result);
  }

  update(current = now()) { native.update(this.#handle, number('current', current)); }
  check(current = now()) { return native.check(this.#handle, number('current', current)); }
  flush() { native.flush(this.#handle); }
  next(current = now()) { return native.next(this.#handle, number('current', current)); }
  updateDue(current = now()) { native.updateDue(this.#handle, number('current', current)); }
  peeksize() { return native.peeksize(this.#handle); }
  waitsnd() { return native.waitsnd(this.#handle); }

  setmtu(mtu) { check(native.setmtu(this.#handle, number('mtu', mtu))); }
  wndsize(sndwnd, rcvwnd) { native.wndsize(this.#handle, number('sndwnd', sndwnd), number('rcvwnd', rcvwnd)); }
  nodelay(nodelay, interval, resend, nc) {
    native.nodelay(
      this.#handle, number('nodelay', nodelay), number('interval', interval), number('resend', resend), number('nc', nc),
    );
  }
  get(field) { return native.get(this.#handle, field); }
  set(field, value) { native.set(this.#handle, field, number(field, value) >>> 0); }
  setlog(mask, log) {
    callable('log', log);
    this.#callbacks.log = (line) => void log(line);
    native.setlog(this.#handle, mask, this.#callbacks.log);
  }

  bbr() { check(native.bbr(this.#handle)); }
  cubic() { check(native.cubic(this.#handle)); }
  builtin() { check(native.builtin(this.#handle)); }
  ccinfo() { return native.ccinfo(this.#handle); }
  rack(on) { check(native.rack(this.#handle, on ? 1 : 0)); }
  redundancy(percent) { check(native.redundancy(this.#handle, number('percent', percent))); }
  stats() {
    const stats = native.stats(this.#handle);
    if (stats === undefined) throw new KcpError('no memory', 'ERR_KCP_MEMORY');
    return stats;
  }
  largeMessages(on) { check(native.largeMessages(this.#handle, on ? 1 : 0)); }
  pathChanged() { native.pathChanged(this.#handle); }
  backoffLimit(milliseconds) { check(native.backoffLimit(this.#handle, number('milliseconds', milliseconds))); }
  deadLink(milliseconds, dead = () => {}) {
    callable('dead', dead);
    const callback = () => void dead();
    check(native.deadLink(this.#handle, number('milliseconds', milliseconds), callback));
    this.#callbacks.dead = callback;
  }
}

if (Symbol.dispose) Kcp.prototype[Symbol.dispose] = Kcp.prototype.close;

module.exports = { Kcp, KcpError, getconv, now };
