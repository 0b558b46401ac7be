// Runs WebAssembly for check.sh, with node's WASI.
//
//   wasm.mjs run PROGRAM.wasm              a program with main()
//   wasm.mjs module kcp.wasm FUNCTION ...  the library as a module: what it exports, and a message from one end to the other

import { readFile } from 'node:fs/promises'
import { WASI } from 'node:wasi'

const [what, file, ...functions] = process.argv.slice(2)
const wasi = new WASI({ version: 'preview1', args: [file], env: process.env, returnOnExit: true })
const { instance } = await WebAssembly.instantiate(await readFile(file), wasi.getImportObject())

if (what === 'run') {
  process.exitCode = wasi.start(instance)
} else {
  wasi.initialize(instance)
  const kcp = instance.exports
  const missing = functions.filter((name) => typeof kcp[name] !== 'function')
  if (missing.length > 0) throw new Error(`kcp.wasm lacks ${missing}`)

  // Without a callback nothing leaves a connection: what was queued is counted.
  const memory = () => new Uint8Array(kcp.memory.buffer)
  const connection = kcp.ikcp_create(42, 0)
  const text = new TextEncoder().encode('over the wire')
  const buffer = kcp.malloc(100)
  memory().set(text, buffer)
  if (kcp.ikcp_send(connection, buffer, text.length) !== text.length) throw new Error('ikcp_send')
  if (kcp.ikcp_waitsnd(connection) !== 1) throw new Error('ikcp_waitsnd')

  // A packet as a peer would send it: one segment with the message, number 0.
  const packet = new DataView(new ArrayBuffer(24 + text.length))
  packet.setUint32(0, 42, true)
  packet.setUint8(4, 81)
  packet.setUint16(6, 128, true)
  packet.setUint32(20, text.length, true)
  new Uint8Array(packet.buffer).set(text, 24)
  memory().set(new Uint8Array(packet.buffer), buffer)
  if (kcp.ikcp_input(connection, buffer, packet.byteLength) !== 0) throw new Error('ikcp_input')
  const length = kcp.ikcp_recv(connection, buffer, 100)
  const got = new TextDecoder().decode(memory().slice(buffer, buffer + Math.max(length, 0)))
  if (got !== 'over the wire') throw new Error(`ikcp_recv: ${length} ${got}`)
  kcp.ikcp_release(connection)
  console.log(`  ${file.split('/').at(-1)}: ${functions.length} functions, a message arrives`)
}
