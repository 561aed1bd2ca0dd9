// How numbers read, in the forms of several places, assets/page/locale.js: each in a process of its own, which has one form.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const module = (name) => JSON.stringify(fileURLToPath(new URL(`../../assets/${name}.js`, import.meta.url)));
const evaluated = (languages, expression) => JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', `
  Object.defineProperty(globalThis, 'navigator', { value: { languages: ${JSON.stringify(languages)} } });
  const { reading, readings, sizes, formatDay } = await import(${module('page/locale')});
  const { scaleOf } = await import(${module('board/scale')});
  const axis = (least, greatest) => { const { ticks, step } = scaleOf(least, greatest); return readings(ticks, step); };
  console.log(JSON.stringify(${expression}));
`], { encoding: 'utf8' }));

const VALUES = '[0, 0.0004, 0.0014, 0.00012345, -0.0004, 42, 81.2, 90.25, 99.999, 1234.5, 1100000, 0.00001, 12345678].map(reading)';

test('a value reads with the digits that tell something', () => {
  assert.deepEqual(evaluated(['en-GB'], VALUES), ['0', '0.0004', '0.0014', '0.0001235', '-0.0004', '42', '81.2', '90.25', '100.0',
    '1,235', '1,100,000', '1E-5', '1.235E7']);
  assert.deepEqual(evaluated(['de'], VALUES), ['0', '0,0004', '0,0014', '0,0001235', '-0,0004', '42', '81,2', '90,25', '100,0',
    '1.235', '1.100.000', '1E-5', '1,235E7']);
});

test('the values along an axis differ from each other, each whole', () => {
  for (const languages of [['en'], ['de'], ['fr'], ['hi'], ['zh-CN'], ['ar']]) {
    const axes = evaluated(languages, `[[1.0005, 1.001], [1e6, 1.3e6], [0.0004, 0.0014], [1e-7, 3e-7], [1e9, 1e9 + 3], [1e12, 1e12 + 8],
      [-5, 5], [1e300, 2e300], [5e-324, 1e-323], [-1e308, 1e308], [12345678, 12345679]].map(([a, b]) => axis(a, b))`);
    for (const axis of axes) assert.equal(new Set(axis).size, axis.length, `${languages}: ${axis}`);
  }
  assert.deepEqual(evaluated(['en'], 'axis(1e6, 1.3e6)'), ['1,000,000', '1,100,000', '1,200,000', '1,300,000']);
  assert.deepEqual(evaluated(['en'], 'axis(0.0004, 0.0014)'), ['0', '0.0005', '0.0010', '0.0015']);
});

test('two sizes beside each other differ', () => {
  assert.deepEqual(evaluated(['en-GB'], 'sizes(65200, 65136)'), ['65,200 bytes', '65,136 bytes']);
  assert.deepEqual(evaluated(['en-GB'], 'sizes(2503, 1876)'), ['2.5 kB', '1.9 kB']);
});

test('a date is written as where the reader lives', () => {
  assert.deepEqual([['de', 'en-US'], ['en-US', 'de'], ['fr-CA'], ['pt-BR'], ['en-GB']].map((all) => evaluated(all, 'formatDay(new Date(2026, 10, 27))')),
    ['Friday, 27 November', 'Friday, November 27', 'Friday, November 27', 'Friday, 27 November', 'Friday 27 November']);
});
