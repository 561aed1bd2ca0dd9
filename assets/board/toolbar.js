// The head of the charts: how much of the past they show, and what can be done with all of them.

import { WINDOWS } from './window.js';
import { button, element } from '../page/dom.js';
import { text } from '../page/text.js';

export class Toolbar {
  root = element('div', 'board-head charts-head');
  #windows = new Map();

  /** `setWindow(name)`, `togglePause()` and `toggleGroups()` give whether it is on, `save()`, and the element for a wall. */
  constructor({ setWindow, togglePause, toggleGroups, isGrouped, isAlone, save, wall }) {
    const choice = element('div', 'windows');
    choice.setAttribute('role', 'group');
    choice.setAttribute('aria-label', text.window);
    for (const name of WINDOWS.keys()) {
      const node = button('view-button', text.windows[name], () => setWindow(name));
      this.#windows.set(name, node);
      choice.append(node);
    }
    const grouping = switchButton(text.groupByPrefix, isGrouped, toggleGroups, text.groupByPrefixTip);
    const deeds = element('div', 'board-deeds', ...isAlone ? [] : [grouping], switchButton(text.pause, false, togglePause), tipped(button('text-button', text.csv, save), text.saveCsv));
    if (document.fullscreenEnabled) deeds.append(button('text-button', text.fullScreen, () => toggleFullScreen(wall)));
    this.root.append(element('h2', '', text.charts), choice, deeds);
  }

  showWindow(current) {
    for (const [name, node] of this.#windows) node.setAttribute('aria-pressed', name === current);
  }
}

function switchButton(label, isOn, toggle, tip = label) {
  const node = tipped(button('text-button', label, () => node.setAttribute('aria-pressed', toggle())), tip);
  node.setAttribute('aria-pressed', isOn);
  return node;
}

function tipped(node, tip) {
  node.title = tip;
  return node;
}

/** A browser may refuse it. */
function toggleFullScreen(node) {
  (document.fullscreenElement ? document.exitFullscreen() : node.requestFullscreen()).catch(() => {});
}
