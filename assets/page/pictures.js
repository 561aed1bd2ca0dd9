// Pictures that came as bytes: which kind, and how large, before a browser unpacks them. A picture of 50 kB may take 2 GB.

import { element } from './dom.js';

/** Unpacked, four bytes each: a screen of 3840 by 2160, and no more than 34 MB. */
const MOST_PIXELS = 2 ** 23;
const TALLEST_PX = 320;

const KINDS = [
  ['image/png', /^\x89PNG\r\n\x1a\n/, pngSize],
  ['image/jpeg', /^\xff\xd8\xff/, jpegSize],
  ['image/gif', /^GIF8[79]a/, gifSize],
  ['image/webp', /^RIFF....WEBP/s, webpSize],
];
const SIGNATURE_BYTES = 16;

/** What kind of picture it is, `{type, width, height, isShown}`, or null. */
export function pictureIn(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, SIGNATURE_BYTES));
  const [type, , sizeOf] = KINDS.find(([, signature]) => signature.test(start)) ?? [];
  if (!type) return null;
  const [width, height] = sizeOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) ?? [0, 0];
  return { type, width, height, isShown: width > 0 && height > 0 && width * height <= MOST_PIXELS };
}

/**
 * An element that takes its room before it is loaded, so that nothing moves. Its address may be given later. `failed()` if it
 * is no picture after all.
 */
export function pictureElement(address, { width, height }, alt, failed) {
  const image = element('img', 'picture');
  image.alt = alt;
  image.decoding = 'async';
  image.style.width = `${Math.max(1, Math.round(width * Math.min(1, TALLEST_PX / height)))}px`;
  image.style.aspectRatio = `${width} / ${height}`;
  // A photograph may say that it lies on its side.
  image.addEventListener('load', () => {
    const { naturalWidth, naturalHeight } = image;
    if (naturalWidth > 0) image.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
  });
  image.addEventListener('error', failed);
  if (address) image.src = address;
  return image;
}

/** Each reader gives `[width, height]`, or nothing where the bytes end too early. */
const within = (view, end) => end <= view.byteLength;

function pngSize(view) {
  return within(view, 24) ? [view.getUint32(16), view.getUint32(20)] : null;
}

/** The first frame header says it (ITU-T T.81, B.2.2). */
function jpegSize(view) {
  let at = 2;
  while (within(view, at + 9)) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** The screen, or the first frame, which browsers show whole where it is larger. */
function gifSize(view) {
  if (!within(view, 13)) return null;
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  const table = (flags) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  let at = 13 + table(view.getUint8(10));
  while (within(view, at + 9)) {
    const block = view.getUint8(at);
    if (block === 0x2c) {
      const [left, top] = [view.getUint16(at + 1, true), view.getUint16(at + 3, true)];
      return [Math.max(width, left + view.getUint16(at + 5, true)), Math.max(height, top + view.getUint16(at + 7, true))];
    }
    if (block !== 0x21) return null;
    at += 2;
    while (within(view, at + 1) && view.getUint8(at) > 0) at += 1 + view.getUint8(at);
    at += 1;
  }
  return null;
}

/** RFC 9649, sections 2.5 to 2.7. */
function webpSize(view) {
  if (!within(view, 30)) return null;
  const uint24 = (at) => view.getUint16(at, true) | view.getUint8(at + 2) << 16;
  switch (view.getUint32(12)) {
    case 0x56503820: return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff]; // 'VP8 '
    case 0x5650384c: { // 'VP8L'
      const bits = view.getUint32(21, true);
      return [(bits & 0x3fff) + 1, (bits >>> 14 & 0x3fff) + 1];
    }
    case 0x56503858: return [uint24(24) + 1, uint24(27) + 1]; // 'VP8X'
    default: return null;
  }
}
