// What a board shows that has no values yet.

import { button, element } from '../page/dom.js';
import { forOthers, onAddresses } from '../page/others.js';
import { readable } from '../page/room.js';
import { text } from '../page/text.js';
import { setUpCopying } from '../page/welcome.js';

/** How to send a value here, for whoever is to do it: also from another machine. */
export function emptyBoard(room, announce) {
  const command = () => {
    const address = new URL(`rooms/${encodeURIComponent(room)}?key=boiler.temp&retain=1`, new URL('.', location.href));
    return `curl -d 81.2 '${forOthers(address.href)}'`;
  };
  const shown = element('code', 'share-value', readable(command()));
  const copy = button('text-button', text.copy, () => {});
  setUpCopying(copy, command, announce);
  onAddresses(() => { shown.textContent = readable(command()); });
  return element('div', 'no-charts', element('p', 'no-charts-title', text.noCharts), element('p', 'muted', text.noChartsBody),
    element('p', 'no-charts-command', shown, copy));
}
