// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
'use strict';

const { connect } = require('ikcp');

const MESSAGES = 100;
const start = performance.now();
const socket = connect({ port: Number(process.argv[2]), timeout: 20000 });
const sent = Array.from({ length: MESSAGES }, (_, n) => Buffer.alloc(n * 31, n)); // up to 3 KB: more than a packet
let received = 0;

socket.kcp.stats(); // counts from here on
for (const message of sent) socket.write(message);

socket.on('data', (message) => {
  if (!message.equals(sent[received])) return socket.destroy(new Error(`echo ${received} is not what was sent`));
  if (++received < MESSAGES) return;
  const { packetsSent, segmentsSent, resentTimeout, resentSkipped } = socket.kcp.stats();
  console.log(`${MESSAGES} echoes, all equal, in ${Math.round(performance.now() - start)} ms`);
  console.log(`${packetsSent} packets; of ${segmentsSent} segments ${resentTimeout + resentSkipped} were sent again`);
  socket.end();
});
