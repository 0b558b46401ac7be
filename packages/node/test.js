// Of the installed package: settings, extensions, errors, closing, and transfers over a link that loses packets.
'use strict';

const assert = require('node:assert');
const dgram = require('node:dgram');
const { once } = require('node:events');
const { Kcp, KcpError, connect, createServer, getconv } = require('ikcp');

const code = (wanted, result) => (error) => error.code === wanted && (result === undefined || error.result === result);

// Two ends in memory, without loss.
function pair() {
  const ends = [];
  ends.push(new Kcp(7, (packet) => ends[1].input(packet)), new Kcp(7, (packet) => ends[0].input(packet)));
  for (const end of ends) end.nodelay(1, 10, 2, 1);
  return ends;
}

function extensions() {
  const [a, b] = pair();
  a.stats();
  for (const message of [Buffer.from('one'), new Uint8Array([1, 2]).subarray(1), 'three', Buffer.alloc(0)]) a.send(message);
  a.updateDue(1);
  assert.deepStrictEqual([b.recv(), b.recv(), b.recv(), b.recv(), b.recv()].map((m) => m?.toString('latin1')),
    ['one', '\x02', 'three', '', undefined]);
  a.send('again');
  a.updateDue(20);
  const room = Buffer.alloc(10);
  assert.deepStrictEqual([b.peeksize(), b.recvInto(room), room.toString('latin1', 0, 5), b.recvInto(room)], [5, 5, 'again', undefined]);
  b.updateDue(20);
  const stats = a.stats();
  assert.deepStrictEqual([stats.segmentsSent, stats.bytesDelivered, a.waitsnd()], [5, 14, 0]);
  assert.strictEqual(a.ccinfo(), undefined);
  a.bbr();
  assert.strictEqual(a.ccinfo().phaseName, 'Startup');
  a.cubic();
  assert.strictEqual(a.ccinfo().phase, 16);
  a.builtin();
  a.rack(true);
  a.redundancy(20);
  a.largeMessages(true);
  a.backoffLimit(1000);
  a.pathChanged();
  assert.strictEqual(a.next(40), 40 + 0x7fffffff);
  a.sendUntil('expires in the queue', 10);
  a.updateDue(100);
  assert.deepStrictEqual([b.recv(), a.waitsnd(), a.stats().messagesDropped], [undefined, 0, 1]);
  const packets = [];
  const e = new Kcp(9, (packet) => packets.push(packet));
  const f = new Kcp(9, () => {});
  e.stats();
  e.stub('-');
  e.updateDue(0);
  e.sendUntil('expires in flight', 50);
  for (let time = 10; time < 600; time += 10) e.updateDue(time);
  f.input(packets.at(-1));
  assert.deepStrictEqual([f.recv().toString(), e.stats().messagesShortened], ['-', 1]);
  let dead = 0;
  const c = new Kcp(1, () => {});
  c.deadLink(1000, () => dead++);
  c.updateDue(0);
  c.send('nobody hears');
  for (let time = 10; time < 5000; time += 10) c.update(time);
  assert.deepStrictEqual([dead, c.get('state')], [1, 0xffffffff]);
  const lines = [];
  c.setlog(0xffff, (line) => lines.push(line));
  c.set('rx_minrto', 10);
  c.update(20000);
  assert(lines[0].startsWith('[RO]'), lines[0]);
  assert.strictEqual(c.get('rx_minrto'), 10);
}

function errors() {
  const [a, b] = pair();
  assert.throws(() => a.send(Buffer.alloc(1 << 20)), code('ERR_KCP_MESSAGE', -2));
  a.largeMessages(true);
  assert.throws(() => a.send(Buffer.alloc(200 * 1376)), code('ERR_KCP_MESSAGE', -3));
  assert.throws(() => a.send(7), code('ERR_INVALID_ARG_TYPE'));
  assert.throws(() => a.input(Buffer.from('short')), code('ERR_KCP_PACKET', -1));
  assert.throws(() => a.setmtu(10), code('ERR_KCP_VALUE'));
  // anything but a number is refused, and not taken for 0
  for (const wrong of ['1400', NaN, undefined, null, {}]) {
    assert.throws(() => a.setmtu(wrong), code('ERR_INVALID_ARG_TYPE'));
    assert.throws(() => a.wndsize(128, wrong), code('ERR_INVALID_ARG_TYPE'));
    assert.throws(() => a.set('interval', wrong), code('ERR_INVALID_ARG_TYPE'));
    assert.throws(() => new Kcp(wrong, () => {}), code('ERR_INVALID_ARG_TYPE'));
  }
  for (const wrong of [-1, 1.5, 2 ** 32]) assert.throws(() => new Kcp(wrong, () => {}), code('ERR_OUT_OF_RANGE'));
  assert.throws(() => new Kcp(1), code('ERR_INVALID_ARG_TYPE'));
  assert.throws(() => a.redundancy(101), KcpError);
  assert.throws(() => a.stub(Buffer.alloc(65)), code('ERR_KCP_VALUE', -1));
  a.stub('');
  a.stub();
  assert.throws(() => a.sendUntil('', -1), code('ERR_KCP_MESSAGE', -1));
  assert.throws(() => a.get('nothing'), code('ERR_KCP_FIELD'));
  assert.throws(() => getconv(Buffer.alloc(3)), code('ERR_KCP_PACKET'));
  a.send('long');
  a.updateDue(1);
  assert.throws(() => b.recvInto(Buffer.alloc(3)), code('ERR_KCP_BUFFER', -3));
  assert.strictEqual(b.recv().toString(), 'long');

  const c = new Kcp(1, () => { throw 17; }); // eslint-disable-line no-throw-literal
  c.send('more');
  assert.throws(() => c.updateDue(20), (thrown) => thrown === 17);
  const d = new Kcp(1, () => d.close()); // a callback may close
  d.send('last');
  d.updateDue(1);
  assert(d.closed);
  d.close();
  assert.throws(() => d.send('late'), code('ERR_KCP_CLOSED'));
}

