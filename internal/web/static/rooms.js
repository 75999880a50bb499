import {Columns} from './columns.js'
import {$, attempt, clean, compose, el, explain, said, save, tell} from './dom.js'
import {ask, lines} from './lesson.js'
import {id} from './talk.js'
import {token} from './token.js'

// The page of one's own rooms: the program that serves it holds the keys. Beside the room stands what everybody else sees of it.

let room = null // its name
let following = null
const messages = new Map()
const found = new Map()

const at = (path, more = '') => `/${path}/${encodeURIComponent(room)}${more}`

const columns = new Columns($('#columns'), async m => {
  try {
    const answer = await fetch(m.path, {headers: {Authorization: `Bearer ${token}`}})
    if (!answer.ok) throw new Error(`the file is not there: ${answer.status}`)
    save(m.file, await answer.arrayBuffer())
  } catch (error) { tell($('#wrong'), explain(error)) }
})

function show(m) {
  messages.set(id(m), m)
  columns.message(m)
}

function finding(e) {
  const key = [e.finding, e.key, e.number, e.entry, e.says_key].join(' ')
  if (e.taken_back || e.waiting) found.delete(key)
  else found.set(key, e.text)
  $('#findings')?.remove()
  if (found.size) {
    $('.show').insertBefore(el('div', {id: 'findings', class: 'findings', role: 'log', 'aria-label': 'What is wrong', tabindex: 0},
      ...[...found.values()].slice(-6).map(text => el('p', {class: 'finding'}, said(text)))), $('#columns'))
  }
}

// Own messages get their entry when they were accepted, and are read back then.
function state(e) {
  for (const m of messages.values()) if (m.own && m.number === e.number && m.key === e.key && e.state !== 'seen') show({...m, state: e.state, entry: m.entry ?? e.entry})
}

let looking = null

// look asks for the rows that everybody sees, soon after something has happened.
function look() {
  looking ??= setTimeout(async () => {
    looking = null
    const of = room
    try {
      const {rows, trouble} = await ask(at('outside'), {token})
      if (of !== room) return
      for (const row of rows) columns.outside({row})
      $('#relay').textContent = trouble ? clean(trouble) : 'connected'
    } catch (error) { $('#relay').textContent = clean(error.message) }
  }, 150)
}

async function people() {
  const of = room
  const told = await ask(at('rooms', '/people'), {token})
  if (of !== room) return
  $('#own').textContent = told.words || 'Nobody signs in this room.'
  const others = told.people.filter(p => !p.own)
  $('#others').replaceChildren(...others.length ? others.map(p => el('li', {},
    el('p', {}, said(p.name, 'author'), ' ', p.compared ? el('span', {class: 'mark verified'}, 'verified') : ''),
    el('p', {class: 'words'}, p.words),
    p.compared ? '' : el('button', {type: 'button', class: 'quiet', onclick: () => attempt('#wrong', async () => { await ask(at('rooms', `/people/${p.key}`), {token, method: 'POST'}); await people(); for (const m of messages.values()) if (m.key === p.key) show({...m, standing: 'verified'}) })}, 'We have read them aloud: the same'),
  )) : [el('li', {class: 'faint'}, 'Nobody has written yet.')])
}

// events reads a stream of server-sent events: their name, their data, and where to go on.
function events(take, signal) {
  let last = ''
  let name = ''
  lines(() => at('rooms', `/events?from=${last || 'start'}`), token, line => {
    if (line.startsWith('event: ')) name = line.slice(7)
    else if (line.startsWith('id: ')) last = encodeURIComponent(line.slice(4))
    else if (line.startsWith('data: ')) take(name, JSON.parse(line.slice(6)))
  }, text => tell($('#wrong'), text), signal)
}

async function open(name) {
  following?.abort()
  const {signal} = following = new AbortController()
  room = name
  messages.clear()
  found.clear()
  $('#findings')?.remove()
  columns.clear()
  $('#title').textContent = clean(name)
  document.title = `${clean(name)} · fernpost`
  for (const button of document.querySelectorAll('#rooms button')) button.setAttribute('aria-pressed', String(button.value === name))
  $('#text').disabled = false
  await attempt('#wrong', people)
  if (signal.aborted) return // another room was opened meanwhile
  events((kind, e) => {
    if (kind === 'message') show(e)
    else if (kind === 'finding') finding(e)
    else if (kind === 'state') state(e)
    look()
  }, signal)
  look()
}

const parts = [['#show-rooms', '#rooms-part'], ['#show-people', '#people'], ['#show-about', '#about']]
for (const [button] of parts) {
  $(button).addEventListener('click', () => {
    for (const [other, part] of parts) {
      $(other).setAttribute('aria-pressed', String(other === button))
      $(part).hidden = other !== button
    }
    if (button === '#show-people' && room) attempt('#wrong', people)
  })
}

async function send(path, init) {
  const answer = await fetch(at('rooms', path), {method: 'POST', ...init, headers: {Authorization: `Bearer ${token}`, 'Idempotency-Key': crypto.getRandomValues(new Uint32Array(4)).join('-'), ...init.headers}})
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.detail ?? `the server answers ${answer.status}`)
}

compose(text => send('/messages', {headers: {'Content-Type': 'application/json'}, body: JSON.stringify({text})}), why => tell($('#wrong'), why))

$('#file').addEventListener('change', async e => {
  const file = e.target.files[0]
  if (file) await send(`/files?name=${encodeURIComponent(file.name)}`, {headers: {'Content-Type': file.type || 'application/octet-stream'}, body: file})
    .then(() => tell($('#wrong'), ''), error => tell($('#wrong'), explain(error)))
  e.target.value = ''
})

async function start() {
  try {
    const {rooms} = await ask('/rooms', {token})
    $('#relay').textContent = rooms.length ? '' : 'This device has no room yet: “fernpost init lab” makes one.'
    $('#rooms').replaceChildren(...rooms.map(r => el('li', {}, el('button', {type: 'button', class: 'quiet', value: r.name, 'aria-pressed': 'false', onclick: () => open(r.name)}, said(r.name)),
      el('p', {class: 'faint'}, `channel ${r.channel}${r.signed ? '' : ', plain texts'}${r.write ? '' : ', to read only'}`))))
    if (rooms.length) await open(rooms[0].name)
  } catch (error) {
    tell($('#wrong'), error.status === 401 ? 'Open this page by the address that “fernpost web” has printed: it has the token.' : explain(error))
  }
}

start()
