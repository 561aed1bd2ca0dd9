// What the browser keeps for this page. Where it keeps nothing, the page works without.

const PREFIX = 'parlor.';

export const storage = {
  get(key, otherwise = null) {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },

  set(key, value) {
    try {
      if (value === null) localStorage.removeItem(PREFIX + key);
      else localStorage.setItem(PREFIX + key, JSON.stringify(value));
    } catch { /* Storage is full or forbidden. */ }
  },

  /** Calls back when another tab changed a value. */
  watch(key, changed) {
    addEventListener('storage', (event) => {
      if (event.key === PREFIX + key) changed(storage.get(key));
    });
  },
};