// Options that no connection can be made with: a server threw with the first packet, which ended the program.
function options() {
  for (const wrong of [{ mtu: 49 }, { mtu: 65508 }, { mtu: 'x' }, { window: 0 }, { timeout: 0 }, { timeout: NaN }, { limit: -1 }]) {
    assert.throws(() => createServer(wrong), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => connect({ port: 9, ...wrong }), { code: 'ERR_OUT_OF_RANGE' });
  }
}

// A connection that nobody has any more is freed, though its callback refers to it.
async function collected() {
  const gone = [];
  const registry = new FinalizationRegistry((number) => gone.push(number));
  for (let i = 0; i < 50; ++i) {
    const kcp = new Kcp(1, () => kcp.waitsnd());
    registry.register(kcp, i);
    kcp.send('x');
    kcp.updateDue(1);
  }
  for (let i = 0; i < 50 && gone.length < 40; ++i) {
    global.gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert(gone.length >= 40, `${gone.length} of 50 were collected`);
}

// A relay before the server that loses a tenth of the packets.
async function lossy(port, seed) {
  const [front, back] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  let client;
  const lost = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32 < 0.1;
  front.on('message', (packet, peer) => {
    client = peer;
    if (!lost()) back.send(packet, port, '127.0.0.1');
  });
  back.on('message', (packet) => lost() || front.send(packet, client.port, client.address));
  front.bind(0, '127.0.0.1');
  await once(front, 'listening');
  return { port: front.address().port, close: () => { front.close(); back.close(); } };
}

// The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0.
async function theClockStoodStillWhileAConnectionSlept() {
  const peer = dgram.createSocket('udp4');
  peer.on('message', (packet, { port, address }) => {
    // conv, an acknowledgement, a window of 128, ts, sn, una, no payload
    const answer = Buffer.concat([packet.subarray(0, 4), Buffer.of(82, 0, 128, 0), packet.subarray(8, 16), Buffer.of(1, 0, 0, 0, 0, 0, 0, 0)]);
    setTimeout(() => peer.send(answer, port, address), 100);
  });
  peer.bind(0, '127.0.0.1');
  await once(peer, 'listening');
  const socket = connect({ port: peer.address().port });
  socket.write('x');
  while (socket.kcp.get('snd_una') === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert(socket.kcp.get('rx_srtt') >= 90, `${socket.kcp.get('rx_srtt')} ms`);
  socket.destroy();
  setTimeout(() => peer.close(), 200); // after the last answer
}

async function transfers() {
  const seed = (process.env.IKCP_SEED ?? Math.random() * 2 ** 32) >>> 0;
  console.log('seed of the losses:', seed);
  const server = createServer({ timeout: 30000 }, (socket) => socket.pipe(socket)).listen(0);
  await once(server, 'listening');
  const relay = await lossy(server.address().port, seed);
  const socket = connect({ port: relay.port });
  const sent = Array.from({ length: 100 }, (_, n) => Buffer.alloc(n * 31, n));
  let n = 0;
  setImmediate(async () => {
    for (const message of sent) if (!socket.write(message)) await once(socket, 'drain');
  });
  for await (const message of socket) {
    assert(message.equals(sent[n]), `message ${n}`);
    if (++n === sent.length) break;
  }
  assert.strictEqual(server.connections.size, 1);
  relay.close();

  // late packets of a connection that the server has forgotten make no new one
  const forgotten = connect({ port: server.address().port, timeout: 30000 });
  forgotten.write('x');
  assert.strictEqual((await once(forgotten, 'data'))[0].toString(), 'x');
  await new Promise((resolve) => setTimeout(resolve, 3200)); // the time counts from the call, not from the last update
  forgotten.sendUntil('in time', 3000);
  assert.strictEqual((await once(forgotten, 'data'))[0].toString(), 'in time');
  for (const known of [...server.connections.values()]) known.destroy();
  forgotten.write('y');
  const [error] = await once(forgotten, 'error');
  assert.strictEqual(error.code, 'ERR_KCP_TIMEOUT');
  assert(forgotten.kcp.closed);
  assert.strictEqual(server.connections.size, 0);

  // end() closes when everything is acknowledged
  const ending = connect(server.address().port);
  ending.end('z');
  await once(ending, 'close');
  const closed = once(server, 'close');
  server.close();
  // a server that is closed twice says so, and does not end the program
  const [again] = await new Promise((resolve) => server.close((...given) => resolve(given)));
  assert.strictEqual(again.code, 'ERR_SERVER_NOT_RUNNING');
  await closed;

  // a stream of bytes, and a peer that is silent
  const streams = createServer({ stream: true, timeout: 3000 }, (peer) => peer.pipe(peer)).listen(0);
  await once(streams, 'listening');
  const stream = connect({ port: streams.address().port, stream: true });
  stream.write('ab');
  stream.write('cd');
  assert.strictEqual((await once(stream, 'data'))[0].toString(), 'abcd');
  for (const start = Date.now(); streams.connections.size > 0;) {
    assert(Date.now() < start + 60000);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  stream.destroy();
  streams.close();
}

extensions();
errors();
options();
collected().then(theClockStoodStillWhileAConnectionSlept).then(transfers).then(() => console.log('node: passed'));
