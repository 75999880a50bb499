// Parts of the pages on what a relay and strangers may send, without a relay and strangers.
import {assert, open, run} from './drive.mjs'

const noon = Date.UTC(2026, 10, 30, 12)
// token was sealed so many times ten seconds after noon; its middle may have been changed.
const token = (at, middle = 0) => {
  const bytes = Buffer.alloc(185, at)
  bytes[0] = 0x80
  bytes.writeBigUInt64BE(BigInt(noon / 1000 + 10 * at), 1)
  bytes[92] += middle
  return bytes.toString('base64url')
}
const row = (entry, text) => ({row: {entry, csv: `2026-11-30 12:00:00 UTC,${entry},${text}`, values: [{field: 1, text, token: text, parts: []}]}})
const wire = (entry, text) => ({wire: {entry, from: '192.0.2.1:50000', at: entry, bytes: 100, status: 200, request: btoa(`POST /update HTTP/1.1\r\nHost: x\r\n\r\nfield1=${text}`)}})
const message = (number, more = {}) => ({key: 'k', number, entry: number, signed: true, kind: 'text', author: 'bo', text: `message ${number}`, notes: [], seen_by: [], sealed: new Date(noon + 10000 * number), standing: 'known', ...more})

// three shows each row of the columns after some lines: what was said, the answer on the wire, what stands in the cloud.
const three = (page, steps) => page.evaluate(async steps => {
  const {Columns} = await import('/static/columns.js')
  const root = document.createElement('div')
  const columns = new Columns(root)
  for (const step of steps) if (step.kind) columns.message(step); else columns.outside(step)
  return [...root.querySelectorAll('.three')].map(r => [0, 1, 2].map(i => {
    const cell = r.querySelector(`.c${i}`)
    const number = cell.querySelector('.entry')?.textContent ?? cell.querySelector('.by')?.textContent.match(/→ entry \d+|,\d+,/)?.[0]
    return cell.classList.contains('there') ? [cell.querySelector('.text')?.textContent, number, ...[...cell.querySelectorAll('.mark')].map(m => m.textContent)].filter(Boolean).join('|') : ''
  }))
}, steps)

async function joined(page) {
  const all = [1, 2, 3, 4].map(n => token(n))
  const begin = {reset: 'cloud', channel: 1}
  const honest = [begin, ...all.flatMap((text, i) => [wire(i + 1, text), row(i + 1, text), message(i + 1)])]
  const plain = n => [`message ${n}|entry ${n}`, `→ entry ${n}`, `,${n},`]
  assert.deepEqual(await three(page, honest), [1, 2, 3, 4].map(plain))
  // It drops the third: the fourth bears its number from then on.
  const dropped = [begin, row(1, all[0]), row(2, all[1]), row(3, all[3])]
  const fourth = ['message 4|entry 4', '→ entry 4', ',3,|entry 4 before']
  assert.deepEqual(await three(page, [...honest, ...dropped]), [plain(1), plain(2), ['message 3|entry 3', '→ entry 3', 'not shown any more'], fourth], 'a lie that older posts fall under')
  // Whoever comes then is told the same, but for what is not to be seen any more.
  assert.deepEqual(await three(page, [begin, ...all.map((text, i) => wire(i + 1, text)), ...dropped.slice(1), ...[1, 2, 3, 4].map(n => message(n))]),
    [plain(1), plain(2), ['message 3|entry 3', '→ entry 3', ''], fourth], 'a page that is loaded then')
  // It repeats the first behind the second, and alters the second.
  const repeated = [begin, row(1, all[0]), row(2, token(2, 1)), row(3, all[0]), row(4, all[2]), row(5, all[3])]
  assert.deepEqual(await three(page, [...honest, ...repeated]), [plain(1), ['message 2|entry 2', '→ entry 2', ',2,|changed since'], ['', '', ',3,|the same as entry 1'],
    ['message 3|entry 3', '→ entry 3', ',4,|entry 3 before'], ['message 4|entry 4', '→ entry 4', ',5,|entry 4 before']], 'a row that stands twice, and one that was altered')
  // Two change places while they come: what was read as the first is the second one.
  const second = {...message(2), entry: 1}
  for (const lines of [[second, row(1, all[1]), row(2, all[0])], [row(1, all[1]), second, row(2, all[0])]]) {
    assert.deepEqual(await three(page, [begin, wire(1, all[0]), wire(2, all[1]), ...lines]),
      [['', '→ entry 1', ',2,|entry 1 before'], ['message 2|entry 1', '→ entry 2', ',1,|entry 2 before']], 'two rows that changed places')
  }
  // It is emptied, and goes on with 1.
  assert.deepEqual(await three(page, [...honest.slice(0, 4), {gone: 1}, wire(1, all[1]), row(1, all[1])]), [['message 1|entry 1', '→ entry 1', 'gone from the feed'], ['', '→ entry 1', ',1,']])
}

