import {atEnd, clean, count, el, nextFrame} from './dom.js'
import {id, told, waitingID} from './talk.js'

// Each message three times: in the room, on the Wi-Fi, in the cloud. What belongs together stands in one row, joined by a line.

const maxRows = 300
const heads = ['The room', 'The Wi-Fi', 'The cloud']
const subheads = ['opened here', 'as it goes to the relay', 'as everybody downloads it']

const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0))

// visible writes bytes as text: what cannot be seen as its number.
const visible = bytes => Array.from(bytes, b => b === 13 ? '' : b === 10 || b > 31 && b < 127 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, '0')}`).join('')

const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join(' ')

// partSays is what each part of a token is, and what it gives away.
const partSays = {
  version: () => 'Version: this byte is 80 in every token. It gives away that this is a token of the form “Fernet”, and nothing else.',
  clock: v => `Clock: when the sender’s device has encrypted it, readable by everybody${v.sealed ? `: ${new Date(v.sealed).toLocaleString()}` : ''}. It gives away who is awake when, and whose clock is wrong.`,
  IV: () => 'Start value (IV): 16 random bytes, so that the same message looks different each time. It gives away nothing.',
  ciphertext: (v, p) => `Block ${p.block} of the message, 16 bytes encrypted with AES: without the key nobody reads it. How many blocks there are gives away about how long the message is.`,
  MAC: () => 'Seal (MAC): a check sum that only the key makes. Change one bit anywhere before it, and no key opens the token any more. It gives away nothing.',
}

// anatomy takes a token apart, to the byte.
function anatomy(value) {
  const bytes = bytesOf(value.token.replaceAll('-', '+').replaceAll('_', '/'))
  const says = el('p', {class: 'faint', role: 'status'}, `This token has ${count(value.token.length, 'character')}, which stand for ${count(bytes.length, 'byte')}. Whoever sees it knows without a key that ${value.min} to ${value.max} bytes were encrypted. Touch a part: it says what it is, and what it gives away.`)
  const parts = value.parts.map(p => {
    const of = bytes.slice(p.at, p.at + p.size)
    const text = partSays[p.kind]?.(value, p) ?? p.kind
    return el('button', {type: 'button', class: `part ${p.kind}`, title: text, onclick: () => { says.textContent = text }}, el('span', {class: 'kind'}, p.block ? `block ${p.block}` : p.kind), ' ', hex(of))
  })
  return el('div', {class: 'anatomy'}, el('div', {class: 'parts'}, ...parts), says)
}

// tokenText is a token, which is taken apart on touch.
function tokenText(value) {
  const short = value.text.length > 40 ? `${value.text.slice(0, 10)}…${value.text.slice(-4)}` : value.text
  const place = el('div')
  const button = el('button', {
    type: 'button', class: 'token', 'aria-expanded': 'false', title: 'Take this token apart',
    onclick: () => {
      const open = button.getAttribute('aria-expanded') !== 'true'
      button.setAttribute('aria-expanded', String(open))
      place.replaceChildren(open ? anatomy(value) : '')
    },
  }, short)
  return el('div', {class: 'value'}, el('span', {class: 'faint'}, `field${value.field} `), button, place)
}

function cloudCell(row, marks) {
  const [date, number] = row.csv.split(',', 2)
  return [
    el('div', {class: 'by'}, el('code', {}, clean(`${date},${number},…`)), ...marks.map(text => el('span', {class: 'mark bad'}, text)),
      el('details', {}, el('summary', {}, 'the row'), el('pre', {tabindex: 0}, clean(row.csv)))),
    el('div', {class: 'values'}, ...row.values.map(v => v.parts ? tokenText(v) : el('div', {class: 'value'}, el('span', {class: 'faint'}, `field${v.field} `), el('code', {}, clean(v.text)),
      v.damage ? el('span', {class: 'mark bad'}, clean(v.damage)) : ''))),
  ]
}

function wireCell(wire) {
  const answer = wire.status !== 200 ? `refused: ${wire.status}` : wire.entry ? `→ entry ${wire.entry}` : '→ 0: not stored'
  const by = el('div', {class: 'by'}, el('code', {}, wire.from), ` ${count(wire.bytes, 'byte')} `, el('span', {class: wire.entry ? 'faint' : 'mark bad'}, answer))
  if (wire.records) {
    return [by, el('ol', {class: 'records', 'aria-label': 'Records of TLS'}, ...wire.records.map(r => el('li', {}, el('code', {}, `${r.kind}, ${count(r.length, 'byte')}`)))),
      el('p', {class: 'faint'}, 'TLS: that is all there is to see.')]
  }
  const bytes = wire.request ? bytesOf(wire.request) : new Uint8Array()
  return [by, ...request(bytes, wire.bytes > bytes.length)]
}

// request shows a request: its first line, its header folded, its body; or all of it as bytes.
function request(bytes, cut) {
  const [head, ...bodies] = visible(bytes).split('\n\n')
  const [line, ...header] = head.split('\n')
  const pre = (text, label) => el('pre', {tabindex: 0, 'aria-label': label}, text)
  const secret = header.some(h => /^x-thingspeakapikey/i.test(h)) ? 'The write key stands among them, for everybody on the way.' : ''
  const raw = el('div', {hidden: true})
  const body = pre(bodies.join('\n\n') + (cut ? '…' : ''), 'Body')
  const button = el('button', {
    type: 'button', class: 'quiet small', 'aria-pressed': 'false',
    onclick: () => {
      if (!raw.firstChild) raw.append(pre(hex(bytes), 'The request as bytes'))
      raw.hidden = !raw.hidden
      body.hidden = !raw.hidden
      button.setAttribute('aria-pressed', String(!raw.hidden))
    },
  }, 'as bytes')
  return [el('details', {}, el('summary', {}, el('code', {}, line), `, ${count(header.length, 'header line')}`), pre(header.join('\n'), 'Header'), el('p', {class: 'faint'}, secret), button), body, raw]
}

// mark is what a token is known by whatever number it bears and whichever letter of its middle was changed: its clock and its initialization
// vector stand in these characters.
const mark = text => /gAAAA[\w-]{28}/.exec(text ?? '')?.[0]

// same reports whether a message was sealed when a row was: the clock in its token is to the second.
const same = (m, row) => !row.sealed || !m.sealed || Math.abs(row.sealed - new Date(m.sealed)) <= 1000

// Columns shows them. A relay that lies numbers its rows anew: what they are tells them apart then, and each cell says which number it bears.
export class Columns {
  constructor(root, fetchFile) {
    this.root = root
    this.fetchFile = fetchFile
    this.rows = new Set()
    this.head = el('div', {class: 'heads'}, ...heads.map((h, i) => el('div', {}, el('h2', {}, h), el('p', {class: 'faint'}, subheads[i]))))
    this.empty = el('p', {class: 'empty'}, 'Nothing was said yet.')
    // The newest row stays in sight, unless somebody looks at another one.
    this.newest = true
    root.addEventListener('scroll', () => { this.newest = atEnd(root) }, {passive: true})
    root.addEventListener('click', () => { this.newest = false })
    this.toEnd = nextFrame(() => { if (this.newest) root.scrollTop = root.scrollHeight })
    new ResizeObserver(this.toEnd).observe(root)
    this.clear()
  }

  clear() {
    this.rows.clear()
    this.numbers = new Map() // rows by their number in the feed as it is now
    this.marks = new Map()
    this.said = new Map() // where each message stands
    this.root.replaceChildren(this.head, this.empty)
  }

  // add makes a row: behind the one of the number before, or before the first of a later number. Without a number it stands last.
  add(number) {
    const cells = heads.map((h, i) => el('div', {class: `cell c${i}`, 'aria-label': h}))
    const row = {number, cells, element: el('div', {class: 'three'}, ...cells), messages: new Map()}
    row.element.row = row
    this.rows.add(row)
    if (number) this.numbers.set(number, row)
    this.empty.remove()
    let before = this.numbers.get(number - 1)?.element
    if (before) {
      while (before.nextElementSibling?.row.refused) before = before.nextElementSibling
    } else {
      before = this.root.lastElementChild
      while (number && (before.row?.waits || before.row?.number > number)) before = before.previousElementSibling
    }
    before.after(row.element)
    while (this.rows.size > maxRows) this.remove(this.head.nextElementSibling.row)
    return row
  }

  remove(row) {
    if (!row) return
    row.element.remove()
    this.rows.delete(row)
    for (const [index, key] of [[this.numbers, row.number], [this.marks, row.mark]]) if (index.get(key) === row) index.delete(key)
    for (const key of row.messages.keys()) this.said.delete(key)
    if (!this.rows.size) this.root.append(this.empty)
  }

  fill(row, column, children) {
    row.cells[column].replaceChildren(...children)
    row.cells[column].classList.toggle('there', children.length > 0)
    if (!row.cells.some(c => c.classList.contains('there'))) this.remove(row)
    else if (this.newest) this.toEnd()
  }

  // known notes what a row is.
  known(row, what) {
    if (!row.mark && what) row.sealed = new Date(1000 * bytesOf(what.slice(0, 12).replaceAll('-', '+').replaceAll('_', '/')).slice(1).reduce((n, b) => 256 * n + b, 0))
    row.mark ??= what
    if (what && !this.marks.has(what)) this.marks.set(what, row)
  }

  // empties lets go of what stands in a column.
  empties(column) {
    for (const row of [...this.rows]) {
      if (column === 0) for (const key of row.messages.keys()) this.said.delete(key)
      if (column === 0) row.messages.clear()
      this.fill(row, column, [])
    }
  }

  // anew is for a feed that is shown by other rules from now on, or was emptied: its numbers are given anew.
  anew(why) {
    this.numbers.clear()
    for (const row of this.rows) {
      row.was = row.number ?? row.was
      row.number = row.csv = undefined
      if (row.cells[2].classList.contains('there')) this.fill(row, 2, [el('p', {class: 'mark bad'}, why)])
    }
  }

  // message shows what was said, beside the entry that it stands in.
  message(m) {
    const key = id(m)
    let row = this.said.get(key) ?? this.said.get(`own ${key}`) ?? (m.signed ? undefined : this.said.get(`own ${waitingID(m)}`))
    if (row?.waits && m.entry) {
      this.remove(row)
      row = undefined
    }
    if (!m.entry) {
      if (!m.own) return
      row ??= this.add()
      row.waits = true
      this.say(row, `own ${key}`, m)
      return
    }
    const numbered = this.numbers.get(m.entry)
    if (!row && numbered && same(m, numbered)) row = numbered
    // It was read when the row bore another number.
    row ??= [...this.rows].find(r => r.was === m.entry && same(m, r)) ?? (numbered && [...this.rows].find(r => r.sealed && !r.messages.size && same(m, r)))
    row ??= this.add(numbered ? undefined : m.entry)
    this.say(row, key, m)
  }

  say(row, key, m) {
    this.said.set(key, row)
    row.messages.set(key, m)
    this.fill(row, 0, [...row.messages.values()].flatMap(one => {
      const [by, ...rest] = told(one, this.fetchFile)
      if (one.entry) by.lastChild.before(el('span', {class: 'entry'}, `entry ${one.entry}`))
      return [by, ...rest]
    }))
  }

  // inCloud counts the rows of the feed.
  inCloud() { return this.root.querySelectorAll('.c2.there').length }

  // outside takes a line of what everybody outside sees.
  outside(line) {
    if (line.reset === 'cloud' && line.channel === this.channel) this.anew('not shown any more')
    else if (line.reset) {
      this.channel = line.channel ?? this.channel
      this.empties(line.reset === 'cloud' ? 2 : 1)
      this.numbers.clear()
    } else if (line.wire) this.wire(line.wire)
    else if (line.row) this.cloud(line.row, line.was)
    else if (line.gone) this.anew('gone from the feed')
  }

  wire(w) {
    const text = w.request ? visible(bytesOf(w.request)) : ''
    const what = text.includes('bulk_update') ? undefined : mark(text) // which has several entries
    let row = w.entry ? this.marks.get(what) ?? this.numbers.get(w.entry) : [...this.rows].find(r => r.refused === `${w.at} ${w.from}`)
    row ??= this.add(w.entry || undefined)
    if (!w.entry) row.refused = `${w.at} ${w.from}`
    else this.known(row, what)
    this.fill(row, 1, wireCell(w))
  }

  cloud(shown, was) {
    const what = mark(shown.values.find(v => v.token)?.token)
    const numbered = this.numbers.get(shown.entry)
    let row = this.marks.get(what)
    const copy = row?.csv !== undefined && row.number !== shown.entry && row // it stands there under another number already
    // Under another number than the relay has answered, or than another one bears: what it is counts.
    if (copy || !row) row = numbered && (was || !numbered.mark || numbered.mark === what) ? numbered : this.add(shown.entry)
    this.move(numbered, row, shown.entry)
    if (!copy) this.known(row, what)
    const fields = shown.csv.slice(shown.csv.indexOf(',', shown.csv.indexOf(',') + 1))
    const marks = [
      copy && `the same as entry ${copy.number}`, (was || row.fields && row.fields !== fields) && 'changed since', row.was && row.was !== shown.entry && `entry ${row.was} before`,
    ].filter(Boolean)
    row.fields ??= fields
    row.csv = shown.csv
    this.fill(row, 2, cloudCell(shown, marks))
  }

  // move gives a number to a row, with what was read under it before the row came.
  move(from, to, number) {
    if (to.number && to.number !== number) {
      to.was ??= to.number
      if (this.numbers.get(to.number) === to) this.numbers.delete(to.number)
    }
    this.numbers.set(number, to)
    to.number = number
    if (!from || from === to || from.csv !== undefined) return
    from.was = from.number
    from.number = undefined
    for (const [key, m] of [...from.messages]) {
      if (m.entry !== number) continue
      from.messages.delete(key)
      this.say(to, key, m)
    }
    if (!from.messages.size) this.fill(from, 0, [])
  }
}
