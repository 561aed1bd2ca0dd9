// What the charts are made of, without a browser: scales, groups, descriptions, files, and values that are thinned.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvOf } from '../../assets/board/csv.js';
import { Descriptions, passed } from '../../assets/board/describe.js';
import { Grouping } from '../../assets/board/grouping.js';
import { Past } from '../../assets/board/past.js';
import { axesOf } from '../../assets/board/scale.js';
import { Series, Values } from '../../assets/board/series.js';

const line = (least, greatest, unit = '', at = []) => ({ least, greatest, unit, thresholds: at.map((each) => ({ at: each })) });

test('lines of one unit share a scale, and others do while they are about as large', () => {
  const shared = (...lines) => axesOf(lines).map((axis) => axis.lines.map((each) => lines.indexOf(each)));
  assert.deepEqual(shared(line(70, 90, '°C'), line(1, 2, '°C'), line(3, 4, 'bar')), [[0, 1], [2]]);
  assert.deepEqual(shared(line(70, 90), line(60, 80), line(1400, 1500)), [[0, 1], [2]]);
  assert.deepEqual(shared(line(NaN, NaN), line(60, 80)), [[0, 1]]);
});

test('a threshold is part of the scale unless it is far off', () => {
  const scale = (...at) => axesOf([line(70, 80, '', at)])[0].scale;
  assert(scale(93).high >= 93);
  assert(scale(1000).high < 100);
  assert(scale(93, 1000, -500).high <= 100);
  assert.deepEqual([scale().low, scale().high], [70, 80]);
});

test('keys are in one group at most, and of one key there is none', () => {
  const grouping = new Grouping();
  grouping.put(['a.x', 'b.x']);
  grouping.put(['b.x', 'c.x']);
  assert.deepEqual(['a.x', 'b.x', 'c.x'].map((key) => grouping.chartOf(key)), ['a.x', 'b.x + c.x', 'b.x + c.x']);
  assert.deepEqual(new Grouping(grouping.kept).chartOf('c.x'), 'b.x + c.x');
  grouping.togglePrefix();
  assert.deepEqual(['a.x', 'b.x', 'plain', '.x'].map((key) => grouping.chartOf(key)), ['a.*', 'b.x + c.x', 'plain', '.x']);
  grouping.put(['b.x']);
  assert.deepEqual(grouping.kept, { groups: [], byPrefix: true });
  assert.equal(new Grouping({ groups: ['x', ['y']], byPrefix: 'yes' }).kept, undefined);
});

test('of two descriptions the one that names a key more exactly holds, field by field', () => {
  const descriptions = new Descriptions();
  const tell = (key, data) => descriptions.take({ key, data });
  assert.equal(tell('chart.boiler.temp', 5), false);
  assert.equal(tell('boiler.temp', { unit: 'x' }), false);
  assert.equal(tell('chart.*', { unit: '%', thresholds: [{ below: 5 }] }), true);
  tell('chart.boiler.*', { unit: '°C' });
  assert.deepEqual(descriptions.of('boiler.temp'), { unit: '°C', thresholds: [{ at: 5, isAbove: false, severity: 'warning' }] });
  tell('chart.boiler.temp', { thresholds: [{ above: 90, severity: 'critical' }] });
  const { unit, thresholds } = descriptions.of('boiler.temp');
  assert.equal(unit, '°C');
  assert.deepEqual([passed(thresholds, 91), passed(thresholds, 90), passed(thresholds, NaN)], ['critical', null, null]);
  assert.equal(tell('chart.boiler.temp', null), true);
  assert.equal(descriptions.of('boiler.temp').thresholds.length, 1);
});

test('a file has the values of a time, and no formulas', () => {
  const series = new Series();
  for (let n = 0; n < 5; n += 1) series.add(n * 1000, n / 10);
  const csv = csvOf(['a', '@b', 'c"d'], { series: () => series, unit: () => '', begin: 1000, end: 2000 });
  assert.equal(csv.split('\r\n')[1], '1970-01-01T00:00:01.000Z,a,0.1,');
  assert.equal(csv.split('\r\n')[3], "1970-01-01T00:00:01.000Z,'@b,0.1,");
  assert.equal(csv.split('\r\n')[5], '1970-01-01T00:00:01.000Z,"c""d",0.1,');
  assert.equal(csv.split('\r\n').length, 8);
});

test('a day of values is kept in what a chart needs of it, extremes included', () => {
  const values = new Values();
  values.windowMs = 86_400_000;
  const peaks = new Map([[100, 999], [40_000, -999], [86_000, 500]]);
  for (let second = 0; second < 86_400; second += 1) {
    values.take({ key: 'a', at: second * 1000, data: peaks.get(second) ?? Math.sin(second / 50) }, true);
  }
  const series = values.get('a');
  assert(series.length <= 8192 && series.length > 4000, `${series.length} values`);
  assert.equal(series.time(0), 0);
  assert.deepEqual([series.lastTime, series.last], [86_399_000, Math.sin(86_399 / 50)]);
  const all = Array.from({ length: series.length }, (_, n) => [series.time(n), series.value(n)]);
  for (const [second, value] of peaks) assert(all.some(([at, each]) => at === second * 1000 && each === value), `the peak at ${second} s`);
  // No hole is seen where values came, and one is where none did.
  const gaps = () => all.filter((_, n) => n > 0 && series.isAfterGap(n, series.longestPause)).length;
  assert.equal(gaps(), 0, 'gaps');
  series.add(90_000_000, 1);
  assert(series.isAfterGap(series.length - 1, series.longestPause));
});

test('the more keys there are, the fewer values are kept of each', () => {
  const values = new Values();
  values.windowMs = 60_000;
  for (let key = 0; key < 10_000; key += 1) values.take({ key: `key-${key}`, at: 0, data: 0 }, true);
  for (let n = 1; n <= 1000; n += 1) values.take({ key: 'key-0', at: n * 100, data: n }, true);
  assert(values.get('key-0').length <= 128, `${values.get('key-0').length} values`);
  assert.equal(values.get('key-0').last, 1000);
});

test('another window’s past takes the place of what was told before, and what came since stays', () => {
  const values = new Values();
  values.begin([{ key: 'a', points: [[100, 1], [200, 2]] }], [{ key: 'a', at: 200, data: 2, expect: 60 }]);
  values.take({ key: 'a', at: 300, data: 3 }, true);
  values.fill([{ key: 'a', points: [[50, 0], [250, 2.5]] }, { key: 'gone', points: [[1, 1]] }]);
  const series = values.get('a');
  assert.deepEqual(Array.from({ length: series.length }, (_, n) => series.value(n)), [0, 2.5, 3]);
  assert.equal(series.expect, 60);
  assert.equal(values.get('gone'), undefined);
  values.take({ key: 'a', at: 400, data: 4, expect: 0 }, true);
  assert.equal(values.get('a').expect, null);
});

test('the past of keys is asked for once, a few to an answer, and again after a failure', async () => {
  const asked = [];
  let fails = true;
  const past = new Past(async (keys) => {
    asked.push(keys);
    if (fails) throw new Error('no connection');
  });
  const inView = () => Array.from({ length: 10 }, (_, n) => `k${n}`);
  await past.fill(8, inView);
  assert.equal(asked.length, 0, 'they share one answer well');
  await past.fill(10, inView);
  assert.deepEqual(asked.map(({ length }) => length), [8, 2]);
  fails = false;
  await past.fill(10, inView);
  assert.equal(asked.length, 4);
  await past.fill(10, inView);
  assert.equal(asked.length, 4);
  past.begin();
  await past.fill(10, inView);
  assert.equal(asked.length, 6);
});
