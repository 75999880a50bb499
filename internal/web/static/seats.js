import {$, el, svgPath, tell} from './dom.js'
import {ask} from './lesson.js'
import {token} from './token.js'

// Cards for the seats of a class, to be printed.

const card = (n, state) => el('li', {class: 'card'},
  el('div', {class: 'code'}, svgPath(state.code.across, state.code.path, 'QR code of the invitation')),
  el('div', {}, el('h2', {}, `Seat ${n}`), el('ol', {}, el('li', {}, 'Join the Wi-Fi of this room.'), el('li', {}, 'Scan the code.'), el('li', {}, 'Choose a name, and write.')),
    el('p', {class: 'link'}, el('code', {}, state.link))))

async function start() {
  try {
    const state = await ask('/class/state', {token})
    $('#cards').replaceChildren(...Array.from({length: state.seats}, (_, i) => card(i + 1, state)))
  } catch (error) { tell($('#wrong'), error.message) }
}

$('#print').addEventListener('click', () => print())
start()
