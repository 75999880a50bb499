// A lesson: ten phones and a projector, from the QR code to each switch.
import {assert, checkRules, columns, enter, join, open, patience, phone, problems, reads, run, screenshot, turn, until, write} from './drive.mjs'

const hostile = [
  '<img src=x onerror="window.ran=1">', '<script>window.ran=1</script>', '"><svg onload=window.ran=1>', 'javascript:window.ran=1//',
  '{{constructor.constructor("window.ran=1")()}}', '\u202egnirts\u202c \u0007\u001b[31mred',
]

async function verify(ana, bo) {
  await ana.click('[data-part=people]')
  const one = ana.locator('#others li', {has: ana.locator('.author', {hasText: /^bo$/})})
  const words = await one.locator('.words').textContent()
  await bo.click('[data-part=people]')
  await bo.waitForFunction(() => document.querySelector('#own').textContent)
  assert.equal(await bo.textContent('#own'), words, 'the words that two phones show of one key')
  assert.equal(words.split(' ').length, 6)
  await checkRules(ana, 'the people')
  await screenshot(ana, 'phone-people')
  await one.locator('button').click()
  await ana.waitForSelector('#others .mark.verified')
  await ana.click('[data-part=talk]')
  await ana.waitForSelector('#messages .mark.verified')
  await bo.click('[data-part=talk]')
}

async function nothingRuns(all, ana) {
  for (const text of hostile) await write(ana, text)
  await ana.setInputFiles('#file', {name: '<img src=x onerror=window.ran=1>.html', mimeType: 'text/html', buffer: Buffer.from('<script>window.ran=1</script>')})
  for (const page of all) {
    await page.waitForFunction(() => document.body.textContent.includes('onerror=window.ran=1>.html'))
    assert.equal(await page.evaluate(() => window.ran), undefined, 'a stranger’s text ran')
    assert.equal(await page.evaluate(() => document.querySelectorAll('#messages img, #messages script, #columns img, #columns script, .text svg').length), 0)
    assert.equal(await page.evaluate(() => /[\u202e\u0007\u001b]/.test(document.body.textContent)), false, 'a character that turns or hides others is shown')
  }
}

async function switches(browser, projector, phones, class_) {
  const [ana, bo] = phones
  await projector.click('#show-switches')
  await screenshot(projector, 'projector-switches')
  await checkRules(projector, 'the switches')

  await turn(projector, '[name=padding]')
  await until(ana, async () => (await (await import('/static/phone.js')).opened).info.pad) // it asks every two seconds
  await write(ana, 'padded')
  await columns(projector, 'padded')
  const values = await projector.evaluate(() => [...document.querySelectorAll('.three')].filter(r => r.children[0].textContent.includes('padded'))[0].querySelectorAll('.c2 .token').length)
  assert.equal(values, 8, 'tokens of a padded entry')
  await turn(projector, '[name=padding]')

  await projector.click('#wrong-key')
  await projector.waitForFunction(() => /none of the \d\d+ rows in the cloud can be read/.test(document.querySelector('#looking').textContent))
  await screenshot(projector, 'projector-wrong-key')
  await projector.click('#wrong-key')
  await projector.waitForSelector('#looking', {state: 'hidden'})

  await turn(projector, '[name=interval][value="15000"]')
  await write(ana, 'first in its slot')
  await write(bo, 'has to wait')
  await projector.waitForFunction(() => [...document.querySelectorAll('.c1')].some(c => c.textContent.includes('not stored')))
  await bo.waitForFunction(() => document.querySelector('#relay').className === 'slow')
  await screenshot(bo, 'phone-slow')
  await turn(projector, '[name=interval][value="0"]')

  await Promise.all([ana.waitForNavigation(), turn(projector, '[name=steals]')])
  await ana.waitForSelector('#talk:not([hidden])')
  await projector.waitForFunction(() => /gives away the key/.test(document.querySelector('#thefts').textContent))
  await ana.waitForSelector('#text:enabled')
  await ana.type('#text', 'I think nobody')
  await projector.waitForFunction(() => /is typing: I think nobody/.test(document.querySelector('#thefts').textContent))
  await screenshot(projector, 'projector-steals')
  await Promise.all([ana.waitForNavigation(), turn(projector, '[name=steals]')])
  await ana.waitForSelector('#talk:not([hidden])')
  await columns(projector, 'has to wait') // its slot comes by the pace of before, and the page was loaded anew meanwhile

  await turn(projector, '[name=profile][value=tutorial]')
  await projector.waitForFunction(() => document.querySelector('#title').textContent === 'class-texts')
  const link = await projector.textContent('#link')
  await bo.waitForFunction(() => /scan the code again/.test(document.querySelector('#notice').textContent))
  await bo.goto(link)
  await enter(bo)
  await write(bo, 'a text that nobody signs')
  await columns(projector, 'a text that nobody signs')
  await bo.waitForFunction(() => {
    const all = [...document.querySelectorAll('#messages .message')].filter(m => m.textContent.includes('a text that nobody signs'))
    return all.length === 1 && /sent/.test(all[0].textContent)
  })
  assert.ok(await projector.evaluate(() => [...document.querySelectorAll('.c2 details pre')].some(p => p.textContent.includes("b'gAAAA"))), 'a text stands as Python prints it')
  await screenshot(projector, 'projector-texts')
  await turn(projector, '[name=profile][value=fernpost]')
}

