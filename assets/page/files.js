// Files that people send: how they are shown, and how they are sent and fetched.

import { element, icon } from './dom.js';
import { size } from './locale.js';
import { pictureElement } from './pictures.js';
import { text } from './text.js';
import { token } from './token.js';

/** Photographs are as large as this; unpacked, four bytes each. Only those that come into view are. */
const MOST_PIXELS = 2 ** 26;
const PICTURE = /^image\/(png|jpeg|gif|webp)$/;
const PLAYED = /^(audio|video)\//;
const SHEET = 'M6 2.5h5.500L15.500 6.500v10a1 1 0 0 1-1 1h-8.500a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1zM11.500 2.500v4h4';
const PLAY = 'M6 4l10 6-10 6z';

/** The file that a message tells of, or null. Anybody may have written it: it is one of this server's, or none. */
export function fileIn(data) {
  const file = data?.file;
  const isFile = typeof file?.name === 'string' && typeof file.type === 'string' && Number.isSafeInteger(file.bytes)
    && file.bytes >= 0 && typeof file.href === 'string' && /^\/files\/[0-9a-f]{32}\/[^/?#]+$/.test(file.href);
  return isFile ? file : null;
}

/** A picture, small and as high as it will be, or a card with the file's name and length. */
export function fileElement(file) {
  const { name, type, bytes, width, height } = file;
  const isShown = PICTURE.test(type) && width > 0 && height > 0 && width * height <= MOST_PIXELS;
  const link = element('a', isShown ? 'file-picture' : 'file-card');
  link.href = addressOf(file);
  link.target = '_blank';
  link.rel = 'noopener';
  link.title = `${name} (${size(bytes)})`;
  if (isShown) {
    const failed = () => link.replaceWith(cardOf(file));
    const image = pictureElement(null, { width, height }, text.pictureNamed(name), failed);
    image.loading = 'lazy';
    showWhenAllowed(image, file, failed);
    link.append(image);
  } else {
    link.append(...cardParts(file));
  }
  if (token()) link.addEventListener('click', (event) => fetchInstead(event, link, file));
  return link;
}

function cardOf(file) {
  const card = element('span', 'file-card');
  card.append(...cardParts(file));
  return card;
}

/** What stands in a card, also of a file that is on its way. */
export function cardParts({ name, type, bytes }) {
  const shown = element('span', 'file-name', name);
  shown.dir = 'auto';
  return [
    element('span', 'file-icon', icon(PLAYED.test(type) ? PLAY : SHEET)),
    element('span', 'file-words', shown, element('span', 'file-size', size(bytes))),
  ];
}

/** The page may lie in a folder of its server. */
const addressOf = ({ href }) => new URL(href.slice(1), new URL('.', location.href)).href;

/** A browser sends no token with what a page shows: where one is asked for, the page fetches it. */
function showWhenAllowed(image, file, failed) {
  if (!token()) {
    image.src = addressOf(file);
    return;
  }
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    fetched(file).then((address) => { image.src = address; }, failed);
  }, { rootMargin: '400px' });
  image.dataset.fetched = '';
  seen.observe(image);
}

async function fetched(file) {
  const response = await fetch(addressOf(file), { headers: { Authorization: `Bearer ${token()}` } });
  if (!response.ok) throw new Error(`${response.status}`);
  return URL.createObjectURL(await response.blob());
}

/** Saves a file that a browser would not get by itself. The token stands in no address, where others might read it. */
async function fetchInstead(event, link, file) {
  event.preventDefault();
  link.setAttribute('aria-busy', 'true');
  try {
    const save = element('a', '');
    save.href = await fetched(file);
    save.download = file.name;
    save.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(save.href), 60_000);
  } catch {
    link.title = text.fileGone;
  }
  link.removeAttribute('aria-busy');
}

/** Frees what a file's element holds outside of it. */
export function releaseFile(node) {
  const image = node.querySelector('img[data-fetched]');
  if (image?.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
}

/**
 * Sends a file to a room, as the person whose secret is `resume`. `progress(fraction)` hears how much has gone; `signal`
 * ends it. Promises nothing, and rejects with `{code}`: the status of the answer, 0 without one.
 */
export function sendFile(file, room, { resume, progress, signal }) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    const address = new URL(`rooms/${encodeURIComponent(room)}/files/${encodeURIComponent(file.name)}`, new URL('.', location.href));
    request.open('PUT', address);
    if (token()) request.setRequestHeader('Authorization', `Bearer ${token()}`);
    else if (resume) request.setRequestHeader('Parlor-Resume', resume);
    // What a file is, the server sees for itself.
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.addEventListener('progress', ({ loaded, total }) => progress(total > 0 ? loaded / total : 1));
    request.addEventListener('load', () => (request.status === 201 ? done() : fail({ code: `${request.status}` })));
    request.addEventListener('error', () => fail({ code: '0' }));
    request.addEventListener('abort', () => fail({ code: 'cancelled' }));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
