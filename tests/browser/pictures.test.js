// How large a picture is, read from its first bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pictureIn } from '../../assets/page/pictures.js';

const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)));
const be = (value, length) => Array.from({ length }, (_, n) => Math.floor(value / 256 ** (length - 1 - n)) % 256);
const le = (value, length) => be(value, length).reverse();

const png = (width, height) => bytes('\x89PNG\r\n\x1a\n', be(13, 4), 'IHDR', be(width, 4), be(height, 4), [8, 2, 0, 0, 0]);
const exif = [0xff, 0xe1, ...be(8, 2), 1, 2, 3, 4, 5, 6];
const jpeg = (width, height, frame = 0xc0) =>
  bytes([0xff, 0xd8], exif, [0xff, 0xff, 0xc4, ...be(4, 2), 0, 0], [0xff, frame, ...be(17, 2), 8], be(height, 2), be(width, 2), [3, 0, 0]);
const gif = (width, height, [left, top, w, h] = [0, 0, width, height]) => bytes('GIF89a', le(width, 2), le(height, 2), [0x80, 0, 0], [1, 2, 3, 4, 5, 6],
  [0x21, 0xf9, 4, 0, 0, 0, 0, 0], [0x2c], le(left, 2), le(top, 2), le(w, 2), le(h, 2), [0]);
const riff = (...chunk) => bytes('RIFF', le(100, 4), 'WEBP', ...chunk, new Array(30).fill(0));
const PICTURES = {
  'image/png': (w, h) => png(w, h),
  'image/jpeg': (w, h) => jpeg(w, h),
  'image/jpeg, progressive': (w, h) => jpeg(w, h, 0xc2),
  'image/gif': (w, h) => gif(w, h),
  'image/gif, its frame larger than its screen': (w, h) => gif(1, 1, [w - 10, h - 20, 10, 20]),
  'image/webp': (w, h) => riff('VP8 ', le(50, 4), [0, 0, 0, 0x9d, 0x01, 0x2a], le(w, 2), le(h, 2)),
  'image/webp, lossless': (w, h) => riff('VP8L', le(50, 4), [0x2f], le((w - 1) + (h - 1) * 2 ** 14, 4)),
  'image/webp, extended': (w, h) => riff('VP8X', le(10, 4), [0, 0, 0, 0], le(w - 1, 3), le(h - 1, 3)),
};

for (const [kind, make] of Object.entries(PICTURES)) {
  const [type] = kind.split(',');
  test(`${kind}: its size is read, and one that is large is not shown`, () => {
    assert.deepEqual(pictureIn(make(640, 480)), { type, width: 640, height: 480, isShown: true });
    assert.deepEqual(pictureIn(make(3840, 2160)), { type, width: 3840, height: 2160, isShown: true });
    assert.deepEqual(pictureIn(make(9000, 9001)), { type, width: 9000, height: 9001, isShown: false });
  });

  test(`${kind}: cut off anywhere, it is not shown unless its size is there`, () => {
    const whole = make(9000, 9001);
    for (let length = 0; length <= whole.length; length += 1) {
      const picture = pictureIn(whole.subarray(0, length));
      assert.equal(picture?.isShown ?? false, false, `${length} bytes: ${JSON.stringify(picture)}`);
    }
  });
}

test('a picture of 2.3 GB in 54 kB is not shown, nor one without a size, and text is no picture', () => {
  assert.equal(pictureIn(png(21_000, 21_000)).isShown, false);
  assert.equal(pictureIn(png(2 ** 32 - 1, 2 ** 32 - 1)).isShown, false);
  assert.equal(pictureIn(png(0, 10)).isShown, false);
  assert.equal(pictureIn(bytes('hello')), null);
  assert.equal(pictureIn(bytes()), null);
});
