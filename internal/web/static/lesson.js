// What the server of a page tells.

// ask fetches JSON, with the token if there is one.
export async function ask(path, {token, body, method} = {}) {
  const answer = await fetch(path, {
    method: method ?? (body ? 'POST' : 'GET'), cache: 'no-store', credentials: 'omit',
    headers: {...token ? {Authorization: `Bearer ${token}`} : {}, ...body ? {'Content-Type': 'application/json'} : {}},
    body: body ? JSON.stringify(body) : undefined,
  })
  const text = await answer.text()
  let value = null
  try { value = text ? JSON.parse(text) : null } catch { /* no JSON: the status says enough */ }
  if (!answer.ok) throw Object.assign(new Error(value?.detail ?? `the server answers ${answer.status}`), {status: answer.status})
  return value
}

const pause = ms => new Promise(done => setTimeout(done, ms))

// follow takes the objects of a stream that has one a line.
export const follow = (path, token, take, told, signal) => lines(path, token, line => line && take(JSON.parse(line)), told, signal)

// lines calls take for each line of a stream, and connects again when it ends; told hears why it could not.
export async function lines(path, token, take, told, signal) {
  for (let wait = 500; !signal?.aborted; wait = Math.min(2 * wait, 10000)) {
    try {
      const answer = await fetch(typeof path === 'function' ? path() : path, {cache: 'no-store', headers: {Authorization: `Bearer ${token}`}, signal})
      if (!answer.ok) throw Object.assign(new Error(`the server answers ${answer.status}`), {status: answer.status})
      told?.('')
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      for (let rest = ''; ;) {
        const {value, done} = await reader.read()
        if (done) break
        wait = 500
        const all = (rest + value).split('\n')
        rest = all.pop()
        for (const line of all) take(line)
      }
    } catch (error) {
      if (signal?.aborted) return
      told?.(error.status === 401 ? error.message : 'the server of this page does not answer; trying again')
      if (error.status === 401) return
    }
    await pause(wait)
  }
}
