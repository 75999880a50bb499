// Runs the core in a worker: loads it, answers what a WASI program asks of its system, and hands messages in and out.

const encoder = new TextEncoder(), decoder = new TextDecoder()
let memory, core
let said = '', dead // what the core has written, and why it is not called any more

const BADF = 8 // it has no files
const bytes = (at, n) => new Uint8Array(memory.buffer, at, n)
const view = () => new DataView(memory.buffer)
const put32 = (at, n) => { view().setUint32(at, n, true); return 0 }

// What the core imports and is not here is refused as if on a file that is not open.
const system = {
  clock_time_get(clock, _, at) {
    const ms = clock === 0 ? Date.now() : performance.now()
    view().setBigUint64(at, BigInt(Math.round(ms * 1e6)), true)
    return 0
  },
  random_get(at, n) {
    for (let i = 0; i < n; i += 65536) crypto.getRandomValues(bytes(at + i, Math.min(65536, n - i)))
    return 0
  },
  // What it writes says why it dies.
  fd_write(_, list, n, written) {
    let all = 0
    for (let i = 0; i < n; i++) {
      const at = view().getUint32(list + 8 * i, true), size = view().getUint32(list + 8 * i + 4, true)
      said = (said + decoder.decode(bytes(at, size).slice())).slice(-4096)
      all += size
    }
    return put32(written, all)
  },
  // Nothing here waits: whoever would sleep looks at the clock again.
  poll_oneoff(asked, events, n, count) {
    for (let i = 0; i < n; i++) {
      bytes(events + 32 * i, 32).fill(0)
      bytes(events + 32 * i, 8).set(bytes(asked + 48 * i, 8).slice())
    }
    return put32(count, n)
  },
  sched_yield: () => 0,
  proc_exit(code) { throw new Error(`the core has ended with ${code}`) },
  args_sizes_get: (count, size) => put32(count, 0) || put32(size, 0),
  environ_sizes_get: (count, size) => put32(count, 0) || put32(size, 0),
  args_get: () => 0,
  environ_get: () => 0,
}

// call hands a message with what is attached to it to the core, and returns its answer.
function call(message, attached = new Uint8Array()) {
  const text = encoder.encode(JSON.stringify(message))
  const at = core.buffer(text.length + attached.length) >>> 0
  bytes(at, text.length).set(text)
  bytes(at + text.length, attached.length).set(attached)
  const out = core.call(text.length, attached.length) >>> 0
  const n = view().getUint32(out, true), m = view().getUint32(out + 4, true)
  return {answer: JSON.parse(decoder.decode(bytes(out + 8, n).slice())), more: bytes(out + 8 + n, m).slice()}
}

// start runs a module that was compiled before, or loads it, and has it compute its own SHA-256.
async function start(module) {
  let loaded
  if (!module) {
    const answer = await fetch(new URL('./core.wasm', import.meta.url))
    if (!answer.ok) throw new Error(`the core could not be loaded: status ${answer.status}`)
    loaded = new Uint8Array(await answer.arrayBuffer())
    module = await WebAssembly.compile(loaded)
  }
  const imports = {}
  for (const i of WebAssembly.Module.imports(module)) (imports[i.module] ??= {})[i.name] = system[i.name] ?? (() => BADF)
  core = (await WebAssembly.instantiate(module, imports)).exports
  memory = core.memory
  core._initialize()
  let sum
  for (let i = 0; loaded && i < loaded.length; i += 1 << 18) {
    sum = call({op: 'hash'}, loaded.subarray(i, i + (1 << 18))).answer.result
  }
  return {module, sum}
}

addEventListener('message', async ({data: {id, start: begin, module, message, attached}}) => {
  try {
    if (dead) throw new Error(dead)
    if (begin) return postMessage({id, ...await start(module)})
    const {answer, more} = call(message, attached)
    postMessage({id, answer, more}, [more.buffer])
  } catch (e) {
    // What it was about to do stands half done in its memory: it must not go on.
    if (!dead && said) console.error(said)
    dead ??= `${said.split('\n', 1)[0]} ${e.message ?? e}`.trim()
    postMessage({id, died: dead})
  }
})
