/**
 * Learning curves of several runs as one picture: a panel for each figure, a line for each arm.
 *
 * Everything is read from the runs' own files: metrics.jsonl, and the reports of `halfway eval --step` where there are any.
 */
import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { compareArms, meanOf } from '../eval/compare.js';
import { RunFolder } from '../run/runFolder.js';

/** A value of a figure: its step, its value. */
export type CurvePoint = readonly [step: number, value: number];

/** By title; what follows a line break in it tells figures of one title apart, and is not drawn. */
type Figures = ReadonlyMap<string, readonly CurvePoint[]>;

/** The figures of one run over its steps. */
export interface RunCurves {
  readonly arm: string;
  /** What `halfway eval --step` found in its checkpoints, in the features that its configuration names: answers about other photos apart. */
  readonly asked: Figures;
  /** What the run logged. */
  readonly logged: Figures;
}

/** Keys of a row of metrics that say nothing of what is learned, or a term over a constant. */
const LEFT_OUT = /^(step|lr.*|imagesPerSecond|dataWaitMs|stepMs|\w+Temp|\w+OverUninformed)$/;

/** Above this, consecutive points are averaged: more could not be seen. */
const MAX_POINTS = 100;

/**
 * The curves of a run folder.
 * @throws RunError when the folder is no run, or damaged
 */
export function readCurves(arm: string, runDir: string): RunCurves {
  const run = RunFolder.open(runDir);
  const logged = run.metrics().flatMap((row) =>
    Object.entries(row)
      .filter(([name, value]) => !LEFT_OUT.test(name) && Number.isFinite(value)) // JSON has null for what is not finite
      .map(([name, value]): Value => [name, [row.step, value]]),
  );
  const asked = run.stepReports().flatMap(({ step, report }) =>
    compareArms([{ arm, seed: 0, tasks: report.tasks }]).rows.flatMap(({ title, cells }) =>
      Object.values(cells).map(({ mean }): Value => {
        const { numTest, hash } = report.data;
        return [`${title}, ${numTest} test photos\n${hash}`, [step, mean]];
      }),
    ),
  );
  return { arm, asked: byTitle(asked), logged: byTitle(logged) };
}

type Value = readonly [title: string, point: CurvePoint];

function byTitle(values: readonly Value[]): Figures {
  const figures = new Map<string, CurvePoint[]>();
  for (const [title, point] of values) {
    const points = figures.get(title);
    if (points === undefined) figures.set(title, [point]);
    else points.push(point);
  }
  return new Map([...figures].map(([title, points]) => [title, averaged(points)]));
}

/** Means of as many consecutive points as leave MAX_POINTS or fewer. */
function averaged(points: readonly CurvePoint[]): CurvePoint[] {
  const size = Math.ceil(points.length / MAX_POINTS);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const some = points.slice(i * size, (i + 1) * size);
    return [meanOf(some.map(([step]) => step)), meanOf(some.map(([, value]) => value))];
  });
}

// Okabe and Ito's colours, which those who see fewer colours tell apart too.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'];

const COLUMNS = 3;
const PANEL = { width: 320, height: 210, left: 48, right: 20, top: 28, bottom: 26 } as const;
const LEGEND_PX = 34;

/** Before this share of the longest run, values may lie outside a panel: the first steps would flatten all that follows. */
const SETTLED_SHARE = 0.05;

/**
 * The curves of these runs, as the text of an SVG file. Thin lines are single runs, thick ones the mean of an arm's
 * runs where it has several; a figure whose values are those of one drawn before is left out.
 */
