// Draws the lines of a chart, its axes and its thresholds on a canvas.

import { reading, readings } from '../page/locale.js';
import { axesOf } from './scale.js';
import { timesBetween } from './window.js';

const LABEL_HEIGHT = 18;
/** Lower than this, it is a line without times below it. */
const LEAST_HEIGHT_WITH_TIMES = 60;
export const LEAST_LABEL_WIDTH = 46;
const LEAST_LABEL_HEIGHT = 13;
const PADDING = 6;

/**
 * The picture that a canvas of this size gives of lines `{series, first, end, least, greatest, unit, thresholds, colour}`
 * between two times. `widths` are those of the labels at the last picture.
 */
export function layOut(context, { width, height, begin, now, lines, font, widths }) {
  context.font = font;
  const axes = axesOf(lines.map((line) => (line.end > line.first ? line : { ...line, ...alone(line) })));
  const [one, other] = axes.map((axis) => labelsOf(context, axis, width));
  // A third scale would have no side: who wants its numbers, reads them under the pointer.
  const right = width - (widths.right = axes.length > 2 ? PADDING : steady(widths.right, one.width));
  const left = axes.length === 2 ? (widths.left = steady(widths.left, other.width)) : 0;
  const bottom = height - (height < LEAST_HEIGHT_WITH_TIMES ? 0 : LABEL_HEIGHT);
  const x = (at) => left + (at - begin) / (now - begin) * (right - left);
  for (const axis of axes) {
    const { low, high } = axis.scale;
    axis.y = (value) => PADDING + (high - value) / (high - low) * (bottom - 2 * PADDING);
  }
  const axisOf = (line) => axes.find((axis) => axis.lines.some(({ series }) => series === line.series));
  const sides = axes.length > 2 ? [] : [{ ...one, axis: axes[0], at: right + PADDING, align: 'left' },
    ...other ? [{ ...other, axis: axes[1], at: left - PADDING, align: 'right' }] : []];
  return {
    width, height, begin, now, left, right, bottom, x, lines, axes, sides,
    at: (across) => begin + (across - left) / (right - left) * (now - begin),
    y: (line, value) => axisOf(line).y(value),
  };
}

/** What was last is of use when nothing came in this time. */
function alone({ series, end }) {
  const last = end > 0 ? series.value(end - 1) : NaN;
  return { least: last, greatest: last };
}

function labelsOf(context, { scale: { ticks, step }, unit }, width) {
  const words = readings(ticks, step);
  if (unit && words.length > 0) words[words.length - 1] += ` ${unit}`;
  const wanted = Math.max(LEAST_LABEL_WIDTH, ...words.map((each) => Math.ceil(context.measureText(each).width) + 12));
  return { ticks, words, width: Math.min(wanted, Math.max(LEAST_LABEL_WIDTH, width / 2)) };
}

/** The room that labels take grows at once, and only shrinks by much. */
const steady = (before, wanted) => (wanted > before || wanted < before - 20 ? wanted : before);

export function drawPlot(context, view, colours) {
  drawAxes(context, view, colours);
  for (const line of view.lines) {
    for (const stretch of stretches(line, view.now)) drawLine(context, view, line, stretch);
  }
  for (const axis of view.axes) drawThresholds(context, view, axis, colours);
}

function drawAxes(context, view, colours) {
  const { left, right, bottom, height, x } = view;
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const { axis, ticks, words, at, align } of view.sides) {
    context.fillStyle = view.axes.length > 1 && axis.lines.length === 1 ? axis.lines[0].colour : colours.label;
    context.textAlign = align;
    context.textBaseline = 'middle';
    const apart = (bottom - 2 * PADDING) / (ticks.length - 1);
    const every = Math.ceil(LEAST_LABEL_HEIGHT / apart);
    for (const [n, value] of ticks.entries()) {
      const down = Math.round(axis.y(value)) + 0.5;
      if (axis === view.axes[0]) { context.moveTo(left, down); context.lineTo(right, down); }
      // The one with the unit is written, whichever others are.
      if ((ticks.length - 1 - n) % every === 0) context.fillText(words[n], at, Math.max(down, 7), (align === 'left' ? view.width - right : left) - 8);
    }
  }
  context.fillStyle = colours.label;
  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  for (const { at, words } of timesBetween(view.begin, view.now, right - left)) {
    const across = Math.round(x(at)) + 0.5;
    context.moveTo(across, 0);
    context.lineTo(across, bottom);
    if (bottom < height && across > left + 28 && across < right - 2) context.fillText(words, across, height - 4);
  }
  context.stroke();
}

