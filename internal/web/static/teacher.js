// The teacher's token comes in the address, is taken out of it, and lives as long as the tab.

const name = 'fernpost class'
if (location.hash.length > 1) {
  sessionStorage.setItem(name, location.hash.slice(1))
  history.replaceState(null, '', location.pathname)
}
export const token = sessionStorage.getItem(name) ?? ''
