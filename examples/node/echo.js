// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
'use strict';

const dgram = require('node:dgram');
const koffi = require('koffi');

// ---- the library ----

const lib = koffi.load({ win32: 'kcp.dll', darwin: 'libkcp.dylib' }[process.platform] ?? 'libkcp.so');
koffi.opaque('ikcpcb');
koffi.proto('int output_t(const void *buf, int len, ikcpcb *kcp, void *user)');

const kcpCreate = lib.func('ikcpcb *ikcp_create(uint32_t conv, void *user)');
const kcpRelease = lib.func('void ikcp_release(ikcpcb *kcp)');
const kcpSetoutput = lib.func('void ikcp_setoutput(ikcpcb *kcp, output_t *output)');
const kcpNodelay = lib.func('int ikcp_nodelay(ikcpcb *kcp, int nodelay, int interval, int resend, int nc)');
const kcpWndsize = lib.func('int ikcp_wndsize(ikcpcb *kcp, int sndwnd, int rcvwnd)');
const kcpSend = lib.func('int ikcp_send(ikcpcb *kcp, const void *buffer, int len)');
const kcpRecv = lib.func('int ikcp_recv(ikcpcb *kcp, _Out_ void *buffer, int len)');
const kcpPeeksize = lib.func('int ikcp_peeksize(const ikcpcb *kcp)');
const kcpInput = lib.func('int ikcp_input(ikcpcb *kcp, const void *data, long size)');
const kcpUpdate = lib.func('void ikcp_update(ikcpcb *kcp, uint32_t current)');
const kcpCheck = lib.func('uint32_t ikcp_check(const ikcpcb *kcp, uint32_t current)');
const kcpFlush = lib.func('void ikcp_flush(ikcpcb *kcp)');

// Milliseconds of a clock that is never set back, as 32 bits.
const now = () => Math.floor(performance.now()) >>> 0;

// ---- one connection over one UDP socket ----

const MESSAGES = 100;
const port = Number(process.argv[2]);
const udp = dgram.createSocket('udp4');

// Registered, since the library calls it after ikcp_setoutput() has returned.
const output = koffi.register((packet, size) => {
  udp.send(Buffer.from(koffi.decode(packet, 'uint8_t', size)), port, '127.0.0.1');
  return size;
}, koffi.pointer('output_t'));

const kcp = kcpCreate(1, null);
kcpSetoutput(kcp, output);
kcpNodelay(kcp, 1, 10, 2, 1);
kcpWndsize(kcp, 256, 256);

const sent = [];
let received = 0;
let timer;
const start = now();

function finish(error) {
  clearTimeout(timer);
  udp.close();
  kcpRelease(kcp);
  koffi.unregister(output);
  if (error) {
    console.error(error);
    process.exitCode = 1;
  } else {
    console.log(`${MESSAGES} echoes, all equal, in ${now() - start} ms`);
  }
}

// Gives KCP the time, takes what messages there are, and comes back when KCP has something to do.
function update() {
  clearTimeout(timer);
  kcpUpdate(kcp, now());
  for (let size; (size = kcpPeeksize(kcp)) >= 0; ++received) {
    const message = Buffer.alloc(size);
    kcpRecv(kcp, message, size);
    if (!message.equals(sent[received])) return finish(`echo ${received} is not what was sent`);
  }
  if (received === MESSAGES) return finish();
  const current = now();
  if (current - start > 20000) return finish(`only ${received} of ${MESSAGES} echoes came back`);
  timer = setTimeout(update, Math.max(kcpCheck(kcp, current) - current, 1));
}

udp.on('message', (packet) => {
  kcpInput(kcp, packet, packet.length);
  update();
});

udp.bind(0, '127.0.0.1', () => {
  kcpUpdate(kcp, start);
  for (let n = 0; n < MESSAGES; ++n) {
    sent.push(Buffer.alloc(1 + n * 31, `${n} `)); // up to 3 KB: more than a packet
    kcpSend(kcp, sent[n], sent[n].length);
  }
  kcpFlush(kcp);
  update();
});