const talk = (page, steps) => page.evaluate(async steps => {
  const {Talk} = await import('/static/talk.js')
  const list = document.createElement('div')
  const talk = new Talk(list)
  for (const step of steps) if (step.finding) talk.finding(step); else talk.message(step)
  return [...list.children].map(e => [...e.querySelectorAll('.text, .mark, .note')].map(p => p.textContent).join('|') || e.textContent)
}, steps)

async function told(page) {
  assert.deepEqual(await talk(page, [
    message(1, {kind: 'unreadable', text: null, words: '(unreadable)'}), message(2, {notes: ['written 2026-11-29 12:00:00 +0000 by the author\'s clock', 'old key']}),
    {finding: 'repeat', entry: null, text: '1 token repeated'}, message(3),
    message(4, {signed: false, number: null, kind: 'binary', text: null, words: '(binary, 3 bytes)'}),
  ]), ['(unreadable)', 'message 2|(written 2026-11-29 12:00:00 +0000 by the author\'s clock; old key)', 'Not as it should be: 1 token repeated', 'message 3', '(binary, 3 bytes)'])
  // Of one number there are two versions: the first was shown before anybody knew.
  assert.deepEqual(await talk(page, [
    message(1), message(1, {entry: 2, forked: true, text: 'another', notes: ['one of two with this number']}), {finding: 'fork', key: 'k', number: 1, entry: 2, text: 'two versions'},
  ]), ['two versions|message 1|(one of two with this number)', 'two versions|another|(one of two with this number)', 'Not as it should be: two versions'])
}

await run(async (browser, class_) => {
  const page = await open(browser, class_.link)
  const cleaned = await page.evaluate(async () => {
    const {clean} = await import('/static/dom.js')
    return ['a\u0301\u0302\u0303\u0304\u0305\u0306', 'a\u200bb\u2060c\u00add', '\u202egnirts', '\u{e0041}x', 'x'.repeat(20001), 'नमस्ते 👩‍💻', 'a\u034f\u3164b'].map(clean)
  })
  assert.deepEqual(cleaned, ['a\u0301\u0302\u0303\u0304', 'a\ufffdb\ufffdc\ufffdd', '\ufffdgnirts', '\ufffdx', 'x'.repeat(20000) + ' … (1 more characters)', 'नमस्ते 👩‍💻', 'a\ufffd\ufffdb'])
  const who = await page.evaluate(async () => {
    const {whoWrote} = await import('/static/talk.js')
    const ana = {name: 'ana', person: 'a'}
    return [[{own: true, person: 'me'}], [ana], [ana, {name: 'ana’s phone', person: 'a'}, {name: 'bo', person: 'b'}, {name: 'cy', person: 'c', lost: true}]].map(whoWrote)
  })
  assert.deepEqual(who, [0, '1 person has written, this screen not counted: ana', '2 people have written, with 3 devices, this screen not counted: ana, ana’s phone, bo'])
  await joined(page)
  await told(page)
})
