import {atEnd, clean, clock, count, el, nextFrame, said} from './dom.js'

// What is said in a room, as a list.

const standings = {
  own: null, known: null, unsigned: 'nobody has signed it', lost: 'the key of a lost device',
  verified: 'verified: the words of this key were compared here', new: 'new key: not seen here before',
}
const states = {queued: 'waits', tried: 'on its way', accepted: 'sent', unknown: 'perhaps sent'}

// waitingID is what an own text that nobody signs is known by until it is read back: it has no number.
export const waitingID = m => `own ${m.text}`

// id tells one message from all others.
export const id = m => m.signed ? `${m.key} ${m.number} ${m.forked ? m.entry : ''}` : m.entry ? `entry ${m.entry} ${m.field}` : waitingID(m)

// content is what a message says.
function content(m, fetchFile) {
  switch (m.kind) {
    case 'text': return el('p', {class: 'text'}, said(m.text))
    case 'file': return el('p', {class: 'text'}, fetchFile
      ? el('button', {type: 'button', class: 'quiet', onclick: () => fetchFile(m)}, said(m.file), ` (${count(m.size, 'byte')})`)
      : said(m.file), fetchFile ? null : ` (${count(m.size, 'byte')})`)
    case 'reading': return el('p', {class: 'text'}, said(Object.entries(m.reading ?? {}).filter(([, v]) => v !== null).map(([k, v]) => `${k} ${v}`).join(', ')))
    case 'heartbeat': return el('p', {class: 'text faint'}, 'has read this far')
    case 'key moved': return el('p', {class: 'text faint'}, m.notice ? said(m.notice) : 'has moved to another key')
    default: return el('p', {class: 'text faint'}, said(m.notice ?? m.words ?? m.kind))
  }
}

// told is a message with all that is known of it.
export const told = (m, fetchFile) => [byline(m), content(m, fetchFile), m.notes?.length ? el('p', {class: 'note'}, `(${clean(m.notes.join('; '))})`) : '']

// byline is who has written a message, and what is known of that.
function byline(m) {
  const marks = []
  if (standings[m.standing]) marks.push(el('span', {class: `mark ${m.standing}`, title: standings[m.standing]}, m.standing === 'new' ? 'new key' : m.standing))
  if (m.forked) marks.push(el('span', {class: 'mark bad'}, 'two versions'))
  return el('p', {class: 'by'}, m.author ? said(m.author, 'author') : el('bdi', {class: 'author'}, m.own ? 'you' : 'somebody'),
    ...marks, el('time', {datetime: m.clock ?? m.sealed ?? ''}, m.clock || m.sealed ? clock(m.clock ?? m.sealed) : ''))
}

function delivery(m) {
  if (!m.own) return null
  const seen = (m.seen_by ?? []).length
  const text = seen ? `seen by ${m.seen_by.join(', ')}` : m.read_back ? 'sent' : states[m.state] ?? ''
  return el('p', {class: 'delivery'}, clean(text))
}

// whoWrote says how many others have written, which are fewer than their keys where somebody has two devices.
export function whoWrote(people) {
  const all = people.filter(p => !p.own && !p.lost)
  const persons = new Set(all.map(p => p.person)).size
  const devices = all.length > persons ? `, with ${count(all.length, 'device')}` : ''
  return persons && `${count(persons, 'person').replace('persons', 'people')} ${persons === 1 ? 'has' : 'have'} written${devices}, this screen not counted: ${all.map(p => p.name || p.nick).join(', ')}`
}

// Talk keeps a list up to date.
export class Talk {
  constructor(list, fetchFile) {
    this.list = list
    this.fetchFile = fetchFile
    this.items = new Map()
    this.findings = new Map()
    // The newest message stays in sight, unless somebody looks at an older one.
    this.newest = true
    this.scroll = nextFrame(() => { if (this.newest) list.scrollTop = list.scrollHeight })
    new ResizeObserver(this.scroll).observe(list)
    list.addEventListener('scroll', () => { if (list.offsetParent) this.newest = atEnd(list) }, {passive: true})
  }

  // toEnd brings the newest message into sight.
  toEnd() {
    this.newest = true
    this.scroll()
  }

  // place is where something stands: what has no entry yet stands last.
  place(item, entry, field = 0) {
    item.entry = entry ?? Infinity
    item.field = field ?? 0
    let before = this.list.lastElementChild
    while (before && (before === item.element || before.at && (before.at.entry > item.entry || before.at.entry === item.entry && before.at.field > item.field))) {
      before = before.previousElementSibling
    }
    item.element.at = item
    const target = before ? before.nextElementSibling : this.list.firstElementChild
    if (target !== item.element) this.list.insertBefore(item.element, target)
    if (this.newest || item.message?.own && !entry) this.toEnd()
  }

  message(m) {
    const waited = !m.signed && m.entry && this.items.get(waitingID(m))
    if (waited) {
      waited.element.remove()
      this.items.delete(waitingID(m))
      m = {...m, own: true, read_back: true}
    }
    const key = id(m)
    const item = this.items.get(key) ?? {element: el('div')}
    this.items.set(key, item)
    item.message = m
    item.element.className = `message${m.own ? ' own' : ''}${m.kind === 'heartbeat' ? ' slight' : ''}`
    item.element.replaceChildren(...told(m, this.fetchFile), delivery(m) ?? '')
    this.last = Math.max(this.last ?? 0, m.entry ?? 0)
    this.place(item, m.entry, m.field)
    return item
  }

  // state notes how far an own message has come.
  state(e) {
    for (const item of this.items.values()) {
      const m = item.message
      const mine = m.own && (e.key === null || m.key === e.key)
      if (mine && e.state === 'dropped' && m.number === e.number) {
        item.element.remove()
        this.items.delete(id(m))
      } else if (mine && e.state === 'seen' && m.number <= e.number && !(m.seen_by ?? []).includes(e.seen_by)) {
        this.message({...m, seen_by: [...m.seen_by ?? [], e.seen_by]})
      } else if (mine && m.number === e.number && e.state !== 'seen') {
        this.message({...m, state: e.state, entry: m.entry ?? e.entry})
      }
    }
  }

  finding(e) {
    const key = [e.finding, e.key, e.author, e.number, e.entry, e.says_key].join(' ')
    const before = this.findings.get(key)
    if (e.taken_back) {
      before?.element.classList.add('over')
      return
    }
    const item = before ?? {element: el('div')}
    this.findings.set(key, item)
    item.element.className = `finding${e.waiting ? ' waits' : ''}`
    item.element.replaceChildren(el('strong', {}, e.waiting ? 'Waiting: ' : 'Not as it should be: '), said(e.text))
    // What stands nowhere is told where the talk was when it was found.
    if (!before) this.place(item, e.last_entry ?? e.entry ?? this.last)
    // The version that came first was shown before anybody knew that there are two.
    if (e.finding === 'fork') for (const {message: m} of [...this.items.values()]) if (m?.signed && m.key === e.key && m.number === e.number && !m.forked) this.forked(m)
  }

  // forked marks a message of which there is another version.
  forked(m) {
    this.items.get(id(m)).element.remove()
    this.items.delete(id(m))
    this.message({...m, forked: true, notes: [...m.notes, 'one of two with this number']})
  }

  renumbered(e) {
    for (const item of [...this.items.values()]) {
      if (item.message.own && item.message.number === e.before && !item.message.entry) {
        this.items.delete(id(item.message))
        item.element.remove()
      }
    }
  }

  clear() {
    this.items.clear()
    this.findings.clear()
    this.list.replaceChildren()
  }
}
