import * as core from './core.js'
import {Columns} from './columns.js'
import {$, agree, attempt, clean, compose, el, explain, said, save, tell} from './dom.js'
import {ask, follow} from './lesson.js'
import {Talk} from './talk.js'

// The page of a phone in a class.

// The link is taken out of the address bar before anything else, so that it stays neither on the screen nor in the history.
let link = location.hash.length > 1 ? `${location.origin}/join${location.hash}` : ''
history.replaceState(null, '', location.pathname)

let room = null
let opening
// opened is the room, once it is there.
export const opened = new Promise(done => { opening = done })
let page = ''
let watching = null
let looking = 0 // the timer of the next look
let looks = 0
let lull = 1000 // until the next look, in milliseconds
let opens = 0 // how often a room was opened

const saveFile = async m => {
  try {
    const file = await room.file(m.key, m.number, m.entry ?? 0)
    save(file.name, file.content, file.media)
  } catch (error) { tell($('#trouble'), explain(error)) }
}
const talk = new Talk($('#messages'), saveFile)
const columns = new Columns($('#columns'), saveFile)

function show(part) {
  for (const button of document.querySelectorAll('#parts button')) {
    const on = button.dataset.part === part
    button.setAttribute('aria-pressed', String(on))
    $(`#${button.dataset.part}`).hidden = !on
  }
  if (part === 'talk') talk.toEnd()
  if (part === 'people') attempt('#trouble', people)
  if (part === 'outside') watch()
}

// watch begins to follow what others see.
function watch() {
  if (watching || !room) return
  watching = new AbortController()
  follow('/class/outside', room.writeKey, line => columns.outside(line), text => tell($('#outside-trouble'), text), watching.signal)
}

const relayStates = {
  away: 'the relay is away', refuses: 'the relay refuses', back: 'connected', slow: 'waiting for a free slot', reads: 'connected', ended: 'ended',
}

function onRelay(e) {
  const until = e.until ? Math.max(0, Math.round((e.until - Date.now()) / 1000)) : 0
  const text = e.state === 'reads' || e.state === 'back' ? relayStates[e.state] : e.text || relayStates[e.state]
  $('#relay').textContent = clean(until > 1 ? `${text} (${until} s)` : text)
  $('#relay').className = e.state
}

function onTab(writes) {
  $('#text').disabled = !writes
  tell($('#trouble'), writes ? '' : 'This room is open in another tab, which writes; here you only read.')
}

function onEvent(e) {
  switch (e.type) {
    case 'message':
      talk.message(e.message)
      columns.message(e.message)
      if (!document.hidden && !$('#talk').hidden && e.message.entry) room?.shown(e.message).catch(() => {})
      break
    case 'state': talk.state(e); break
    case 'finding': talk.finding(e); break
    case 'relay': onRelay(e); break
    case 'progress':
      if (e.what === 'deriving') { $('#deriving').hidden = e.done >= e.of; $('#deriving').value = e.of ? e.done / e.of : 0 }
      break
    case 'name': rename([e.text, e.hint].join(' — ')); break
    case 'notposted': tell($('#trouble'), [e.text, e.hint].filter(Boolean).join(' — ')); break
    case 'tab': onTab(e.writes); break
    case 'restarted': history200(); break
    case 'renumbered': talk.renumbered(e); break
    case 'failed': tell($('#trouble'), [e.text, e.hint].filter(Boolean).join(' — ')); break
  }
}

// rename asks for another name: nothing was written under the one that was chosen.
function rename(why) {
  tell($('#trouble'), why)
  $('#rename').hidden = false
  $('#other').focus()
}

async function history200() {
  for (const message of await room.history(200)) { talk.message(message); columns.message(message) }
}

async function people() {
  const of = room
  const all = await of?.people().catch(error => { if (room === of) throw error }) // another link may be opened meanwhile
  if (!all || room !== of) return
  $('#own').textContent = room.info.words
  $('#others').replaceChildren(...all.filter(p => !p.own).map(p => el('li', {},
    el('p', {}, said(p.name || p.nick, 'author'), ' ', p.lost ? el('span', {class: 'mark bad'}, 'lost device') : p.compared ? el('span', {class: 'mark verified'}, 'verified') : ''),
    el('p', {class: 'words'}, p.words),
    p.compared || p.lost ? '' : el('button', {type: 'button', class: 'quiet', onclick: () => attempt('#trouble', async () => { await room.verify(p.key); await people(); await history200() })}, 'We have read them aloud: the same'),
  )))
  if (!all.some(p => !p.own)) $('#others').replaceChildren(el('li', {class: 'faint'}, 'Nobody has written yet.'))
}

async function enter(options) {
  tell($('#wrong'), '')
  const mine = ++opens
  try {
    const opened = await core.openRoom(options, e => { if (mine === opens) onEvent(e) })
    if (mine !== opens) return opened.close() // another link was opened meanwhile
    room = opened
  } catch (error) {
    if (mine !== opens) return
    if (error.code === 'passphrase') $('#secret').hidden = false
    tell($('#wrong'), explain(error))
    if (error.code === 'storage' && confirm('What this browser has kept of the room cannot be read. Remove it, and your name with it, and join anew?')) {
      await core.forgetAll()
      location.reload()
    }
    return
  }
  $('#enter').hidden = true
  $('#parts').hidden = false
  $('#title').textContent = clean(room.info.name)
  document.title = `${clean(room.info.name)} · fernpost`
  $('#sum').textContent = room.core.sha256
  onTab(room.info.writes)
  $('#text').value ||= sessionStorage.getItem('draft') ?? ''
  sessionStorage.removeItem('draft')
  await history200()
  show('talk')
  opening(room)
  look()
}

