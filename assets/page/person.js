// Who one is here: one person in all tabs of a browser, who share the secret to be the same.

import { storage } from './storage.js';
import { token } from './token.js';

const KEY = 'person';

export const isGuest = (name) => /^guest-/i.test(name);

/** The name that was chosen, the secret of the welcome last seen, and this tab's token. */
export const credentials = () => ({ ...storage.get(KEY), token: token() });

/** Keeps the browser's tabs one person, unless each has a token that says who it is. */
export function shareAcrossTabs(parlor) {
  let resume = null;
  parlor.addEventListener('welcome', ({ detail }) => {
    if (detail.rights) return;
    resume = detail.resume;
    const { name: chosen } = credentials();
    const name = isGuest(detail.you.name) ? null : detail.you.name;
    // A guest who wanted a name that is taken is not who the other tabs are.
    if (chosen && !name) return;
    storage.set(KEY, { name: name ?? undefined, resume });
  });
  storage.watch(KEY, (stored) => {
    if (!stored?.resume || parlor.rights) return;
    const isOther = stored.resume !== resume || (stored.name && stored.name !== parlor.you?.name);
    if (isOther && parlor.state.phase === 'open') parlor.login({ resume: stored.resume }).catch(() => {});
  });
}
