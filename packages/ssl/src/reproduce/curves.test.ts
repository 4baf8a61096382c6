import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { present } from '../models/fixture.case.js';
import { RunFolder } from '../run/runFolder.js';
import { manifestOf, scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { drawCurves, readCurves, type CurvePoint, type RunCurves } from './curves.js';

const scratch = scratchFolder();
const config = tinyConfig();

/** A run that logged `values` every 20 steps as the term `recon`. */
function runThatLogged(values: readonly number[]): string {
  const folder = RunFolder.create(join(mkdtempSync(join(scratch, 'case-')), 'run'), config);
  folder.writeManifest(manifestOf(config));
  const costs = { lr: 0.1, imagesPerSecond: 9, dataWaitMs: 1, stepMs: 7 };
  for (const [i, recon] of values.entries()) {
    const figures = { loss: 1, gradNorm: 2, recon, reconInside: recon, reconOverUninformed: recon / 2, teacherTemp: 3 };
    folder.appendMetrics({ step: 20 * (i + 1), ...figures, ...costs });
  }
  return folder.path;
}

const runOf = (arm: string, figures: Record<string, readonly CurvePoint[]>): RunCurves => ({
  ...{ arm, asked: new Map() },
  logged: new Map(Object.entries(figures)),
});

/** Points of the paths drawn with a style, in pixels of the panel. */
function pathsOf(svg: string, style: string): number[][][] {
  const paths = svg.matchAll(new RegExp(`<path d="M([^"]*)" fill="none" stroke="[^"]*" ${style}/>`, 'g'));
  return [...paths].map(([, d]) =>
    present(d)
      .split('L')
      .map((point) => point.split(',').map(Number)),
  );
}

describe('readCurves', () => {
  it('has what a run logged, but neither costs nor schedules nor multiples of a term', () => {
    const { arm, asked, logged } = readCurves('task', runThatLogged([3, 2]));
    expect(arm).toBe('task');
    expect([[...asked], [...logged.keys()]]).toEqual([[], ['loss', 'gradNorm', 'recon', 'reconInside']]);
    expect(logged.get('recon')).toEqual([
      [20, 3],
      [40, 2],
    ]);
  });

  it('averages consecutive rows of a long run', () => {
    const values = Array.from({ length: 250 }, (_, i) => i);
    const points = present(readCurves('a', runThatLogged(values)).logged.get('recon'));
    expect(points).toHaveLength(84);
    expect(points[0]).toEqual([40, 1]); // of steps 20, 40, 60
    expect(points.at(-1)).toEqual([5000, 249]); // alone
  });

  it('has what was asked of older checkpoints, by step', () => {
    const run = runThatLogged([3]);
    const ask = (step: number, top1: number, hash = 'a'): void => {
      const data = { numTest: 30, hash };
      const report = { version: 1, data, tasks: { knn: { top1, interval: { low: 0, high: 100 } } } };
      writeFileSync(join(run, 'reports', `eval-mean-step-${step}.json`), JSON.stringify(report));
    };
    ask(1000, 12);
    ask(500, 10);
    ask(700, 99, 'b'); // as many other photos
    writeFileSync(join(run, 'reports', 'eval-mean.json'), '{}'); // of the newest, asked in its own way
    writeFileSync(join(run, 'reports', 'eval-cls-step-500.json'), '{}'); // of other features
    const { asked } = readCurves('a', run);
    expect([...asked.keys()]).toEqual(['k-NN top-1 %, 30 test photos\na', 'k-NN top-1 %, 30 test photos\nb']);
    expect([...asked.values()]).toEqual([
      [
        [500, 10],
        [1000, 12],
      ],
      [[700, 99]],
    ]);
  });
});

describe('readCurves of a damaged run', () => {
  it('leaves out what is not finite, and names a report that cannot be read', () => {
    const run = runThatLogged([3, NaN, 2]);
    expect(readCurves('a', run).logged.get('recon')).toEqual([
      [20, 3],
      [60, 2],
    ]);
    writeFileSync(join(run, 'reports', 'eval-mean-step-500.json'), '{"tasks":');
    expect(() => readCurves('a', run)).toThrow(/eval-mean-step-500\.json must be/);
  });
});

describe('drawCurves', () => {
  it('draws one run as one line, from the first step to the last, higher values higher', () => {
    const svg = drawCurves([runOf('a', { x: [[10, 1], [50, 3], [100, 2]] })]); // prettier-ignore
    expect(pathsOf(svg, 'stroke-width="1.5"')).toEqual([
      [
        [73.2, 184],
        [174, 28],
        [300, 106],
      ],
    ]);
  });

  it('draws the runs of an arm thin, and their mean thick where all have a value', () => {
    const svg = drawCurves([
      runOf('a', {
        x: [
          [10, 0],
          [20, 4],
        ],
      }),
      runOf('a', {
        x: [
          [10, 2],
          [20, 0],
          [30, 4],
        ],
      }),
    ]);
    expect(pathsOf(svg, 'stroke-width="0.75" stroke-opacity="0.4"')).toHaveLength(2);
    expect(pathsOf(svg, 'stroke-width="2"')).toEqual([
      [
        [132, 145],
        [216, 106],
      ],
    ]);
  });

  it('puts what checkpoints were asked before what was logged, also where one run of several has it', () => {
    const points: CurvePoint[] = [[1, 1], [2, 2]]; // prettier-ignore
    const asked = { ...runOf('b', { loss: points }), asked: new Map([['k-NN\nhash of the photos', points]]) };
    const svg = drawCurves([runOf('a', { loss: points }), asked]);
    expect([...svg.matchAll(/font-weight="bold">([^<]*)<\/text>/g)].map(([, title]) => title)).toEqual([
      'k-NN',
      'loss',
    ]);
    expect(pathsOf(svg, 'stroke-width="1.5"')).toHaveLength(3);
  });

  it('is scaled to what comes after the first steps', () => {
    const points = Array.from({ length: 100 }, (_, i): CurvePoint => [i + 1, i < 4 ? 1000 : i % 2]);
    const [line] = pathsOf(drawCurves([runOf('a', { x: points })]), 'stroke-width="1.5"');
    expect(present(present(line)[50])[1]).toBe(184);
    expect(present(present(line)[0])[1]).toBeLessThan(-1000); // outside, and cut off
  });

  it('cuts the lines of every panel, each in its own place, by one rectangle', async () => {
    const falling: CurvePoint[] = Array.from({ length: 100 }, (_, i) => [i + 1, i < 4 ? 1000 : i % 2]);
    const svg = drawCurves([runOf('a', { 'a b': falling, 'a-b': falling.map(([step, value]) => [step, value + 1]) })]);
    expect(svg.match(/<clipPath /g)).toHaveLength(1);
    const { data, info } = await sharp(Buffer.from(svg)).raw().toBuffer({ resolveWithObject: true });
    const isDrawn = ([left, right]: [number, number], [top, bottom]: [number, number]): boolean => {
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) if ((data[(y * info.width + x) * info.channels] ?? 255) < 50) return true;
      }
      return false;
    };
    for (const left of [0, 320]) {
      expect(isDrawn([left + 60, left + 300], [70, 210])).toBe(true);
      expect(isDrawn([left + 49, left + 300], [54, 58])).toBe(false); // between title and rectangle
    }
  });

  it('leaves out a figure that is another one, and is an image that others read', async () => {
    const x: CurvePoint[] = [[1, 1], [2, 2]]; // prettier-ignore
    const svg = drawCurves([runOf('lambda < 1 & more', { x, same: x, y: [[1, 2], [2, 1]] })]); // prettier-ignore
    expect(svg).not.toContain('same');
    expect(svg).toContain('lambda &lt; 1 &amp; more');
    const { width, height } = await sharp(Buffer.from(svg)).metadata();
    expect([width, height]).toEqual([960, 244]);
  });
});