// lies come last: who was lied to doubts for a minute what is shown then, and whatever is awaited meanwhile takes as long.
async function lies(projector, one, other) {
  await turn(projector, '[name=lie][value=drop]')
  for (let i = 0; i < 12; i++) await write(i % 2 ? other : one, `under a relay that drops ${i}`)
  await projector.waitForFunction(() => /missing|lost|not shown/.test(document.querySelector('#findings')?.textContent ?? ''))
  await other.waitForFunction(() => document.querySelector('#messages .finding'))
  await other.waitForFunction(() => document.querySelector('#notice').textContent.includes('CHEATS'))
  await screenshot(projector, 'projector-lies')
  await screenshot(other, 'phone-finding')
  await turn(projector, '[name=lie][value=drop]')
}

// mishaps: nothing is lost, and nothing comes twice.
async function mishaps(projector, phones, class_) {
  const home = new URL('/', class_.link).href
  const once = async text => {
    await columns(projector, text)
    assert.equal(await projector.evaluate(text => [...document.querySelectorAll('.c0 .text')].filter(p => p.textContent === text).length, text), 1, `${text} stands more than once`)
  }
  // A phone that comes back has kept all, without the link.
  const hana = phones[7]
  await hana.goto(home)
  await reads(hana, 'hello from ana')

  // Of two tabs of one phone one writes, and the other one says so and reads.
  const second = await hana.context().newPage()
  second.setDefaultTimeout(patience)
  await second.goto(home)
  await reads(second, 'hello from ana')
  const only = () => document.querySelector('#text').disabled && /another tab/.test(document.querySelector('#trouble').textContent)
  const reader = await Promise.any([hana, second].map(page => page.waitForFunction(only).then(() => page)))
  assert.equal(await (reader === hana ? second : hana).evaluate(only), false, 'both tabs only read')
  await second.close()
  await hana.waitForFunction(() => !document.querySelector('#text').disabled)

  // A phone without Wi-Fi keeps what it writes, and sends it later.
  await hana.context().setOffline(true)
  await write(hana, 'written without Wi-Fi')
  await hana.context().setOffline(false)
  await once('written without Wi-Fi')

  // A tab that is closed in the middle of a send.
  const ivan = phones[8]
  await ivan.fill('#text', 'closed at once')
  await Promise.all([ivan.waitForRequest(r => r.url().endsWith('/update')), ivan.press('#text', 'Enter')])
  const context = ivan.context()
  await ivan.close()
  const again = await context.newPage()
  again.setDefaultTimeout(patience)
  await again.goto(home)
  await reads(again, 'closed at once')
  await once('closed at once')
}

