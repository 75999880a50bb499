// Small helpers: everything that others have written becomes text, never markup.

export const $ = selector => document.querySelector(selector)

// el makes an element: properties, then children, which are elements or texts.
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value)
    else if (key === 'class') made.className = value
    else if (value === true) made.setAttribute(key, '')
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value)
  }
  made.append(...children.filter(c => c !== null && c !== undefined && c !== ''))
  return made
}

// svgPath makes a picture of one path.
export function svgPath(across, path, label) {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  const drawn = document.createElementNS(space, 'path')
  svg.setAttribute('viewBox', `0 0 ${across} ${across}`)
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', label)
  drawn.setAttribute('d', path)
  svg.append(drawn)
  return svg
}

// What would turn, hide or move other text: controls, directions, and characters without a width.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\u00ad\u034f\u115f\u1160\u180e\u2800\u3164\uffa0\u{e0000}-\u{e007f}]/gu
// Of marks that stand above each other four are enough for every language: more climb over other people's lines.
const climbing = /(\p{M}{4})\p{M}+/gu
const shown = 20000

// clean is a stranger's text as it may be shown: nothing hidden in it, and no longer than a screen can bear.
export function clean(text) {
  const short = text.length > shown ? text.slice(0, shown) + ` … (${text.length - shown} more characters)` : text
  return short.replace(unseen, '\ufffd').replace(climbing, '$1')
}

// said is an element with a stranger's text, whose direction does not change what stands around it.
export const said = (text, className) => el('bdi', {class: className}, clean(text ?? ''))

export const clock = at => new Date(at).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'})

export const count = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`

// tell shows a sentence, or hides the place of it.
export function tell(where, text) {
  where.hidden = !text
  where.textContent = text ? clean(text) : ''
}

// explain is what an error says, and what to do next.
export const explain = error => [error.message || String(error), error.hint].filter(Boolean).join(' — ')

// attempt does something that may fail, and shows why it did.
export async function attempt(where, work) {
  try { await work() } catch (error) { tell($(where), explain(error)) }
}

// nextFrame does something once before the next picture, however often it is asked for: reading sizes in between has all laid out anew.
export function nextFrame(work) {
  let waits = false
  return () => {
    if (waits) return
    waits = true
    requestAnimationFrame(() => { waits = false; work() })
  }
}

// atEnd reports whether a list is scrolled to its end, so that it may stay there.
export const atEnd = list => list.scrollHeight - list.scrollTop - list.clientHeight < 60

// agree asks before something long is sent.
export const agree = takes => confirm(`Sending it: ${takes}. Send it all the same?`)

// compose has a form send what is written in it, once: whoever presses Enter twice says it once. send throws, or shows, why it could not.
export function compose(send, told) {
  const text = $('#text')
  let sending = false
  $('#compose').addEventListener('submit', async e => {
    e.preventDefault()
    const what = text.value
    if (sending || !what.trim()) return
    sending = true
    try {
      await send(what)
      if (text.value.startsWith(what)) text.value = text.value.slice(what.length) // more may have been typed meanwhile
      told('')
    } catch (error) { told(explain(error), error.code) }
    sending = false
  })
  text.addEventListener('keydown', e => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); $('#compose').requestSubmit() }
  })
}

// save offers bytes as a file.
export function save(name, bytes, type = 'application/octet-stream') {
  const url = URL.createObjectURL(new Blob([bytes], {type}))
  const link = el('a', {href: url, download: name.replace(/[^\p{L}\p{N}._ -]/gu, '_').replace(/^\.+/, '_') || 'file'})
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60000)
}
