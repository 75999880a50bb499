// Opens a report without a network, on a phone and on a laptop, light and dark: nothing is asked for, nothing runs, nothing asks, and
// WCAG 2.2 AA is kept.
import assert from 'node:assert/strict'
import {createRequire} from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.NODE_MODULES, 'x.js'))
const {chromium} = require('playwright-core')
const axe = require('axe-core')

const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ['--no-sandbox']})
try {
  for (const [width, colorScheme] of [[360, 'light'], [1280, 'dark']]) {
    // The policy of the page forbids every script, that of the check, too.
    const context = await browser.newContext({viewport: {width, height: 800}, colorScheme, offline: true, bypassCSP: true})
    const page = await context.newPage()
    const seen = []
    page.on('request', (r) => seen.push(r.url()))
    page.on('dialog', (d) => { seen.push('dialog ' + d.message()); d.dismiss() })
    page.on('pageerror', (e) => seen.push(String(e)))
    await page.goto('file://' + process.argv[2])
    await page.locator('summary').first().click()
    assert.ok(await page.locator('tbody tr').first().isVisible(), 'the numbers are not shown')
    assert.deepEqual(seen, ['file://' + process.argv[2]])
    assert.equal(await page.locator('script, iframe, img, link').count(), 0)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.equal(wide, 0, 'the page is wider than the screen')
    await page.evaluate(axe.source)
    const found = await page.evaluate(() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}))
    assert.deepEqual(found.violations.map((v) => v.id + ': ' + v.nodes[0].html), [])
    if (process.env.SCREENSHOTS) await page.screenshot({path: `${process.env.SCREENSHOTS}/report-${width}.png`, fullPage: true})
    await context.close()
  }
  // On a projector all is larger, and on paper the numbers behind the pictures are there without a click, black on white.
  const context = await browser.newContext({viewport: {width: 1920, height: 1080}, colorScheme: 'dark', offline: true})
  const page = await context.newPage()
  await page.goto('file://' + process.argv[2])
  const size = () => page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize))
  assert.equal(await size(), 24)
  assert.equal(await page.locator('tbody tr').first().isVisible(), false)
  if (process.env.SCREENSHOTS) await page.screenshot({path: `${process.env.SCREENSHOTS}/report-1920.png`})
  await page.emulateMedia({media: 'print'})
  await page.setViewportSize({width: 718, height: 1000})
  const shown = await page.evaluate(() => [...document.querySelectorAll('tbody tr')].filter((r) => r.checkVisibility({contentVisibilityAuto: true})).length)
  assert.equal(shown, await page.locator('tbody tr').count(), 'a table is not printed')
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).color), 'rgb(0, 0, 0)')
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.equal(over, 0, 'the page is wider than the paper')
  const paper = await page.pdf({format: 'A4'})
  const sheets = paper.toString('latin1').match(/\/Type\s*\/Page[^s]/g).length
  assert.ok(sheets > 1 && sheets <= 8, `${sheets} sheets`)
  if (process.env.SCREENSHOTS) await page.screenshot({path: `${process.env.SCREENSHOTS}/report-print.png`, fullPage: true})
} finally {
  await browser.close()
}
