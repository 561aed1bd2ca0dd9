// Says how the connection is: the mark in the header, and a banner while there is none.

import { text } from './text.js';

const status = document.getElementById('status');
const statusText = document.getElementById('status-text');
const banner = document.getElementById('banner');
const bannerText = document.getElementById('banner-text');

/** Why a connection ended or did not begin, in a sentence. */
export function explanation({ code, reason, opened }) {
  if (!opened && code === 1006) return text.unreachable;
  switch (code) {
    case 1000:
    case 1005:
    case 1006: return text.connectionLost;
    case 1001: return text.restarting;
    case 1008:
      if (reason === 'token expired') return text.tokenExpired;
      return /slow/.test(reason) ? text.tooSlow : text.policy(reason);
    case 'rate_limited': return text.tooManyBadTokens;
    case 1009: return text.tooLong;
    case 1013: return text.busy;
    // Not a close code, but what went wrong before the rooms could be entered.
    default: return typeof code === 'number' ? text.closed(code, reason) : text.failure(code);
  }
}

/** True when the server ended the connection for a reason that the reader should find in the conversation too. */
export const isRemarkable = ({ code }) => ![1000, 1001, 1005, 1006].includes(code);

/** Shows the state of a Connection, with `retry` behind the banner's button. */
export class StatusView {
  #loss = null;
  #ticking = 0;

  constructor(retry) {
    document.getElementById('retry').addEventListener('click', retry);
  }

  show(state) {
    clearInterval(this.#ticking);
    if (state.phase === 'open' || state.phase === 'refused') this.#loss = null;
    if (state.phase === 'waiting') {
      // A failed try says less than the loss it follows.
      this.#loss ??= explanation(state);
      this.#ticking = setInterval(() => this.#countDown(state.retryAt), 1000);
    }
    this.#showMark(this.#loss ? 'waiting' : state.phase);
    banner.hidden = !this.#loss;
    this.#countDown(state.retryAt ?? 0);
  }

  #showMark(phase) {
    const label = text[phase];
    status.dataset.phase = phase;
    status.title = label;
    if (statusText.textContent !== label) statusText.textContent = label;
  }

  #countDown(retryAt) {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    bannerText.textContent = `${this.#loss ?? ''} ${text.retryIn(seconds)}`;
  }
}
