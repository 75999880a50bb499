import {atEnd, clean, count, el, nextFrame} from './dom.js'
import {byline, content, id, waitingID} from './talk.js'

// Each message three times: in the room, on the Wi-Fi, in the cloud. What belongs together stands in one row, joined by a line.

const maxRows = 300
const heads = ['The room', 'The Wi-Fi', 'The cloud']
const subheads = ['opened here', 'as it goes to the relay', 'as everybody downloads it']

const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0))

// visible writes bytes as text: what cannot be seen as its number.
const visible = bytes => Array.from(bytes, b => b === 13 ? '' : b === 10 || b > 31 && b < 127 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, '0')}`).join('')

const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join(' ')

const partSays = {
  version: () => 'version: always 80',
  clock: (bytes, v) => `clock of the sender’s device, in clear: ${v.sealed ? new Date(v.sealed).toLocaleString() : ''}`,
  IV: () => 'initialization vector: random, so that equal messages look different',
  ciphertext: (bytes, v, p) => `block ${p.block} of the ciphertext: AES-128, nobody reads it without the key`,
  MAC: () => 'HMAC-SHA256 over all before it: one bit changed anywhere, and no key opens it',
}

// anatomy takes a token apart, to the byte.
function anatomy(value) {
  const bytes = bytesOf(value.token.replaceAll('-', '+').replaceAll('_', '/'))
  const says = el('p', {class: 'faint', role: 'status'}, `${count(value.token.length, 'character')}, ${count(bytes.length, 'byte')}; the plaintext has ${value.min} to ${value.max} bytes. Touch a part.`)
  const parts = value.parts.map(p => {
    const of = bytes.slice(p.at, p.at + p.size)
    const text = partSays[p.kind]?.(of, value, p) ?? p.kind
    return el('button', {type: 'button', class: `part ${p.kind}`, title: text, onclick: () => { says.textContent = text }}, el('span', {class: 'kind'}, p.block ? `block ${p.block}` : p.kind), ' ', hex(of))
  })
  return el('div', {class: 'anatomy'}, el('div', {class: 'parts'}, ...parts), says)
}

// tokenText is a token, which is taken apart on touch.
function tokenText(value) {
  const short = value.text.length > 40 ? `${value.text.slice(0, 22)}…${value.text.slice(-8)}` : value.text
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

function cloudCell(row, was) {
  const [date, number] = row.csv.split(',', 2)
  return [
    el('p', {class: 'by'}, el('code', {}, clean(`${date},${number},…`)), was ? el('span', {class: 'mark bad'}, 'changed since') : ''),
    ...row.values.map(v => v.parts ? tokenText(v) : el('div', {class: 'value'}, el('span', {class: 'faint'}, `field${v.field} `), el('code', {}, clean(v.text)),
      v.damage ? el('span', {class: 'mark bad'}, clean(v.damage)) : '')),
    el('details', {}, el('summary', {}, 'The row as it stands'), el('pre', {tabindex: 0}, clean(row.csv))),
  ]
}

function wireCell(wire) {
  const answer = wire.status !== 200 ? `refused: ${wire.status}` : wire.entry ? `→ entry ${wire.entry}` : '→ 0: not stored'
  const by = el('p', {class: 'by'}, el('code', {}, wire.from), ` ${count(wire.bytes, 'byte')} `, el('span', {class: wire.entry ? 'faint' : 'mark bad'}, answer))
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
  const text = el('div', {}, pre(line, 'Request line'),
    el('details', {}, el('summary', {}, `${count(header.length, 'header line')}${header.some(h => /^x-thingspeakapikey/i.test(h)) ? ', the write key among them' : ''}`), pre(header.join('\n'), 'Header')),
    pre(bodies.join('\n\n') + (cut ? '…' : ''), 'Body'))
  const raw = el('div', {hidden: true})
  const button = el('button', {
    type: 'button', class: 'quiet small', 'aria-pressed': 'false',
    onclick: () => {
      if (!raw.firstChild) raw.append(pre(hex(bytes), 'The request as bytes'))
      raw.hidden = !raw.hidden
      text.hidden = !raw.hidden
      button.setAttribute('aria-pressed', String(!raw.hidden))
    },
  }, 'bytes')
  return [text, raw, button]
}

// Columns shows them.
export class Columns {
  constructor(root, fetchFile) {
    this.root = root
    this.fetchFile = fetchFile
    this.rows = new Map()
    this.head = el('div', {class: 'heads'}, ...heads.map((h, i) => el('div', {}, el('h2', {}, h), el('p', {class: 'faint'}, subheads[i]))))
    this.empty = el('p', {class: 'empty'}, 'Nothing was said yet.')
    // The newest row stays in sight, unless somebody looks at another one.
    this.newest = true
    root.addEventListener('scroll', () => { this.newest = atEnd(root) }, {passive: true})
    root.addEventListener('click', () => { this.newest = false })
    this.toEnd = nextFrame(() => { if (this.newest) root.scrollTop = root.scrollHeight })
    this.clear()
  }

  clear() {
    this.rows.clear()
    this.root.replaceChildren(this.head, this.empty)
  }

  // at returns the row of a place; order is where it stands.
  at(key, order) {
    let row = this.rows.get(key)
    if (row) return row
    const cells = heads.map((h, i) => el('div', {class: `cell c${i}`, 'aria-label': h}))
    row = {key, order, cells, element: el('div', {class: 'three'}, ...cells)}
    this.rows.set(key, row)
    this.empty.remove()
    let before = this.root.lastElementChild
    while (before.order > order) before = before.previousElementSibling
    row.element.order = order
    before.after(row.element)
    while (this.rows.size > maxRows) {
      const first = this.head.nextElementSibling
      this.rows.delete([...this.rows.values()].find(r => r.element === first)?.key)
      first.remove()
    }
    return row
  }

  fill(row, column, children) {
    row.cells[column].replaceChildren(...children)
    row.cells[column].classList.add('there')
    if (this.newest) this.toEnd()
  }

  // empties lets go of what stands in a column.
  empties(column) {
    for (const row of [...this.rows.values()]) {
      row.cells[column].replaceChildren()
      row.cells[column].classList.remove('there')
      if (column === 0) row.said = undefined
      if (!row.cells.some(c => c.classList.contains('there'))) this.remove(row.key)
    }
    if (!this.rows.size) this.root.append(this.empty)
  }

  remove(key) {
    this.rows.get(key)?.element.remove()
    this.rows.delete(key)
  }

  // message shows what was said, beside the entry that it stands in.
  message(m) {
    const own = `own ${id(m)}`
    if (!m.entry) {
      if (m.own) this.fill(this.at(own, Infinity), 0, [byline(m), content(m, this.fetchFile)])
      return
    }
    this.remove(own)
    if (!m.signed) this.remove(`own ${waitingID(m)}`)
    const row = this.at(m.entry, m.entry)
    const parts = row.said ??= new Map()
    parts.set(id(m), m)
    this.fill(row, 0, [...parts.values()].flatMap(one => [byline(one), content(one, this.fetchFile)]))
  }

  // inCloud counts the rows of the feed.
  inCloud() { return this.root.querySelectorAll('.c2.there').length }

  // outside takes a line of what everybody outside sees.
  outside(line) {
    if (line.reset) {
      this.empties(line.reset === 'cloud' ? 2 : 1)
    } else if (line.wire) {
      const w = line.wire
      const newest = Math.max(0, ...[...this.rows.values()].map(r => r.order).filter(Number.isFinite))
      const row = w.entry ? this.at(w.entry, w.entry) : this.at(`refused ${w.at} ${w.from}`, newest + 0.5)
      this.fill(row, 1, wireCell(w))
    } else if (line.row) {
      this.fill(this.at(line.row.entry, line.row.entry), 2, cloudCell(line.row, line.was))
    } else if (line.gone) {
      for (const row of this.rows.values()) {
        if (row.cells[2].classList.contains('there')) row.cells[2].replaceChildren(el('p', {class: 'mark bad'}, 'gone from the feed'))
      }
    }
  }
}

