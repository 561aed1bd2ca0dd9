// Makes the page one that can be installed: its service worker keeps its files for when the server cannot be reached, and
// shows what is pushed.

/**
 * Only pages that came by https:, or from this computer, may have one; a chart in another page needs none. The worker asks
 * for `open(address)`, where somebody clicked a notification; `isLookedAt({room, by})`, before it shows one; and `renew()`,
 * when the browser has another subscription.
 */
export function setUpWorker({ open, isLookedAt, renew }) {
  if (!('serviceWorker' in navigator) || window !== window.top) return;
  // First of all the page is there.
  addEventListener('load', () => {
    navigator.serviceWorker.register('sw.js', { updateViaCache: 'none' }).catch(() => { /* It works without. */ });
  });
  navigator.serviceWorker.addEventListener('message', ({ data, ports: [port] }) => {
    if (data.type === 'open') open(data.address);
    else if (data.type === 'renew') renew();
    else port?.postMessage(isLookedAt(data));
  });
}
