// Coming into a room by a link, and out of it: what a page says before somebody is believed, and what it keeps.
import {assert, columns, enter, join, open, patience, phone, reads, run, screenshot, turn, until, write} from './drive.mjs'

const textOf = (page, what) => page.textContent(what)
const says = (page, what, text) => page.waitForFunction(([what, text]) => !document.querySelector(what).hidden && document.querySelector(what).textContent.includes(text), [what, text])
const inRoom = (page, work) => page.evaluate(`import('/static/phone.js').then(async ({opened}) => (${work})(await opened))`)

// asked answers the next question of a page, and returns it.
function asked(page, yes) {
  page.removeAllListeners('dialog')
  return new Promise(done => page.once('dialog', async dialog => {
    await (yes ? dialog.accept() : dialog.dismiss())
    done(dialog.message())
  }))
}

async function names(browser, class_) {
  const page = await open(browser, class_.link, phone)
  await page.waitForSelector('#join:not([hidden])')
  for (const [name, why] of [['42', 'it has no letter'], ['a name that is far too long for a room', '38 bytes, at most 24'], ['é'.repeat(13), '26 bytes, at most 24']]) {
    await page.fill('#nick', name)
    assert.equal(await page.inputValue('#nick'), name, 'a name was cut')
    await page.click('#join button[type=submit]')
    await says(page, '#wrong', why)
  }
  await screenshot(page, 'phone-name')
  // A name that looks like somebody else's is told before anybody else sees it.
  await page.fill('#nick', 'Ana-Lena')
  await page.click('#join button[type=submit]')
  await page.waitForSelector('#rename:not([hidden])')
  await says(page, '#trouble', 'somebody else in this room is called Ana Lena')
  await screenshot(page, 'phone-rename')
  await page.fill('#text', 'under a name that is taken')
  await page.press('#text', 'Enter')
  await page.fill('#other', 'ana lena')
  await page.click('#rename button')
  await says(page, '#trouble', 'and ana lena looks like that')
  await page.fill('#other', 'lena')
  await page.click('#rename button')
  await page.waitForSelector('#rename', {state: 'hidden'})
  await page.press('#text', 'Enter')
  await reads(page, 'under a name that is taken')
  return page
}

async function links(browser, class_, ana) {
  const {link} = await inRoom(ana, 'room => room.invite()')
  const words = await inRoom(ana, 'room => room.info.words')
  const bo = await open(browser, link, phone)
  await bo.waitForSelector('#join:not([hidden])')
  assert.match(await textOf(bo, '#invited'), new RegExp(`You are invited to the room class by somebody with the words ${words}. Their key counts as compared`))
  await screenshot(bo, 'phone-invited')
  await enter(bo, 'bo')
  await bo.waitForFunction(() => [...document.querySelectorAll('#messages .message')].some(m => m.textContent.includes('from Ana Lena') && m.querySelector('.mark.verified')))
  // Who is in the room already is asked first.
  const cy = await join(browser, class_.link, 'cy')
  await reads(cy, 'from Ana Lena')
  const question = asked(cy, false)
  await cy.evaluate(link => { location.hash = link.slice(link.indexOf('#')) }, link)
  assert.match(await question, new RegExp(`by somebody with the words “${words}”. Their key counts as compared`))
  await reads(cy, 'from Ana Lena')
  assert.equal(await cy.locator('#messages .mark.verified').count(), 0, 'it counts as compared although that was not wanted')
  // A link that came damaged.
  for (const [bad, why, next] of [
    [class_.link.slice(0, -9), 'the link is not whole', 'scan it again'], [class_.link.replace(/.(.{20})$/, (all, rest) => (all[0] === 'A' ? 'B' : 'A') + rest), 'the link was changed on the way', 'scan it again'],
  ]) {
    const page = await open(browser, bad, phone)
    await says(page, '#wrong', why)
    await says(page, '#wrong', next)
    await says(page, '#lacking', 'Scan the QR code')
    await page.context().close()
  }
  return [bo, cy]
}

