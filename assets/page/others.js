// By which addresses others open this page, where its own leads everyone to their own computer.

/** True where the page was opened by a name that every computer has for itself. */
export const isOnlyHere = /(^|\.)localhost$|^127\.|^\[::1\]$/.test(location.hostname);

/** The server's addresses for others; none where it listens to this computer alone. Undefined until it was asked, null if it does not say. */
let addresses;

const asked = isOnlyHere ? ask() : Promise.resolve();

/** Asks the server, which tells nobody else. */
async function ask() {
  try {
    const response = await fetch('addresses');
    const told = (await response.json()).addresses;
    addresses = told.map((address) => new URL('/', address).href);
  } catch {
    // A proxy may stand before the server.
    addresses = null;
  }
}

/** Calls back once it is known by which addresses others come, or that it is not. */
export const onAddresses = (known) => asked.then(known);

export const addressesForOthers = () => addresses;

/** A page's or a socket's address as others reach it, as far as that is known. */
export function forOthers(address) {
  const [best] = addresses ?? [];
  if (!best) return address;
  const moved = new URL(address);
  moved.host = new URL(best).host;
  return moved.href;
}