// look asks now and then what the class's laptop says.
async function look() {
  clearTimeout(looking)
  const mine = ++looks
  const of = room
  lull = Math.min(2 * lull, 30000) // a lesson that is over answers nobody
  try {
    const now = await ask('/class/now')
    if (room !== of) return
    lull = 1000
    if (page && now.page !== page) { // as any page could be made to do
      sessionStorage.setItem('draft', $('#text').value)
      location.reload()
    }
    page ||= now.page
    tell($('#notice'), now.channel !== room.info.channel ? 'The class has gone on to another room: scan the code again.' : now.notice)
    if (now.padding !== room.info.pad) await room.set({pad: now.padding})
  } catch { /* the line above says that the relay is away */ }
  if (mine === looks && room === of) looking = setTimeout(look, document.hidden ? 15000 : Math.max(lull, 2000))
}

async function invited() {
  const invitation = await core.readLink(link)
  const known = (await core.rooms()).find(r => r.relay === invitation.relay && r.channel === invitation.channel)
  const me = await core.identity()
  if (known) {
    const changes = (invitation.changes ?? []).filter(what => what !== 'inviter' || invitation.inviter !== me?.key)
    const keys = changes.filter(what => what !== 'inviter')
    const question = [
      keys.length && `This link has another ${keys.join(' and another ')} for the room “${clean(known.name)}” than this phone. What you write goes by it from then on.`,
      keys.length < changes.length && `This link for the room “${clean(known.name)}” is by somebody with the words “${invitation.inviter_words}”. Their key counts as compared from then on.`,
      'Do you trust whoever gave you the link?',
    ].filter(Boolean).join(' ')
    return enter(changes.length && !confirm(question) ? {room: known.id} : {link, nick: known.nick})
  }
  $('#lacking').hidden = true
  $('#join').hidden = false
  $('#secret').hidden = invitation.has_key
  $('#invited').replaceChildren('You are invited to the room ', said(invitation.name, 'author'), ...invitation.inviter_words
    ? [' by somebody with the words ', el('strong', {}, invitation.inviter_words), '. Their key counts as compared, since the link came by a way of its own and not through the room.'] : ['.'])
  $('#nick').value = me?.nick ?? ''
  $('#nick').focus()
}

async function start() {
  $('#relay').textContent = ''
  $('#enter').hidden = false
  $('#parts').hidden = true
  try {
    if (link) return await invited()
    const kept = (await core.rooms()).filter(r => r.relay === location.origin)
    const now = await ask('/class/now').catch(() => null)
    const here = kept.find(r => r.channel === now?.channel)
    if (here) return await enter({room: here.id})
    $('#rooms').replaceChildren(...kept.map(r => el('li', {}, said(r.name, 'author'), ' (the lesson is over) ',
      el('button', {type: 'button', class: 'quiet', onclick: async e => { await core.forgetRoom(r.id); e.target.closest('li').remove() }}, 'Remove it from this browser'))))
  } catch (error) { tell($('#wrong'), explain(error)) }
}

$('#join').addEventListener('submit', e => {
  e.preventDefault()
  enter({link, nick: $('#nick').value.trim(), passphrase: $('#passphrase').value || undefined})
})

compose(text => room.send({text}, {agree}), (why, code) => code === 'nickname' ? rename(why) : tell($('#trouble'), why))

$('#rename').addEventListener('submit', async e => {
  e.preventDefault()
  try {
    await room.set({nick: $('#other').value.trim()})
    $('#rename').hidden = true
    tell($('#trouble'), '')
    $('#text').focus()
  } catch (error) { tell($('#trouble'), explain(error)) }
})

$('#file').addEventListener('change', async e => {
  const file = e.target.files[0]
  if (!file) return
  try {
    const content = new Uint8Array(await file.arrayBuffer())
    await room.send({file: {name: file.name, media: file.type || 'application/octet-stream', content}}, {agree})
    tell($('#trouble'), '')
  } catch (error) { tell($('#trouble'), explain(error)) }
  e.target.value = ''
})

$('#parts').addEventListener('click', e => { if (e.target.dataset.part) show(e.target.dataset.part) })

$('#save').addEventListener('submit', async e => {
  e.preventDefault()
  try {
    save('fernpost-identity.txt', await room.exportIdentity($('#save-secret').value))
    $('#identity-said').textContent = 'Saved. “fernpost identity import” takes it, and so does a page like this one.'
  } catch (error) { $('#identity-said').textContent = clean(explain(error)) }
})

$('#load').addEventListener('submit', async e => {
  e.preventDefault()
  try {
    const file = $('#load-file').files[0]
    await room.importIdentity(new Uint8Array(await file.arrayBuffer()), $('#load-secret').value)
    location.reload()
  } catch (error) { $('#identity-said').textContent = clean(explain(error)) }
})

$('#forget').addEventListener('click', async () => {
  if (!confirm('Remove the room from this browser, and who you are in it? Whoever comes back is somebody else.')) return
  await room.close()
  await core.forgetAll()
  location.reload()
})

// Who opens another link in this tab loads nothing anew.
addEventListener('hashchange', async () => {
  if (location.hash.length <= 1) return
  link = `${location.origin}/join${location.hash}`
  history.replaceState(null, '', location.pathname)
  watching?.abort()
  watching = null
  opens++
  room?.close()
  room = null
  $('#rename').hidden = true
  talk.clear()
  columns.clear()
  for (const button of document.querySelectorAll('#parts button')) $(`#${button.dataset.part}`).hidden = true
  start()
})

start()
