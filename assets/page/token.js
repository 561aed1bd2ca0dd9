// The token of who is let in where one is wanted: kept for this tab's session, and never in the page's address.

const KEY = 'parlor.token';

let kept = stored();

/** The token there is, if there is one. */
export const token = () => kept;

/** Keeps a token until the tab is closed; where the browser keeps nothing, until the page is left. */
export function keepToken(written) {
  kept = written.replace(/\s/g, '');
  try {
    sessionStorage.setItem(KEY, kept);
  } catch { /* Storage is full or forbidden. */ }
}

export function forgetToken() {
  kept = undefined;
  try {
    sessionStorage.removeItem(KEY);
  } catch { /* Then it was not there either. */ }
}

/**
 * Takes the token that came with the page's address, `#token=` or `?token=`, and takes it out of the address, which is
 * shown, copied and bookmarked. Says whether there was one.
 */
export function takeFromAddress() {
  const address = new URL(location.href);
  const fragment = new URLSearchParams(address.hash.slice(1));
  const found = fragment.get('token') ?? address.searchParams.get('token');
  if (found === null) return false;
  fragment.delete('token');
  address.searchParams.delete('token');
  address.hash = fragment;
  history.replaceState(history.state, '', address);
  if (found) keepToken(found);
  return Boolean(found);
}

/** Whether one of a token's patterns means this room: `*` is any characters, `?` is one. */
export function allows(patterns, room) {
  return patterns.some((pattern) => {
    const expression = pattern.replace(/[\\^$.+()[\]{}|/]/g, '\\$&').replaceAll('*', '[^]*').replaceAll('?', '[^]');
    return new RegExp(`^${expression}$`, 'u').test(room);
  });
}

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
