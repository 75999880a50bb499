// Thirty phones, each with the three columns open: how long until a message stands in all of them.
import {assert, join, open, reads, run, write} from './drive.mjs'

await run(async (browser, class_) => {
  const projector = await open(browser, class_.teacher, {viewport: {width: 1920, height: 1080}})
  await projector.waitForFunction(() => document.querySelector('#sum').textContent.length === 64)
  const phones = []
  for (let i = 1; i <= class_.phones; i++) {
    const page = await join(browser, class_.link, `seat${i}`)
    await page.click('[data-part=outside]')
    phones.push(page)
  }
  const pages = [projector, ...phones]
  const times = []
  for (let round = 0; round < 5; round++) {
    const text = `round ${round}`
    const seen = pages.map(page => page.evaluate(text => new Promise(done => {
      const look = () => {
        const there = [...document.querySelectorAll('#columns .three')].some(row => row.children[0].textContent.includes(text) && row.children[1].textContent && row.children[2].textContent)
        if (there) { watch.disconnect(); done(Date.now()) }
      }
      const watch = new MutationObserver(look)
      watch.observe(document.querySelector('#columns'), {childList: true, subtree: true})
      look()
    }), text))
    const begin = await phones[0].evaluate(text => {
      document.querySelector('#text').value = text
      const begin = Date.now()
      document.querySelector('#compose').requestSubmit()
      return begin
    }, text)
    const all = (await Promise.all(seen)).map(at => at - begin).sort((a, b) => a - b)
    times.push({median: all[all.length >> 1], last: all.at(-1)})
  }
  console.log(JSON.stringify({pages: pages.length, times}))
  for (const page of phones) await reads(page, 'round 4')
  // All write at once: nothing is lost, nothing comes twice.
  await Promise.all(phones.map((page, i) => write(page, `all at once ${i + 1}.`)))
  for (const page of [projector, phones[0], phones.at(-1)]) {
    const where = page === projector ? '#columns' : '#messages'
    for (let i = 1; i <= phones.length; i++) await reads(page, `all at once ${i}.`, where)
    const texts = await page.evaluate(where => [...document.querySelectorAll(`${where} .text`)].map(p => p.textContent).filter(t => t.startsWith('all at once')), where)
    assert.equal(texts.length, new Set(texts).size, 'something stands twice')
    assert.equal(texts.length, phones.length)
  }
})