export function drawCurves(runs: readonly RunCurves[]): string {
  const arms = [...new Set(runs.map(({ arm }) => arm))];
  const figures = [...figuresOf(runs, 'asked'), ...distinct(figuresOf(runs, 'logged'))];
  const lastStep = Math.max(
    1,
    ...figures.flatMap(({ lines }) => lines.flatMap((line) => line.points.map(([step]) => step))),
  );
  const panels = figures.map(({ title, lines }, i) => {
    const [x, y] = [(i % COLUMNS) * PANEL.width, LEGEND_PX + Math.floor(i / COLUMNS) * PANEL.height];
    return `<g transform="translate(${x},${y})">${panel(title, lines, arms, lastStep)}</g>`;
  });
  const [width, height] = [COLUMNS * PANEL.width, LEGEND_PX + Math.ceil(figures.length / COLUMNS) * PANEL.height];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    panelClip(),
    legend(arms),
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

interface Figure {
  readonly title: string;
  readonly lines: readonly Line[]; // of the runs that have it
}

/** In the order in which they first come. */
function figuresOf(runs: readonly RunCurves[], kind: 'asked' | 'logged'): Figure[] {
  const titles = new Set(runs.flatMap((run) => [...run[kind].keys()]));
  return [...titles].map((title) => {
    const lines = runs.flatMap((run) => {
      const points = run[kind].get(title);
      return points === undefined ? [] : [{ arm: run.arm, points }];
    });
    return { title, lines };
  });
}

/** Without figures that are one before under another name. */
function distinct(figures: readonly Figure[]): Figure[] {
  const texts = figures.map(({ lines }) => JSON.stringify(lines));
  return figures.filter((_, i) => texts.indexOf(texts[i] ?? '') === i);
}

interface Line {
  readonly arm: string;
  readonly points: readonly CurvePoint[];
}

function panel(title: string, lines: readonly Line[], arms: readonly string[], lastStep: number): string {
  const { width, height, left, right, top, bottom } = PANEL;
  const all = lines.flatMap(({ points }) => points);
  const settled = all.filter(([step]) => step >= SETTLED_SHARE * lastStep);
  const values = (settled.length > 0 ? settled : all).map(([, value]) => value);
  const x = scaleLinear([0, lastStep], [left, width - right]);
  const y = scaleLinear([Math.min(...values), Math.max(...values)], [height - bottom, top]).nice(4);
  const path = line<CurvePoint>(
    ([step]) => x(step),
    ([, value]) => y(value),
  ).digits(1);
  const drawn = arms.flatMap((arm, i) => {
    const colour = COLOURS[i % COLOURS.length] ?? '';
    const own = lines.flatMap((one) => (one.arm === arm ? [one.points] : []));
    if (own.length === 0) return [];
    const stroke = (points: readonly CurvePoint[], style: string): string =>
      `<path d="${path([...points]) ?? ''}" fill="none" stroke="${colour}" ${style}/>`;
    if (own.length === 1) return own.map((points) => stroke(points, 'stroke-width="1.5"'));
    const thin = own.map((points) => stroke(points, 'stroke-width="0.75" stroke-opacity="0.4"'));
    return [...thin, stroke(meanLine(own), 'stroke-width="2"')];
  });
  return [
    `<text x="${left}" y="${top - 10}" font-weight="bold">${escaped(title.replace(/\n.*/, ''))}</text>`,
    ...y
      .ticks(4)
      .map(
        (value) =>
          `<path d="M${left},${y(value).toFixed(1)}H${width - right}" stroke="#ddd"/>` +
          `<text x="${left - 5}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" fill="#555">${y.tickFormat(4)(value)}</text>`,
      ),
    ...x
      .ticks(4)
      .map(
        (step) =>
          `<text x="${x(step).toFixed(1)}" y="${height - bottom + 15}" text-anchor="middle" fill="#555">${step}</text>`,
      ),
    `<g clip-path="url(#panel)">${drawn.join('')}</g>`,
  ].join('\n');
}

/** What of a panel lines may cover, in its own coordinates: the same of every panel. */
function panelClip(): string {
  const { width, height, left, right, top, bottom } = PANEL;
  return `<clipPath id="panel"><rect x="${left}" y="${top - 3}" width="${width - left - right}" height="${height - top - bottom + 6}"/></clipPath>`;
}

/** The mean over runs at the steps that all of them have. */
function meanLine(lines: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  const [first = [], ...others] = lines.map((points) => new Map(points));
  return [...first].flatMap(([step, value]): CurvePoint[] => {
    const values = [value, ...others.map((points) => points.get(step) ?? NaN)];
    return values.some(Number.isNaN) ? [] : [[step, meanOf(values)]];
  });
}

function legend(arms: readonly string[]): string {
  const entries = arms.map((arm, i) => {
    const colour = COLOURS[i % COLOURS.length] ?? '';
    return `<tspan dx="${i === 0 ? 0 : 18}" fill="${colour}" font-weight="bold">&#8212; ${escaped(arm)}</tspan>`;
  });
  const axis = '<tspan dx="18" fill="#555">over training steps</tspan>';
  return `<text x="${PANEL.left}" y="20" font-size="13">${entries.join('')}${axis}</text>`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