await run(async (browser, class_) => {
  const projector = await open(browser, class_.teacher, {viewport: {width: 1920, height: 1080}})
  assert.equal(await projector.evaluate(() => isSecureContext), false, 'the page runs in a secure context: that proves less')
  await projector.waitForSelector('#qr svg')
  assert.equal(await projector.evaluate(() => location.hash), '', 'the token stays in the address bar')
  await projector.waitForFunction(() => document.querySelector('#sum').textContent.length === 64)

  const seats = await open(browser, class_.seats)
  await seats.waitForFunction(() => document.querySelectorAll('.card svg').length === 3)
  await checkRules(seats, 'the cards')
  await seats.emulateMedia({media: 'print'})
  await screenshot(seats, 'seats-print')
  await seats.close()

  const first = await open(browser, class_.link, phone)
  await first.waitForSelector('#join:not([hidden])')
  assert.equal(await first.evaluate(() => location.hash), '', 'the key stays in the address bar')
  await checkRules(first, 'the form to join')
  await screenshot(first, 'phone-join')
  await first.fill('#nick', 'no/name')
  await first.click('#join button[type=submit]')
  await first.waitForSelector('#wrong:not([hidden])')
  await enter(first, 'ana')
  const names = ['bo', 'césar', 'Danuta vier', 'emil', 'fay', 'gül', 'hana', 'iván', 'zoë']
  const phones = [first, ...await Promise.all(names.map(name => join(browser, class_.link, name)))]
  const all = ['ana', ...names]
  for (const [i, page] of phones.entries()) await write(page, `hello from ${all[i]}`)
  for (const page of phones) for (const name of all) await reads(page, `hello from ${name}`)
  for (const name of all) await columns(projector, `hello from ${name}`)
  await screenshot(projector, 'projector')
  await screenshot(first, 'phone-talk')
  await checkRules(first, 'the talk')

  await first.click('[data-part=outside]')
  await columns(first, 'hello from bo')
  await first.locator('#columns .token').first().click()
  await first.waitForSelector('.anatomy .part.MAC')
  await checkRules(first, 'what others see')
  await screenshot(first, 'phone-outside')
  const injected = await first.evaluate(() => {
    const tried = {}
    for (const [how, what] of Object.entries({html: () => { document.body.innerHTML += '<b>x</b>' }, code: () => { document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran=1'})) }, worker: () => new Worker('/static/worker.js')})) {
      try { what(); tried[how] = 'ran' } catch { tried[how] = 'refused' }
    }
    return tried
  })
  assert.deepEqual(injected, {html: 'refused', code: 'refused', worker: 'refused'}, 'the page’s policy')
  // What the page complains of comes in order: all of it is there when this is.
  await Promise.all([first.waitForEvent('console', m => m.text() === 'that was all'), first.evaluate(() => console.log('that was all'))])
  problems.splice(0, problems.length, ...problems.filter(p => !/Trusted|Content Security Policy|unsafe-eval/.test(p)))
  await first.click('[data-part=about]')
  assert.equal((await first.textContent('#sum')).length, 64)
  await checkRules(first, 'what is promised')
  await projector.locator('#columns .token').first().click()
  await projector.waitForSelector('.anatomy .part.MAC')
  await checkRules(projector, 'the projector')
  await projector.emulateMedia({colorScheme: 'dark'})
  await checkRules(projector, 'the projector, dark')
  await screenshot(projector, 'projector-dark')
  await projector.emulateMedia({colorScheme: 'light'})
  const dark = phones.at(-1)
  await dark.emulateMedia({colorScheme: 'dark'})
  await checkRules(dark, 'the talk, dark')
  await screenshot(dark, 'phone-talk-dark')

  await verify(first, phones[1])
  await nothingRuns([projector, ...phones], phones[1])
  await switches(browser, projector, phones, class_)

  await mishaps(projector, phones, class_)
  await lies(projector, phones[0], phones[2])
})
