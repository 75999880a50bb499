// What a page has of the core: it runs it in a worker, keeps its rows in IndexedDB before anything else is done, and makes its
// requests. It holds no rule of rooms.

class CoreError extends Error {
  constructor({code, message, hint}) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

// The one policy of trusted types: it admits the address of the worker, and no other.
const workerURL = new URL('./worker.js', import.meta.url).href
const policy = globalThis.trustedTypes?.createPolicy('fernpost', {
  createScriptURL: url => { if (url !== workerURL) throw new TypeError('only the core runs here'); return url },
})

let compiled, sum // of the core that runs here

// Runner is a worker with a core.
class Runner {
  #waiting = new Map()
  #last = 0

  constructor() {
    this.worker = new Worker(policy ? policy.createScriptURL(workerURL) : workerURL, {type: 'module'})
    this.worker.onmessage = ({data}) => {
      const of = this.#waiting.get(data.id)
      this.#waiting.delete(data.id)
      if (data.died === undefined) of?.resolve(data)
      else if (of) of.reject(new CoreError({code: 'died', message: data.died}))
      else this.onDeath?.()
    }
    this.worker.onerror = e => { e.preventDefault?.(); this.fail(e.message || 'the worker could not be started') }
  }

  fail(message) {
    for (const of of this.#waiting.values()) of.reject(new CoreError({code: 'died', message}))
    this.#waiting.clear()
  }

  #post(what, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#last, {resolve, reject})
      this.worker.postMessage({id: this.#last, ...what}, transfer)
    })
  }

  static async start() {
    const r = new Runner()
    try {
      const got = await r.#post({start: true, module: compiled})
      compiled = got.module
      sum ??= got.sum
      return r
    } catch (e) {
      r.end()
      throw new CoreError({code: 'core', message: `The core could not be started: ${e.message}`, hint: 'Load the page again.'})
    }
  }

  // call resolves to the core's answer and what is attached to it.
  async call(message, attached = new Uint8Array()) {
    const {answer, more} = await this.#post({message, attached})
    if (answer.dead) throw new CoreError({code: 'died', message: answer.failed.message})
    return {answer, more}
  }

  end() { this.worker.terminate(); this.fail('it was ended') }
}

// once asks a core without a room for something, and ends it: what deriving a key takes of memory is never given back.
async function once(message, attached) {
  const r = await Runner.start()
  try {
    const {answer, more} = await r.call(message, attached)
    return result(answer) ?? more.slice(0, answer.attached)
  } finally {
    r.end()
  }
}

function result(answer) {
  if (answer.failed) throw new CoreError(answer.failed)
  return answer.result
}

// What is kept. Rows of a room are numbered; a lease says which tab writes in it.
const stores = {rooms: {keyPath: 'id'}, rows: {keyPath: ['room', 'n']}, own: {keyPath: 'what'}, leases: {keyPath: 'room'}}
let opened

function database() {
  return opened ??= new Promise((resolve, reject) => {
    const refused = e => reject(new CoreError({
      code: 'storage', message: `This browser keeps nothing for this page: ${e?.message ?? 'it refuses'}`, hint: 'Leave private mode, or use another browser.',
    }))
    let request
    try { request = indexedDB.open('fernpost', 1) } catch (e) { return refused(e) }
    request.onupgradeneeded = () => { for (const [name, o] of Object.entries(stores)) request.result.createObjectStore(name, o) }
    request.onerror = () => refused(request.error)
    request.onsuccess = () => resolve(request.result)
  })
}

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})

// within runs work in one transaction that is on the disk when it resolves. An error of work takes all of it back.
async function within(mode, work) {
  const db = await database()
  const t = db.transaction(Object.keys(stores), mode, {durability: 'strict'})
  const end = new Promise((resolve, reject) => { t.oncomplete = resolve; t.onabort = () => reject(t.error) })
  end.catch(() => {})
  let value
  try {
    value = await work(name => t.objectStore(name))
  } catch (e) {
    try { t.abort() } catch { /* it has ended by itself */ }
    throw e
  }
  await end
  return value
}

const rowsOf = id => IDBKeyRange.bound([id, 0], [id, Infinity])

