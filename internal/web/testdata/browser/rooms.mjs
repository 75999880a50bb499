// One's own rooms: read, write, verify, and what others see beside it; nothing that somebody else wrote runs.
import {assert, checkRules, open, run, screenshot} from './drive.mjs'

await run(async (browser, about) => {
  const page = await open(browser, about.url)
  const row = text => page.locator('#columns .three', {hasText: text})
  await row('hello from bo').locator('.c2 .token').first().waitFor()
  assert.equal(await page.evaluate(() => location.hash), '', 'the token stays in the address bar')
  await row('hello from bo').locator('.c2 .token').first().click()
  await page.waitForSelector('.anatomy .part.MAC')
  for (const kind of ['version', 'clock', 'IV', 'ciphertext', 'MAC']) {
    await page.locator(`.anatomy .part.${kind}`).first().click()
    assert.match(await page.textContent('.anatomy [role=status]'), /: .* gives? away /, `what the ${kind} is`)
  }
  await checkRules(page, 'the room')
  const text = '<img src=x onerror="window.ran=1"> written in the browser'
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
  await row('written in the browser').locator('.c2 .token').first().waitFor()
  assert.equal(await page.evaluate(() => window.ran), undefined, 'a text ran')
  await page.setInputFiles('#file', {name: '<b>note</b>.txt', mimeType: 'text/plain', buffer: Buffer.from('what stands in it')})
  const file = row('<b>note</b>.txt').locator('.c0 button')
  await file.waitFor()
  await row('<b>note</b>.txt').locator('.c2 .token').first().waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), file.click()])
  assert.doesNotMatch(download.suggestedFilename(), /[<>/]/)
  await screenshot(page, 'rooms')
  await page.click('#show-people')
  await page.locator('#others li', {hasText: 'bo'}).locator('button').click()
  await page.waitForSelector('#others .mark.verified')
  await page.waitForSelector('#columns .mark.verified')
  await checkRules(page, 'the people')
  await screenshot(page, 'rooms-people')
  await page.click('#show-about')
  await checkRules(page, 'what it is')
  // Whoever opens a room again and again follows it once.
  let streams = 0
  page.on('request', r => { if (r.url().includes('/events?')) streams++ })
  await Promise.all([page.waitForRequest(r => r.url().includes('/events?')), page.evaluate(() => { for (let i = 0; i < 3; i++) document.querySelector('#rooms button').click() })])
  await row('hello from ana').first().waitFor()
  assert.equal(streams, 1, 'streams for three times open')
  await page.reload()
  await row('hello from ana').first().waitFor()

  const phone = await open(browser, about.url, {viewport: {width: 390, height: 844}, colorScheme: 'dark'})
  await phone.locator('#columns .three', {hasText: 'hello from bo'}).locator('.c2 .token').first().waitFor()
  await checkRules(phone, 'the room on a narrow screen, dark')
  await screenshot(phone, 'rooms-phone-dark')
  const stranger = await open(browser, about.url.replace(/#.*/, ''))
  await stranger.waitForSelector('#wrong:not([hidden])')
})
