// KCP: reliable messages over UDP. index.d.ts says what everything is.
'use strict';

const { Kcp, KcpError, getconv, now } = require('./kcp.js');
const { Connection, Server, connect, createServer } = require('./udp.js');

module.exports = { Connection, Kcp, KcpError, Server, connect, createServer, getconv, now };