// kept is how many rooms a browser has, and whether it knows who it is.
const kept = page => page.evaluate(async () => { const core = await import('/static/core.js'); return [(await core.rooms()).length, Boolean(await core.identity())] })

async function keeping(bo, cy) {
  // A page that is loaded anew writes at once: the lease of the one before would last for seconds.
  await bo.reload()
  await bo.waitForSelector('#talk:not([hidden])')
  assert.equal(await bo.evaluate(() => document.querySelector('#text').disabled), false, 'it waits for its own lease')
  // Whoever presses Enter twice says it once.
  await bo.fill('#text', 'said once')
  await bo.evaluate(() => { for (let i = 0; i < 3; i++) document.querySelector('#compose').requestSubmit() })
  await reads(cy, 'said once')
  await write(bo, 'and then more')
  await reads(cy, 'and then more')
  assert.equal(await cy.evaluate(() => [...document.querySelectorAll('#messages .text')].filter(p => p.textContent === 'said once').length), 1)
  // What is to be removed is asked for first.
  await bo.click('[data-part=about]')
  let question = asked(bo, false)
  await bo.click('#forget')
  assert.match(await question, /Remove the room from this browser/)
  assert.deepEqual(await kept(bo), [1, true])
  question = asked(bo, true)
  await Promise.all([bo.waitForNavigation(), bo.click('#forget')])
  await question
  await bo.waitForSelector('#enter:not([hidden])')
  assert.deepEqual(await kept(bo), [0, false])
  // What a browser has kept badly is removed once that is wanted, and who signs with it.
  await cy.evaluate(() => new Promise((done, failed) => {
    const open = indexedDB.open('fernpost', 1)
    open.onsuccess = () => {
      const t = open.result.transaction('rows', 'readwrite')
      t.objectStore('rows').openCursor().onsuccess = e => {
        const at = e.target.result
        if (!at) return
        at.update({...at.value, row: new Uint8Array([1, 2, 3])})
        at.continue()
      }
      t.oncomplete = done
      t.onerror = failed
    }
  }))
  question = asked(cy, false)
  await cy.reload()
  assert.match(await question, /cannot be read. Remove it/)
  assert.deepEqual(await kept(cy), [1, true])
  question = asked(cy, true)
  await cy.reload()
  await question
  await until(cy, async () => (await (await import('/static/core.js')).rooms()).length === 0)
  await cy.waitForSelector('#lacking')
}

await run(async (browser, class_) => {
  const projector = await open(browser, class_.teacher)
  await projector.waitForFunction(() => document.querySelector('#sum').textContent.length === 64)
  const ana = await join(browser, class_.link, 'Ana Lena')
  await write(ana, 'from Ana Lena')
  await columns(projector, 'from Ana Lena')
  await names(browser, class_)
  const [bo, cy] = await links(browser, class_, ana)
  assert.equal(await projector.locator('#findings').count(), 0, 'somebody was accused')

  // The lesson's other room is kept: whoever forgot its numbers would write one twice.
  await projector.click('#show-switches')
  await write(projector, 'the teacher’s first')
  await turn(projector, '[name=profile][value=tutorial]')
  await until(projector, async () => document.querySelector('#title').textContent === 'class-texts' && (await (await import('/static/core.js')).rooms()).length === 2)
  await turn(projector, '[name=profile][value=fernpost]')
  await projector.waitForFunction(() => document.querySelector('#title').textContent === 'class')
  await reads(projector, 'from Ana Lena', '#columns')
  await write(projector, 'the teacher’s second')
  await columns(projector, 'the teacher’s second')
  // Whoever turned the profile there and back at once had two rooms open, of which the last one only read.
  for (const profile of ['tutorial', 'fernpost', 'tutorial', 'fernpost']) await turn(projector, `[name=profile][value=${profile}]`)
  await projector.waitForFunction(() => document.querySelector('#title').textContent === 'class')
  await write(projector, 'the teacher’s third')
  await columns(projector, 'the teacher’s third')
  await reads(ana, 'the teacher’s third')
  await keeping(bo, cy)
})
