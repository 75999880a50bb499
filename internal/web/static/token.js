// The token of the page's owner comes in the address, is taken out of it, and lives as long as the tab.

const name = `fernpost token ${location.pathname.startsWith('/class') ? 'class' : 'rooms'}`
if (location.hash.length > 1) {
  sessionStorage.setItem(name, location.hash.slice(1))
  history.replaceState(null, '', location.pathname)
}
export const token = sessionStorage.getItem(name) ?? ''
