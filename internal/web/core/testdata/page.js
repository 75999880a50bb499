// A page that says what its core does, and does what it is told.
import * as core from '/core.js'

const tab = new URLSearchParams(location.search).get('tab') ?? ''
const say = (what, value = null) => fetch(`/tell/${what}?tab=${tab}`, {method: 'POST', body: JSON.stringify(value)})
addEventListener('error', e => say('wrong', String(e.message)))
addEventListener('unhandledrejection', e => say('wrong', String(e.reason?.stack ?? e.reason)))
document.addEventListener('securitypolicyviolation', e => say('wrong', `${e.violatedDirective}: ${e.blockedURI}`))

// The workers, so that a test can have one die.
const workers = [], Plain = Worker
globalThis.Worker = class extends Plain { constructor(...of) { super(...of); workers.push(this) } }

const bytesOf = text => new TextEncoder().encode(text)
let room
const open = async options => {
  room?.close()
  room = await core.openRoom(options, e => say('event', e))
  return {info: room.info, sum: room.core, id: room.id, secure: isSecureContext}
}
const does = {
  open, rooms: core.rooms, identity: core.identity, readLink: core.readLink, forgetRoom: core.forgetRoom,
  close: async () => room.close(),
  send: what => room.send(what.file ? {file: {...what.file, content: bytesOf(what.file.content)}} : what, {once: what.once}),
  file: async ([key, number]) => { const f = await room.file(key, number); return {...f, content: new TextDecoder().decode(f.content)} },
  verify: key => room.verify(key), people: () => room.people(), shown: m => room.shown(m), digest: () => room.digest(),
  history: n => room.history(n), invite: () => room.invite(), outbox: () => room.outbox(), set: what => room.set(what),
  receipt: () => room.receipt(),
  exportIdentity: async pass => new TextDecoder().decode(await room.exportIdentity(pass)),
  importIdentity: ([file, pass]) => core.importIdentity(bytesOf(file), pass),
  // What is attached has no such length: the core fails where nothing can be mended.
  die: async () => workers.at(-1).postMessage({id: 1e9, message: {op: 'wake'}, attached: {length: 2 ** 31 - 1}}),
  hide: async hidden => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})
    document.dispatchEvent(new Event('visibilitychange'))
  },
}

for (;;) {
  const {id, what, value} = await (await fetch('/next?tab=' + tab)).json()
  if (what === 'end') break
  if (what === 'reload') {
    await say('done', {id, value: null})
    location.reload()
    await new Promise(() => {})
  }
  try {
    await say('done', {id, value: await does[what](value) ?? null})
  } catch (e) {
    await say('done', {id, error: {code: e.code ?? '', message: e.message, hint: e.hint ?? ''}})
  }
}
