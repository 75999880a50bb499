// What the browser tests share: a Chromium in which the class's host is no localhost, so that pages run in an insecure context, phones
// that join, and eyes that notice whatever must not happen.
import assert from 'node:assert/strict'
import {createRequire} from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.NODE_MODULES, 'x.js'))
const {chromium} = require('playwright-core')
const axe = require('axe-core')

export const patience = 120000

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP *.test 127.0.0.1'],
  })
}

// problems are what pages complained of; a test that ends with some has failed.
export const problems = []

export async function open(browser, url, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, ...options})
  const page = await context.newPage()
  page.setDefaultTimeout(patience)
  page.on('pageerror', error => problems.push(`${page.url()}: ${error.stack ?? error}`))
  page.on('dialog', dialog => { problems.push(`${page.url()}: a dialog says ${dialog.message()}`); dialog.dismiss() })
  page.on('console', message => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) problems.push(`${page.url()}: ${message.text()}`)
  })
  await page.goto(url)
  return page
}

export const phone = {viewport: {width: 390, height: 844}, isMobile: true, hasTouch: true}

// join opens an invitation, takes a name, and returns the phone's page once it is in the room.
export async function join(browser, link, name, options = {}) {
  const page = await open(browser, link, {...phone, ...options})
  await enter(page, name)
  return page
}

export async function enter(page, name) {
  await page.waitForSelector('#join:not([hidden])')
  if (name) await page.fill('#nick', name)
  await page.click('#join button[type=submit]')
  await page.waitForSelector('#talk:not([hidden])')
}

export async function write(page, text) {
  if (await page.isVisible('[data-part=talk]')) await page.click('[data-part=talk]') // a projector has no parts, and a click would wait for one
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
  await page.waitForFunction(() => document.querySelector('#text').value === '')
}

// until waits for what takes a page time to find out, also while that loads another one: waitForFunction takes any promise for true.
export async function until(page, is) {
  for (;;) {
    try {
      if (await page.evaluate(is)) return
      await page.evaluate(() => new Promise(requestAnimationFrame))
    } catch (e) {
      if (!e.message.includes('Execution context was destroyed')) throw e
      await page.waitForLoadState()
    }
  }
}

// turn turns a switch of the projector's page.
export const turn = (projector, control) => Promise.all([
  projector.waitForResponse(r => r.url().endsWith('/class/switches') && r.ok()), projector.click(control),
])

// reads waits until a text stands in a page's list.
export const reads = (page, text, where = '#messages') => page.waitForFunction(
  ([where, text]) => [...document.querySelectorAll(`${where} .text`)].some(p => p.textContent.includes(text)), [where, text])

// columns waits until a message stands in all three columns of a page.
export const columns = (page, text) => page.waitForFunction(text => [...document.querySelectorAll('#columns .three')].some(row =>
  row.children[0].textContent.includes(text) && row.children[1].textContent && row.children[2].textContent), text)

// checkRules has axe look for what WCAG 2.2 AA forbids.
export async function checkRules(page, where) {
  await page.evaluate(axe.source)
  const found = await page.evaluate(() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}))
  const told = found.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => `${n.target} ${n.failureSummary}`).slice(0, 4).join(' | ')}`)
  assert.deepEqual(told, [], `${where} breaks rules`)
}

export async function screenshot(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({path: path.join(process.env.SCREENSHOTS, `${name}.png`)})
}

// run is a test: it ends the browser whatever happens, and fails if a page complained.
export async function run(test) {
  const browser = await launch()
  try {
    await test(browser, JSON.parse(process.argv[2]))
    assert.deepEqual(problems, [], 'pages complained')
  } catch (error) {
    console.error(error.stack ?? error)
    if (problems.length) console.error('pages complained:', problems)
    if (process.env.SCREENSHOTS) {
      let n = 0
      for (const context of browser.contexts()) for (const page of context.pages()) await page.screenshot({path: path.join(process.env.SCREENSHOTS, `failed-${n++}.png`)}).catch(() => {})
    }
    process.exitCode = 1
  } finally {
    await browser.close()
  }
}

export {assert}
