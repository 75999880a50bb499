import {Columns} from './columns.js'
import {$, agree, attempt, clean, clock, compose, count, el, explain, said, save, svgPath, tell} from './dom.js'
import {ask, follow} from './lesson.js'
import {whoWrote} from './talk.js'
import {token} from './token.js'

// The page on the projector: a room that the teacher is in, what others see of it, and the switches.

let core = null
let room = null
let blind = null // the room as it is with a wrong key
let state = null
const following = new AbortController()

const saveFile = async m => {
  const file = await room.file(m.key, m.number, m.entry ?? 0)
  save(file.name, file.content, file.media)
}
const columns = new Columns($('#columns'), saveFile)

function onEvent(e) {
  switch (e.type) {
    case 'message':
      columns.message(e.message)
      joined()
      break
    case 'finding': finding(e); break
    case 'relay':
      $('#relay').textContent = e.state === 'reads' || e.state === 'back' ? `${location.host}, channel ${state.channel}` : clean(e.text)
      break
    case 'failed': tell($('#wrong'), [e.text, e.hint].filter(Boolean).join(' — ')); break
  }
}

const found = new Map()

// finding shows what is wrong above the columns: who cheats is to be seen by all.
function finding(e) {
  const key = [e.finding, e.key, e.number, e.entry, e.says_key].join(' ')
  if (e.taken_back || e.waiting) found.delete(key)
  else found.set(key, e.text)
  const list = $('#findings') ?? $('.show').insertBefore(el('div', {id: 'findings', class: 'findings', role: 'log', 'aria-label': 'What is wrong', tabindex: 0}), $('#columns'))
  list.replaceChildren(...[...found.values()].slice(-6).map(text => el('p', {class: 'finding'}, said(text))))
}

// invite shows the code as large as the screen, to be read from the last row, or small beside what is said.
function invite(large) {
  document.body.classList.toggle('inviting', large)
  $('#large').textContent = large ? 'Smaller' : 'Larger'
  if (!large) columns.toEnd()
}

let came = false // whether somebody has written
let asking = false
async function joined() {
  if (asking || !room) return
  asking = true
  const of = room
  await attempt('#wrong', async () => {
    const all = await of.people().catch(error => { if (room === of) throw error }) // one that was left may be closed
    if (room !== of) return
    const wrote = whoWrote(all)
    $('#joined').textContent = !room.info.signed ? 'Nobody signs here: who has written what, nobody knows.' : clean(wrote || 'Nobody has written yet.')
    if (wrote && !came) invite(false)
    came ||= Boolean(wrote)
  })
  asking = false
  if (room !== of) joined()
}

let opening = Promise.resolve()
let opened = 0 // the channel of the room

// openRoom opens the lesson's room as it is when those before are open: of two that were opened at once the second one found its room
// in the hands of the first, and only read for good.
function openRoom() {
  return opening = opening.then(async () => {
    if (opened === state.channel) return
    await attempt('#wrong', openNow)
  })
}

async function openNow() {
  const now = state
  opened = 0
  room?.close()
  room = null
  columns.empties(0)
  found.clear()
  $('#findings')?.remove()
  // The rooms of lessons before are gone. That of this one's other profile stays: whoever forgot its numbers would write one twice.
  for (const old of await core.rooms()) if (old.relay !== now.relay) await core.forgetRoom(old.id)
  room = await core.openRoom({link: now.link, nick: 'teacher', pad: now.switches.padding}, onEvent)
  opened = now.channel
  if (state.channel === opened && state.switches.padding !== now.switches.padding) await room.set({pad: state.switches.padding})
  $('#sum').textContent = room.core.sha256
  for (const m of await room.history(200)) columns.message(m)
  joined()
}

// look opens the room with a key that is none of its own, and shows what that gives.
async function look(wrong) {
  $('#columns').classList.toggle('blind', wrong)
  if (!wrong) {
    const of = blind
    blind = null
    await of?.close()
    if (of) await core.forgetRoom(of.id)
    tell($('#looking'), '')
    return
  }
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  const key = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_')
  tell($('#looking'), 'Reading all of it with a wrong key …')
  const say = async () => {
    const of = blind
    const opened = await of?.history(200).catch(error => { if (blind === of) throw error }) ?? [] // one that was left may be closed
    if (blind === of) tell($('#looking'), `With a wrong key: ${opened.length || 'none'} of the ${count(columns.inCloud(), 'row')} in the cloud can be read.`)
  }
  blind = await core.openRoom({link: state.link, nick: room.info.nick, key}, e => {
    if (e.type === 'message' || e.type === 'relay' && e.state === 'reads') say().catch(error => tell($('#wrong'), explain(error)))
  })
}

