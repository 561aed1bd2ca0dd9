// Draws the icons of the installed page, assets/install/*.png, from its drawings: `npm run icons`.

import { readFileSync, writeFileSync } from 'node:fs';
import { launch } from './support.js';

const assets = new URL('../../assets/', import.meta.url);
const DRAWINGS = { icon: 'page/favicon.svg', maskable: 'install/maskable.svg' };

const browser = await launch();
try {
  const page = await browser.newPage();
  for (const [name, drawing] of Object.entries(DRAWINGS)) {
    const svg = readFileSync(new URL(drawing, assets), 'utf8');
    for (const size of [192, 512]) {
      const base64 = await page.evaluate(draw, [svg, size]);
      writeFileSync(new URL(`install/${name}-${size}.png`, assets), Buffer.from(base64, 'base64'));
    }
  }
} finally {
  await browser.close();
}

/** In a browser: a drawing as a PNG of this width and height. */
async function draw([svg, size]) {
  const image = new Image(size, size);
  image.src = `data:image/svg+xml,${encodeURIComponent(svg.replace('<svg ', `<svg width="${size}" height="${size}" `))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [size, size];
  canvas.getContext('2d').drawImage(image, 0, 0, size, size);
  return canvas.toDataURL('image/png').split(',')[1];
}
