// The ring of a chart's values, assets/board/series.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Series, Values } from '../../assets/board/series.js';

const contents = (series) => Array.from({ length: series.length }, (_, n) => [series.time(n), series.value(n)]);
const filled = (n) => {
  const series = new Series();
  for (let at = 0; at < n; at += 1) series.add(at, at * 2);
  return series;
};

test('it keeps what it is given, in order, up to its limit, and then the newest', () => {
  for (const n of [0, 1, 255, 256, 257, 8191, 8192]) {
    assert.deepEqual(contents(filled(n)), Array.from({ length: n }, (_, at) => [at, at * 2]));
  }
  const full = filled(20_000);
  assert.equal(full.length, 8192);
  assert.deepEqual([full.time(0), full.time(8191), full.last], [11_808, 19_999, 39_998]);
});

test('it finds how many are before a time, across the seam of the ring', () => {
  const series = filled(10_000);
  assert.deepEqual([0, 1808, 1809, 5000, 9999, 20_000].map((at) => series.before(at)), [0, 0, 1, 3192, 8191, 8192]);
  assert.equal(filled(0).before(5), 0);
});

test('what a key was lately is taken from its series, and what comes again is not taken twice', () => {
  const values = new Values();
  const message = (key, at, data) => ({ key, at, data });
  const series = [{ key: 'a', points: [[1, 10], [2, 20], [3, 30]] }, { key: 'b', points: [[1, 5]] }];
  values.begin(series, [message('a', 3, 30), message('old', 0, '7'), message('words', 3, 'none')]);
  for (const known of [message('a', 2, 20), message('a', 3, 30), message('b', 1, null)]) values.take(known, false);
  values.take(message('a', 3, 31), true);
  assert.deepEqual(contents(values.get('a')), [[1, 10], [2, 20], [3, 30], [3, 31]]);
  assert.deepEqual(contents(values.get('old')), [[0, 7]]);
  assert.deepEqual([...values.keys()], ['a', 'b', 'old']);
  values.take(message('b', 2, null), true);
  assert.equal(values.get('b'), undefined);
  values.begin([{ key: 'a', points: [[1, 10], [9, 90]] }], [message('a', 4, 40)]);
  assert.deepEqual(contents(values.get('a')), [[1, 10], [4, 40]]);
});

test('time does not go back', () => {
  const series = filled(3);
  series.add(1, 7);
  assert.deepEqual(contents(series).at(-1), [2, 7]);
});

test('a silence is a gap when it is three times as long as usual, and two seconds at the least', () => {
  const series = new Series();
  assert.equal(series.longestPause, 10_000);
  series.add(0, 1);
  assert.equal(series.longestPause, 10_000);
  for (let n = 1; n <= 20; n += 1) series.add(n * 50, n);
  assert.equal(series.longestPause, 2000);
  // One hole does not make the next one usual.
  series.add(60_000, 1);
  assert.equal(series.longestPause, 2000);
  for (let n = 1; n <= 20; n += 1) series.add(60_000 + n * 60_000, n);
  assert.equal(series.longestPause, 180_000);
});
