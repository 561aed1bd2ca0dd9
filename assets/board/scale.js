// Which lines of a chart share a scale, and round numbers along it.

/** Smaller numbers have fewer digits. */
const LEAST_STEP = 1e-290;
/** Lines whose units nobody has told share a scale while none of them is so much larger than another. */
const COMPARABLE = 10;
/** A threshold is part of the scale unless that would make the values so much flatter. */
const FLATTEST = 4;

/** Round numbers around what there is: `{low, high, step, ticks}`. */
export function scaleOf(least, greatest) {
  if (!Number.isFinite(least)) return { low: 0, high: 1, step: 1, ticks: [] };
  const span = greatest - least || Math.abs(least) * 0.1 || 1;
  const power = 10 ** Math.floor(Math.log10(span / 2));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => span / size <= 3);
  // At the very ends of what a number can be there are no round ones.
  if (!step || !Number.isFinite(2 * greatest - 2 * least + step) || step < LEAST_STEP) {
    return { low: least / 2 - 1, high: greatest / 2 + 1, step: 1, ticks: [] };
  }
  const low = Math.floor(least / step) * step;
  const high = Math.max(Math.ceil(greatest / step) * step, low + step);
  const count = Math.round((high - low) / step) + 1;
  const ticks = Array.from({ length: count }, (_, n) => Number((low + n * step).toPrecision(15)));
  return { low, high, step, ticks };
}

/** The axes of lines `{least, greatest, unit, thresholds}`: each `{unit, lines, scale}`. Lines of one unit share one. */
export function axesOf(lines) {
  const axes = [];
  for (const line of lines) {
    const axis = axes.find((other) => other.unit === line.unit && (line.unit !== '' || isComparable(other, line)));
    if (axis) axis.lines.push(line);
    else axes.push({ unit: line.unit, lines: [line] });
  }
  for (const axis of axes) axis.scale = scaleOf(...withThresholds(axis.lines));
  return axes;
}

function isComparable({ lines }, line) {
  const size = ({ least, greatest }) => Math.max(Math.abs(least), Math.abs(greatest));
  return lines.every((other) => {
    const [one, two] = [size(other), size(line)];
    return !Number.isFinite(one + two) || Math.max(one, two) <= COMPARABLE * Math.min(one, two);
  });
}

/** The ends of some lines, and of the thresholds that are near enough. */
function withThresholds(lines) {
  let [least, greatest] = extremes(lines.flatMap(({ least: low, greatest: high }) => [low, high]));
  const most = FLATTEST * (greatest - least || Math.abs(least) * 0.1 || 1);
  const near = lines.flatMap(({ thresholds }) => thresholds.map(({ at }) => at)).sort((a, b) => Math.abs(a - least) - Math.abs(b - least));
  for (const at of near) {
    const [low, high] = [Math.min(least, at), Math.max(greatest, at)];
    if (high - low <= most) [least, greatest] = [low, high];
  }
  return [least, greatest];
}

function extremes(values) {
  const known = values.filter(Number.isFinite);
  return known.length > 0 ? [Math.min(...known), Math.max(...known)] : [NaN, NaN];
}