export const rooms = () => within('readonly', async of => (await done(of('rooms').getAll())).map(r => ({
  id: r.id, name: r.settings.name, relay: r.settings.relay, channel: r.settings.channel, nick: r.nick, opened: r.opened,
})))

export const forgetRoom = id => within('readwrite', async of => {
  try { localStorage.removeItem(`fernpost left ${id}`) } catch { /* it is blocked here */ }
  of('rooms').delete(id)
  of('leases').delete(id)
  await done(of('rows').delete(rowsOf(id)))
})

// forgetAll takes everything out of the browser, who signs included: an identity whose numbers are forgotten would write one twice.
export const forgetAll = () => within('readwrite', async of => {
  try { localStorage.clear() } catch { /* it is blocked here */ }
  for (const name of Object.keys(stores)) of(name).clear()
})

// readLink says what stands in a link; changes are what it would change of a room that this browser has: its key, its write key.
export async function readLink(link) {
  const first = await once({op: 'link', link})
  const kept = await within('readonly', of => done(of('rooms').get(first.id)))
  const {settings, id, ...says} = kept ? await once({op: 'link', link, settings: kept.settings}) : first
  return says
}

export async function identity() {
  const own = await within('readonly', of => done(of('own').get('identity')))
  if (!own) return null
  const {seed, ...says} = await once({op: 'identity', seed: own.seed, nick: own.nick})
  return says
}

export async function importIdentity(file, passphrase) {
  const {seed, nick, rooms} = await once({op: 'unseal', passphrase}, file)
  await within('readwrite', async of => {
    of('own').put({what: 'identity', seed, nick})
    for (const {id, settings} of rooms) {
      const kept = await done(of('rooms').get(id))
      of('rooms').put({opened: Date.now(), ...kept, id, nick, settings: kept ? {...kept.settings, brought: settings.brought} : settings})
    }
  })
}

const leaseTime = 6000
const otherTab = {code: 'readonly', message: 'Another tab of this browser writes in this room.', hint: 'Write there, or close it: this one takes over then.'}

// holds reports whether a lease that is kept is somebody else's. One that ends too late is of a clock that was changed.
const holds = (lease, me) => lease && lease.owner !== me && lease.until > Date.now() && lease.until < Date.now() + 2 * leaseTime &&
  lease.owner !== left(lease.room)

// left is which tab has left a room last, or notes it. It is written at once: of a page that goes no transaction comes to its end, and a
// page that is loaded anew would wait for the lease of the one before.
function left(room, owner) {
  const name = `fernpost left ${room}`
  try {
    if (owner !== undefined) localStorage.setItem(name, owner)
    return localStorage.getItem(name)
  } catch { return null } // it is blocked here: the lease ends by itself
}

export async function openRoom(options, onEvent = () => {}) {
  const room = new Room(onEvent)
  try {
    await room.begin(options)
    return room
  } catch (e) {
    room.close()
    throw e
  }
}

class Room {
  #tell; #runner; #queue = Promise.resolve(); #next = 0; #timer; #renewal; #stream; #ends = []; #deaths = []
  #me = Array.from(crypto.getRandomValues(new Uint32Array(4)), n => n.toString(36)).join('-')
  #seed; #start = false; #closed; #failed
  #tabs = new BroadcastChannel('fernpost')