/** A threshold that is far off is an arrow at the edge. Where there are several scales it has the colour of its line. */
function drawThresholds(context, view, { scale: { low, high }, lines, y }, colours) {
  const { left, right, bottom, height, axes } = view;
  context.textAlign = 'left';
  context.textBaseline = 'alphabetic';
  const isNamed = bottom < height && axes.length <= 2;
  for (const [at, { severity, line }] of thresholdsOf(lines)) {
    const colour = axes.length > 1 ? line.colour : colours.severity[severity];
    context.strokeStyle = colour;
    const name = (words, down) => {
      if (isNamed) drawName(context, words, { across: left + 4, down, colour, paper: colours.paper });
    };
    if (at > high || at < low) {
      name(`${at > high ? '↑' : '↓'} ${reading(at)}`, at > high ? 13 : bottom - 4);
      continue;
    }
    const down = Math.round(y(at)) + 0.5;
    context.setLineDash([5, 4]);
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(left, down);
    context.lineTo(right, down);
    context.stroke();
    context.setLineDash([]);
    name(reading(at), down > 18 ? down - 4 : down + 12);
  }
}

/** Each once, whichever lines have it. */
function thresholdsOf(lines) {
  return new Map(lines.flatMap((line) => line.thresholds.map(({ at, severity }) => [at, { severity, line }])));
}

/** Can be read over a line. */
function drawName(context, words, { across, down, colour, paper }) {
  context.lineJoin = 'round';
  context.lineWidth = 3;
  context.strokeStyle = paper;
  context.strokeText(words, across, down);
  context.lineWidth = 1;
  context.fillStyle = colour;
  context.fillText(words, across, down);
}

/** The values between gaps: after one that is over, nothing is known. */
function* stretches({ series, first, end }, now) {
  const pause = series.longestPause;
  // The line comes in from the left if it was not interrupted there.
  let from = first > 0 && first < end && !series.isAfterGap(first, pause) ? first - 1 : first;
  for (let n = from + 1; n < end; n += 1) {
    if (!series.isAfterGap(n, pause)) continue;
    yield { from, to: n, isOver: true };
    from = n;
  }
  if (from < end) yield { from, to: end, isOver: now - series.time(end - 1) > pause };
}

/** However many values fall on one column of pixels, four points tell what there is to see. */
function drawLine(context, view, line, { from, to, isOver }) {
  const { left, right, bottom, x } = view;
  const { series, colour } = line;
  const y = (value) => view.y(line, value);
  const path = new Path2D();
  const begin = Math.max(left, x(series.time(from)));
  let column = -1;
  let [least, greatest, latest] = [0, 0, y(series.value(from))];
  const close = () => {
    if (greatest > least) { path.lineTo(column, least); path.lineTo(column, greatest); path.lineTo(column, latest); }
  };
  path.moveTo(begin, latest);
  for (let n = from; n < to; n += 1) {
    const across = Math.max(left, Math.floor(x(series.time(n))));
    const value = y(series.value(n));
    if (across === column) {
      least = Math.min(least, value);
      greatest = Math.max(greatest, value);
    } else {
      close();
      path.lineTo(across, value);
      [column, least, greatest] = [across, value, value];
    }
    latest = value;
  }
  close();
  // A value holds until the next one is due.
  const last = isOver ? Math.max(left, x(series.time(to - 1))) : right;
  path.lineTo(last, latest);
  context.fillStyle = colour;
  if (view.lines.length === 1) fillBelow(context, path, { begin, last, bottom });
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  context.stroke(path);
  drawDot(context, last, latest, isOver ? 1.5 : 2.5);
}

function fillBelow(context, path, { begin, last, bottom }) {
  const area = new Path2D(path);
  area.lineTo(last, bottom);
  area.lineTo(begin, bottom);
  context.globalAlpha = 0.1;
  context.fill(area);
  context.globalAlpha = 1;
}

export function drawDot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
