// What is to be seen of the projector from the last row: the code until somebody has come, then six messages and the newest theft.
import {assert, checkRules, columns, join, open, patience, run, screenshot, turn, write} from './drive.mjs'

const sizes = [{width: 1280, height: 720}, {width: 1920, height: 1080}]

// inSight counts what stands whole within the screen, and within the list that it is scrolled in.
const inSight = (page, what) => page.evaluate(what => [...document.querySelectorAll(what)].filter(e => {
  const box = e.getBoundingClientRect(), list = e.closest('#columns, #thefts')?.getBoundingClientRect() ?? {top: 0, bottom: innerHeight}
  return box.height > 0 && box.top >= Math.max(list.top, 0) - 1 && box.bottom <= Math.min(list.bottom, innerHeight) + 1
}).length, what)

async function each(projector, name, look) {
  for (const size of sizes) {
    await projector.setViewportSize(size)
    for (const colorScheme of ['light', 'dark']) {
      await projector.emulateMedia({colorScheme})
      await look(`${size.height}, ${colorScheme}`)
      await screenshot(projector, `${name}-${size.height}-${colorScheme}`)
    }
  }
}

await run(async (browser, class_) => {
  const projector = await open(browser, class_.teacher, {viewport: sizes[0]})
  await projector.waitForSelector('#qr svg')
  await projector.waitForFunction(() => document.querySelector('#joined').textContent === 'Nobody has written yet.')
  await each(projector, 'projector-code', async at => {
    const code = await projector.locator('#qr svg').boundingBox()
    const {width, height} = projector.viewportSize()
    assert.ok(code.width > 0.72 * height && code.y >= 0 && code.y + code.height <= height && code.x + code.width <= width, `at ${at} the code is ${JSON.stringify(code)}`)
    await checkRules(projector, `the code at ${at}`)
  })

  const ana = await join(browser, class_.link, 'ana', {viewport: {width: 360, height: 640}})
  const bo = await join(browser, class_.link, 'bo', {viewport: {width: 360, height: 640}})
  for (let i = 0; i < 8; i++) await write(i % 2 ? bo : ana, `message ${i + 1} of a lesson`)
  for (let i = 0; i < 8; i++) await columns(projector, `message ${i + 1} of a lesson`)
  await projector.waitForFunction(() => /^2 people have written, this screen not counted: (ana, bo|bo, ana)$/.test(document.querySelector('#joined').textContent))
  const rows = '#columns .three:has(.c0.there):has(.c1.there):has(.c2.there)'
  await each(projector, 'projector-talk', async at => {
    await projector.waitForFunction(() => !document.body.classList.contains('inviting'))
    const last = () => inSight(projector, `${rows}:last-child`)
    let seen = 0
    for (const end = Date.now() + patience; Date.now() < end && (seen < 6 || await last() === 0); seen = await inSight(projector, rows)) {
      await projector.evaluate(() => new Promise(requestAnimationFrame))
    }
    assert.ok(seen >= 6 && await last() > 0, `at ${at} ${seen} messages are in sight`)
  })
  await screenshot(ana, 'phone-360')
  await ana.click('[data-part=outside]')
  await screenshot(ana, 'phone-360-outside')
  await ana.click('[data-part=talk]')

  await projector.click('#show-switches')
  await Promise.all([ana.waitForNavigation(), bo.waitForNavigation(), turn(projector, '[name=steals]')])
  for (const [page, text] of [[ana, 'first typed'], [bo, 'typed last of all']]) {
    await page.waitForSelector('#text:enabled')
    await page.type('#text', text)
    await projector.waitForFunction(text => document.querySelector('#thefts').textContent.includes(text), text)
  }
  await projector.click('#show-code')
  await each(projector, 'projector-thefts', async at => {
    const seen = await inSight(projector, rows)
    assert.ok(seen >= 6, `at ${at}, beside thefts, ${seen} messages are in sight`)
    assert.equal(await inSight(projector, '#thefts li'), 1, `at ${at} the newest theft`)
    assert.match(await projector.textContent('#thefts li'), /typed last of all/)
    await checkRules(projector, `the thefts at ${at}`)
  })
  await projector.click('#large')
  await projector.waitForFunction(() => document.querySelector('#qr').getBoundingClientRect().width > 0.7 * innerHeight)
})