  constructor(onEvent) {
    this.#tell = e => { try { onEvent(e) } catch (wrong) { console.error(wrong) } }
    this.#tabs.onmessage = ({data}) => this.#fromTab(data)
    const on = (target, name, does) => {
      target.addEventListener(name, does)
      this.#ends.push(() => target.removeEventListener(name, does))
    }
    on(document, 'visibilitychange', () => this.#poke({op: 'hidden', hidden: document.hidden}))
    on(window, 'online', () => this.#poke({op: 'wake'}))
    on(window, 'pageshow', () => {
      if (left(this.id) === this.#me) left(this.id, '')
      this.#poke({op: 'wake'})
    })
    on(window, 'pagehide', () => this.#leave())
    this.#renewal = setInterval(() => this.#renew(), leaseTime / 3)
  }

  get core() { return sum }

  // begin opens the room of an invitation, or one that is kept.
  async begin({link, room, nick, passphrase, pad, mark, key}) {
    this.#start = mark === 'start'
    let own = await within('readonly', of => done(of('own').get('identity')))
    if (link !== undefined) {
      const apart = key !== undefined
      let says = await once({op: 'link', link, key, apart})
      if (!says.has_key) {
        if (!passphrase) throw new CoreError({code: 'passphrase', message: 'The link has no key: the passphrase of the room is needed.'})
        key = await this.#derive(says, passphrase)
        await this.#try((await once({op: 'link', link, key})).settings)
      }
      this.id = says.id
      const kept = await within('readonly', of => done(of('rooms').get(this.id)))
      says = await once({op: 'link', link, key, apart, pad, settings: kept?.settings})
      own = await once({op: 'identity', seed: own?.seed, nick: nick ?? own?.nick ?? ''})
      await within('readwrite', async of => {
        of('own').put({what: 'identity', seed: own.seed, nick: own.nick})
        of('rooms').put({id: this.id, settings: says.settings, nick: own.nick, opened: Date.now()})
      })
    } else {
      const kept = await within('readwrite', async of => {
        const kept = await done(of('rooms').get(room))
        if (kept) of('rooms').put({...kept, nick: nick ?? kept.nick, opened: Date.now()})
        return kept
      })
      if (!kept || !own) throw new CoreError({code: 'nobody', message: 'This browser has no such room any more.', hint: 'Open the link of the room again.'})
      if (nick !== undefined) await once({op: 'identity', nick})
      this.id = room
    }
    this.#seed = own.seed
    await this.#fill()
  }

  // #derive makes the key of a passphrase in a worker of its own, and tells how long that takes by the time of a hundredth of it.
  async #derive(says, passphrase) {
    const began = performance.now(), of = 3000
    const tell = () => this.#tell({type: 'progress', what: 'deriving', done: Math.min(performance.now() - began, of - 1), of, left_ms: Math.max(of - performance.now() + began, 0)})
    const bar = setInterval(tell, 100)
    tell()
    try {
      return await once({op: 'derive', passphrase, profile: says.profile, channel: says.channel})
    } finally {
      clearInterval(bar)
      this.#tell({type: 'progress', what: 'deriving', done: of, of, left_ms: 0})
    }
  }

  // #try has a core try a key on what is in the channel. Where there is nothing it may be the right one.
  async #try(settings) {
    const runner = await Runner.start()
    try {
      let {answer} = await runner.call({op: 'try', settings})
      for (;;) {
        result(answer)
        const tried = answer.events?.find(e => e.type === 'tried')
        if (tried?.failed) throw new CoreError({code: 'failed', message: `The passphrase could not be tried: ${tried.failed}`})
        if (tried && !tried.opens && tried.tokens) {
          throw new CoreError({code: 'passphrase', message: 'Wrong passphrase: it opens nothing of what is here.', hint: 'Ask for it again, letter by letter.'})
        }
        if (tried) return
        if (answer.ask) {
          const {answer: a, all} = await request(answer.ask[0], this.#tell);
          ({answer} = await runner.call({op: 'answer', answer: a}, all))
        } else {
          await new Promise(resolve => setTimeout(resolve, Math.max(answer.wake - Date.now(), 0)));
          ({answer} = await runner.call({op: 'wake'}))
        }
      }
    } finally {
      runner.end()
    }
  }

  // #fill starts a core and fills it with what is kept.
  async #fill() {
    const runner = await Runner.start()
    this.#runner?.end()
    this.#runner = runner
    runner.onDeath = () => this.#poke({op: 'wake'})
    this.#hangUp()
    const {kept, rows, writes} = await within('readwrite', async of => {
      const lease = await done(of('leases').get(this.id))
      const writes = !holds(lease, this.#me)
      if (writes) of('leases').put({room: this.id, owner: this.#me, until: Date.now() + leaseTime})
      return {kept: await done(of('rooms').get(this.id)), rows: await done(of('rows').getAll(rowsOf(this.id))), writes}
    })
    if (!kept) throw new CoreError({code: 'nobody', message: 'This browser has no such room any more.', hint: 'Open the link of the room again.'})
    this.#next = rows.length ? rows.at(-1).n + 1 : 0
    this.writes = writes
    this.writeKey = kept.settings.write_key ?? ''
    this.info = await this.#now({
      op: 'open', settings: kept.settings, nick: kept.nick, seed: this.#seed, rows: rows.map(r => r.row.length), writes, start: this.#start, hidden: document.hidden,
    }, join(rows.map(r => r.row)))
    this.#start = false
  }

  // #call calls the core when all calls before are done with, and what they wanted to be kept is kept.
  #call(message, attached) {
    const doing = this.#queue.then(() => {
      if (this.#failed) throw this.#failed
      if (this.#closed) throw new CoreError({code: 'closed', message: 'The room was closed.'})
      return this.#now(message, attached)
    })
    this.#queue = doing.catch(() => {})
    return doing
  }

  #poke(message, attached) { if (this.#runner) this.#call(message, attached).catch(() => {}) }

  async #now(message, attached) {
    let got
    try {
      got = await this.#runner.call(message, attached)
    } catch (e) {
      if (!this.#closed) await this.#revive(e)
      throw e
    }
    const {answer, more} = got
    const rest = more.subarray(answer.attached ?? 0)
    if (answer.rows || answer.settings) {
      try {
        await this.#keep(answer, rest)
      } catch (e) {
        await this.#notKept(e)
        throw e
      }
    }
    for (const e of answer.events ?? []) this.#tell(e)
    for (const q of answer.ask ?? []) this.#fetch(q)
    this.#wakeAt(answer.wake)
    if (!answer.listen) this.#hangUp()
    else if (!this.#stream) this.#listen(answer.listen)
    if (answer.failed) throw new CoreError(answer.failed)
    return answer.attached === undefined ? answer.result : {...answer.result, content: more.slice(0, answer.attached)}
  }

  // #keep keeps what the core wants to be kept, all or nothing, unless another tab writes by now.
  async #keep(answer, rest) {
    const rows = (answer.rows ?? []).map(n => { const row = rest.slice(0, n); rest = rest.subarray(n); return row })
    const first = this.#next
    await within('readwrite', async of => {
      const lease = await done(of('leases').get(this.id))
      if (holds(lease, this.#me)) throw new CoreError(otherTab)
      const kept = await done(of('rooms').get(this.id))
      if (!kept) throw new CoreError({code: 'nobody', message: 'The room was taken out of this browser.'})
      of('leases').put({room: this.id, owner: this.#me, until: Date.now() + leaseTime})
      if (answer.settings) of('rooms').put({...kept, settings: answer.settings, nick: answer.nick})
      if (answer.snapshot) of('rows').delete(rowsOf(this.id))
      rows.forEach((row, i) => of('rows').put({room: this.id, n: first + i, row}))
    })
    this.#next += rows.length
    this.#tabs.postMessage({room: this.id, owner: this.#me, first, rows, snapshot: answer.snapshot})
  }

  // #notKept ends what rests on rows that are not kept: the core is filled again with those that are.
  async #notKept(e) {
    if (e.code === 'readonly') {
      this.#tell({type: 'tab', writes: false})
      return this.#fill()
    }
    this.#failed = e instanceof CoreError ? e : new CoreError({
      code: 'storage', message: `This browser could not keep what was written: ${e?.message ?? e}`, hint: 'Make room on the device, and load the page again.',
    })
    this.#tell({type: 'failed', code: this.#failed.code, text: this.#failed.message, hint: this.#failed.hint ?? ''})
    this.#stop()
  }

  // #revive replaces a core that has died, unless that happens again and again.
  async #revive(e) {
    const now = Date.now()
    this.#deaths = [...this.#deaths.filter(at => now - at < 30_000), now]
    if (this.#deaths.length > 3) {
      this.#failed = new CoreError({code: 'core', message: `The core dies again and again: ${e.message}`, hint: 'Load the page again.'})
      this.#tell({type: 'failed', code: 'core', text: this.#failed.message, hint: this.#failed.hint})
      return this.#stop()
    }
    await this.#fill()
    this.#tell({type: 'restarted', text: e.message})
  }

  #wakeAt(at) {
    clearTimeout(this.#timer)
    if (at) this.#timer = setTimeout(() => this.#poke({op: 'wake'}), Math.min(Math.max(at - Date.now(), 0), 2 ** 31 - 1))
  }

  async #fetch(q) {
    const runner = this.#runner, {answer, all} = await request(q, this.#tell)
    if (runner === this.#runner) this.#poke({op: 'answer', answer}, all)
  }

  // #listen reads the relay's stream (WHATWG HTML, section 9.2) until it is cut, silent for too long, or not wanted any more.
  async #listen({url, headers}) {
    const ends = this.#stream = new AbortController()
    const say = (event, data) => { if (this.#stream === ends) this.#poke({op: 'stream', event}, data && new TextEncoder().encode(data)) }
    let never = false, silence, last = 0, text = ''
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(() => ends.abort(), 45_000)
      if (Date.now() - last > 1000) { last = Date.now(); say('alive') }
    }
    try {
      const r = await fetch(url, {headers, signal: ends.signal, cache: 'no-store', credentials: 'omit', redirect: 'manual', referrerPolicy: 'no-referrer'})
      if (r.status !== 200 || !r.headers.get('content-type')?.startsWith('text/event-stream')) {
        never = r.status !== 429 && r.status < 500
        ends.abort()
      }
      for (const from = r.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
        const {done, value} = await from.read()
        if (done) break
        heard()
        const events = (text += value.replaceAll('\r\n', '\n')).split('\n\n')
        text = events.pop()
        if (text.length > 1 << 17) { never = true; break }
        for (const lines of events) {
          const of = name => lines.split('\n').filter(l => l.startsWith(name + ':')).map(l => l.slice(name.length + 1).replace(/^ /, '')).join('\n')
          const kind = of('event'), data = of('data')
          if (kind && kind !== 'message') say('missed')
          else if (data) say('entry', data)
        }
      }
    } catch { /* it was cut */ }
    clearTimeout(silence)
    ends.abort()
    if (this.#stream !== ends) return
    this.#stream = null
    this.#poke({op: 'stream', event: 'cut', never})
  }

  #hangUp() {
    const ends = this.#stream
    this.#stream = null
    ends?.abort()
  }

  // #renew keeps the lease, or takes it once it is free.
  async #renew() {
    if (!this.#runner || this.#closed || this.#failed) return
    const mine = await within('readwrite', async of => {
      const lease = await done(of('leases').get(this.id))
      if (holds(lease, this.#me)) return false
      of('leases').put({room: this.id, owner: this.#me, until: Date.now() + leaseTime})
      return true
    }).catch(() => this.writes)
    if (mine === this.writes || this.#closed) return
    await this.#again(mine)
  }

  // #again fills a new core, since this tab writes from now on, or does not any more.
  #again() {
    const doing = this.#queue.then(async () => {
      if (this.#closed || this.#failed) return
      const before = this.writes
      await this.#fill()
      if (this.writes !== before) this.#tell({type: 'tab', writes: this.writes})
    })
    this.#queue = doing.catch(() => {})
    return this.#queue
  }

  // #fromTab takes in what another tab has kept.
  #fromTab({room, owner, first, rows, snapshot, bye}) {
    if (room !== this.id || owner === this.#me || !this.#runner) return
    if (bye) return void this.#renew()
    if (this.writes) return
    if (first !== this.#next && !snapshot) return void this.#again()
    this.#next = first + rows.length
    this.#poke({op: 'rows', rows: rows.map(r => r.length)}, join(rows))
  }

  // #leave gives the lease back, so that another tab goes on at once. The page may come back from where browsers keep pages.
  #leave() {
    if (!this.writes || !this.id) return
    left(this.id, this.#me)
    within('readwrite', async of => {
      const lease = await done(of('leases').get(this.id))
      if (lease?.owner === this.#me) of('leases').delete(this.id)
    }).catch(() => {})
    this.#tabs.postMessage({room: this.id, owner: this.#me, bye: true})
  }

  #stop() {
    clearTimeout(this.#timer)
    clearInterval(this.#renewal)
    this.#hangUp()
    this.#runner?.end()
  }

  close() {
    if (this.#closed) return
    this.#leave()
    this.#closed = true
    this.#stop()
    for (const end of this.#ends) end()
    setTimeout(() => this.#tabs.close(), 1000) // what was posted last is to arrive
  }

  // send resolves once the message is kept. Under a name it is written once: a core that dies meanwhile is asked again. What takes long
  // to post is refused (code "long") unless agree, which is told how long in words, returns true.
  async send({text, file, reading}, {once: name, agree} = {}) {
    const message = {op: 'send', once: name ?? crypto.getRandomValues(new Uint32Array(4)).join('-')}
    message.body = {text, reading, file: file && {name: file.name, media: file.media ?? ''}}
    for (let died = 0; ;) {
      try {
        return await this.#call(message, file?.content)
      } catch (e) {
        if (e.code === 'long' && !message.long && agree?.(e.message)) message.long = true
        else if (e.code !== 'died' || died++) throw e
      }
    }
  }

  receipt() { return this.#call({op: 'send', body: {receipt: true}}) }
  history(newest = 200) { return this.#call({op: 'history', newest}) }
  shown(message) { return message.at ? this.#call({op: 'shown', at: message.at}) : Promise.resolve() }
  people() { return this.#call({op: 'people'}) }
  verify(key) { return this.#call({op: 'verify', key}) }
  outbox() { return this.#call({op: 'outbox'}) }
  file(key, number, entry = 0) { return this.#call({op: 'file', key, number, entry}) }
  invite({write = true} = {}) { return this.#call({op: 'invite', write}) }
  digest() { return this.#call({op: 'digest'}) }

  // exportIdentity writes who signs here, with this room, as a file; importIdentity takes such a file in, for all rooms opened later.
  async exportIdentity(passphrase) {
    const {content} = await this.#call({op: 'content'})
    return once({op: 'seal', passphrase}, content)
  }

  importIdentity(file, passphrase) { return importIdentity(file, passphrase) }
  async set({pad, nick}) { this.info = await this.#call({op: 'set', pad, new_nick: nick}); return this.info }
}

// request makes one request of the core's in one attempt, and resolves to what comes of it. It ends by silence, at a size, and in time.
async function request(q, tell) {
  const {n, what, method, url, path, headers, body, most, idle_ms: idle} = q
  const began = Date.now(), answer = {n, status: 0, headers: {}, failed: '', bytes: 0}, parts = []
  tell({type: 'request', n, what, method, url, path, headers, body, at: began})
  const ends = new AbortController()
  let silence
  const heard = () => { clearTimeout(silence); silence = setTimeout(() => { answer.failed = 'silent'; ends.abort() }, idle) }
  try {
    heard()
    const r = await fetch(url, {
      method, headers, body, signal: ends.signal, cache: 'no-store', credentials: 'omit', redirect: 'manual', referrerPolicy: 'no-referrer',
    })
    answer.status = r.type === 'opaqueredirect' ? 302 : r.status
    answer.headers = Object.fromEntries(r.headers)
    for (const from = r.body?.getReader(); from;) {
      heard()
      const {done, value} = await from.read()
      if (done) break
      answer.bytes += value.length
      parts.push(value)
      if (answer.bytes > most) answer.failed = 'most'
      else if (Date.now() - began > 3 * idle + answer.bytes / 65) answer.failed = 'slow'
      if (answer.failed) { ends.abort(); break }
    }
  } catch {
    answer.failed ||= !navigator.onLine && !answer.status ? 'offline' : answer.status ? 'cut' : 'unreachable'
  }
  clearTimeout(silence)
  const all = join(parts)
  tell({
    type: 'answer', n, status: answer.status, headers: answer.headers, bytes: answer.bytes, ms: Date.now() - began,
    text: answer.status ? new TextDecoder().decode(all.subarray(0, 200)) : answer.failed,
    entry: what === 'update' && answer.status === 200 ? Number(new TextDecoder().decode(all)) || null : null,
  })
  return {answer, all}
}

function join(parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) { all.set(p, at); at += p.length }
  return all
}