function showState(now) {
  const before = state
  state = now
  $('#title').textContent = clean(now.name)
  $('#qr').replaceChildren(svgPath(now.code.across, now.code.path, 'QR code of the invitation'))
  $('#link').textContent = now.link
  tell($('#notice'), now.notice)
  tell($('#sealed'), now.certificate && `SHA-256 of the certificate, which browsers do not know: ${now.certificate}`)
  tell($('#alone'), now.loopback && 'Only this machine can connect.')
  $('#seats').hidden = !now.seats
  if (now.seats) $('#seats').replaceChildren(el('a', {href: '/class/seats', onclick: e => { e.preventDefault(); open(`/class/seats#${token}`) }}, `${count(now.seats, 'seat card')} to print`))
  const form = $('#turn')
  form.padding.checked = now.switches.padding
  form.steals.checked = now.switches.steals
  form.profile.value = now.switches.profile
  form.interval.value = String(now.switches.interval_ms)
  $('#stolen').hidden = !now.switches.steals
  if (!$('#lies label')) {
    $('#lies').append(el('p', {class: 'faint'}, 'From the moment on that you choose one, and for older posts as well: of every ten posts in the room, counted from the first one, it changes those named here. What is stored stays as it was posted, and shows again once you take the lie back. Numbers close up over what is not shown.'), ...Object.entries(now.lies).map(([name, does]) => el('label', {}, el('input', {type: 'checkbox', name: 'lie', value: name}), ` ${name} `, el('span', {class: 'faint'}, does))))
  }
  for (const box of document.querySelectorAll('[name=lie]')) box.checked = now.switches.lies.includes(box.value)
  if (core && before && before.channel !== now.channel) openRoom()
  else if (room && before && before.switches.padding !== now.switches.padding) room.set({pad: now.switches.padding}).catch(error => tell($('#wrong'), explain(error)))
}

// end leaves nothing of the lesson in this browser.
async function end() {
  following.abort()
  tell($('#notice'), 'The lesson is over.')
  await opening
  const id = room?.id
  await Promise.all([room?.close(), blind?.close()])
  for (const one of [id, blind?.id]) if (one) await core.forgetRoom(one)
  room = null
  sessionStorage.clear()
  tell($('#notice'), 'The lesson is over, and nothing that was said is left in this browser. Close this page.')
}

function take(line) {
  if (line.end) end().catch(error => tell($('#wrong'), explain(error)))
  else if (line.state) showState(line.state)
  else if (line.stolen) {
    $('#stolen').hidden = false
    $('#thefts').prepend(el('li', {}, el('strong', {}, said(line.stolen.name)), ` ${line.stolen.what === 'link' ? 'gives away the key: ' : 'is typing: '}`,
      line.stolen.what === 'link' ? el('code', {}, clean(line.stolen.text)) : said(line.stolen.text), ' ', el('time', {class: 'faint'}, clock(Date.now()))))
  } else columns.outside(line)
}

async function turn() {
  const form = $('#turn')
  const switches = {
    padding: form.padding.checked, profile: form.profile.value, interval_ms: Number(form.interval.value), steals: form.steals.checked,
    lies: [...document.querySelectorAll('[name=lie]:checked')].map(box => box.value),
  }
  try {
    showState(await ask('/class/switches', {token, body: switches}))
    tell($('#wrong'), '')
  } catch (error) { tell($('#wrong'), error.message) }
}

$('#turn').addEventListener('change', e => {
  if (e.target.id === 'wrong-key') look(e.target.checked).catch(error => tell($('#wrong'), explain(error)))
  else turn()
})

for (const [button, part] of [['#show-code', '#code'], ['#show-switches', '#switches'], ['#show-about', '#about']]) {
  $(button).addEventListener('click', () => {
    const on = $(button).getAttribute('aria-pressed') !== 'true'
    invite(false)
    for (const [other, its] of [['#show-code', '#code'], ['#show-switches', '#switches'], ['#show-about', '#about']]) {
      const shown = on && other === button
      $(other).setAttribute('aria-pressed', String(shown))
      $(its).hidden = !shown
    }
    $('#side').hidden = !on
  })
}

compose(async text => {
  await opening
  if (!room) throw new Error('The room is not open.')
  return room.send({text}, {agree})
}, why => tell($('#wrong'), why))

$('#large').addEventListener('click', () => invite(!document.body.classList.contains('inviting')))

async function start() {
  try {
    showState(await ask('/class/state', {token}))
  } catch (error) {
    tell($('#wrong'), error.status === 401 ? 'Open this page by the address that “fernpost class” has printed: it has the token that turns the switches.' : error.message)
    return
  }
  $('#relay').textContent = 'opening the room …'
  follow('/class/events', token, take, text => tell($('#wrong'), text), following.signal)
  try {
    core = await import('./core.js')
    await openRoom()
  } catch (error) { tell($('#wrong'), `What is said in the room cannot be shown: ${explain(error)}`) }
}

start()
