// Opens replays without a network, on a phone, a laptop and a projector: the page plays, steps and moves; nothing is asked for, nothing of
// the feed runs, nothing asks, and WCAG 2.2 AA is kept.
import assert from 'node:assert/strict'
import {createRequire} from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.NODE_MODULES, 'x.js'))
const {chromium} = require('playwright-core')
const axe = require('axe-core')
const dir = process.argv[2]

const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ['--no-sandbox']})

// open opens a page under its own policy, and returns what it has asked for.
async function open(name, options) {
  const context = await browser.newContext({offline: true, ...options})
  const page = await context.newPage()
  const seen = []
  page.on('request', (r) => seen.push(r.url()))
  page.on('dialog', (d) => { seen.push('dialog ' + d.message()); d.dismiss() })
  page.on('pageerror', (e) => seen.push(String(e)))
  page.on('console', (m) => seen.push(m.text()))
  await page.goto(`file://${dir}/${name}.html`)
  return {context, page, seen}
}

try {
  for (const [name, width, height, colorScheme] of [['keyed', 360, 800, 'light'], ['open', 1280, 800, 'dark'], ['keyed', 1920, 1080, 'light'], ['one', 360, 800, 'dark']]) {
    const {context, page, seen} = await open(name, {viewport: {width, height}, colorScheme})
    const rows = page.locator('#rows > li')
    const all = await rows.count()
    const shown = () => page.locator('#rows > li:visible').count()
    assert.equal(await shown(), 0, 'a replay begins before its first entry')
    await page.locator('#step').click()
    assert.equal(await shown(), 1)
    await page.locator('#bar').focus()
    await page.keyboard.press('End')
    assert.equal(await shown(), all)
    await page.keyboard.press('Home')
    assert.equal(await shown(), 0)
    await page.locator('#speed').selectOption('3600')
    await page.locator('#play').click()
    await page.waitForFunction((n) => document.querySelectorAll('#rows > li:not([hidden])').length === n, all)
    await page.waitForFunction(() => document.getElementById('play').textContent === 'Play')
    assert.match(await page.locator('#now').textContent(), new RegExp(`^${all} of ${all}: Entry ${all}, 2026-`))
    assert.match(await rows.first().locator('.seen').textContent(), /<script>alert\(1\)<\/script>/)
    assert.equal(await rows.first().locator('.said').count(), name === 'open' ? 0 : 1)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.equal(wide, 0, 'the page is wider than the screen')
    assert.deepEqual(seen, [`file://${dir}/${name}.html`])
    if (process.env.SCREENSHOTS) await page.screenshot({path: `${process.env.SCREENSHOTS}/replay-${name}-${width}.png`})
    await context.close()
  }
  for (const [name, width] of [['keyed', 360], ['open', 1280], ['none', 360]]) {
    // The policy of the page forbids every other script, that of the check, too.
    const {context, page} = await open(name, {viewport: {width, height: 800}, bypassCSP: true})
    if (name !== 'none') await page.locator('#step').click()
    await page.evaluate(axe.source)
    const found = await page.evaluate(() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}))
    assert.deepEqual(found.violations.map((v) => v.id + ': ' + v.nodes[0].html), [])
    await context.close()
  }
  const {context, page, seen} = await open('keyed', {javaScriptEnabled: false, viewport: {width: 1280, height: 800}})
  assert.equal(await page.locator('#rows > li:visible').count(), await page.locator('#rows > li').count(), 'without scripts all entries are shown')
  assert.equal(await page.locator('#controls').isVisible(), false)
  assert.equal(seen.length, 1)
  await context.close()
  if (process.env.SCREENSHOTS) {
    const {page} = await open('keyed', {})
    await page.pdf({path: `${process.env.SCREENSHOTS}/replay.pdf`, format: 'A4'})
  }
} finally {
  await browser.close()
}
