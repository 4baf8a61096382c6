import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MetricRow } from '../protocol/metrics.js';
import { lockRun } from './lock.js';
import { RunFolder } from './runFolder.js';
import { manifestOf, scratchFolder, tinyConfig } from './scratch.case.js';

const scratch = scratchFolder();
const config = tinyConfig();

function newPath(): string {
  return join(mkdtempSync(join(scratch, 'case-')), 'run');
}

function row(step: number): MetricRow {
  return { step, loss: 1 / step, lr: 1e-3, gradNorm: 1, imagesPerSecond: 1, dataWaitMs: 0, stepMs: 1, recon: 0.5 };
}

describe('RunFolder', () => {
  it('is made with the resolved configuration in it', () => {
    const path = newPath();
    const folder = RunFolder.create(path, config);
    folder.writeManifest(manifestOf(config));
    const opened = RunFolder.open(path);
    expect(opened.config()).toEqual(config);
    expect(opened.manifest()).toEqual(manifestOf(config));
    expect(readFileSync(join(path, 'config.yaml'), 'utf8')).toContain('warmupFraction: 0.1'); // a default
  });

  it('is made in an empty folder too, and nowhere else', () => {
    const path = newPath();
    mkdirSync(path);
    RunFolder.create(path, config).writeManifest(manifestOf(config));
    expect(() => RunFolder.create(path, config)).toThrow(
      `--out: must be a new or empty folder, got ${path}; go on with it: --resume, or choose another folder`,
    );
    const photos = newPath();
    mkdirSync(photos);
    writeFileSync(join(photos, 'cat.jpg'), '');
    expect(() => RunFolder.create(photos, config)).toThrow(`got ${photos}; choose another folder`);
  });

  it('is made over what a start left that was killed before its first step, and over nothing else of that kind', () => {
    const folder = RunFolder.create(newPath(), config);
    expect(() => RunFolder.create(folder.path, config)).toThrow('choose another folder'); // somebody else's, for all we know
    lockRun(folder.path);
    expect(() => RunFolder.create(folder.path, config)).toThrow('choose another folder'); // at work
    writeFileSync(
      join(folder.path, 'lock.json'),
      JSON.stringify({ pid: process.pid, host: hostname(), startTicks: '1' }),
    );
    expect(RunFolder.create(folder.path, tinyConfig('train.seed=7')).config().train.seed).toBe(7);
    writeFileSync(join(folder.path, 'notes.txt'), 'mine');
    expect(() => RunFolder.create(folder.path, config)).toThrow('choose another folder');
  });

  it('says where it cannot be made, and what to do', () => {
    const file = newPath();
    writeFileSync(file, '');
    expect(() => RunFolder.create(file, config)).toThrow('a file is in the way: choose another folder with --out');
    expect(() => RunFolder.create(join(file, 'run'), config)).toThrow('a file is in the way');
    for (const path of ['/sys/halfway-test', '/proc/halfway-test', '/proc/halfway-test/run']) {
      expect(() => RunFolder.create(path, config)).toThrow(
        /^run: .* cannot be written: choose another folder with --out$/,
      );
    }
    expect(() => RunFolder.open(scratch)).toThrow(`run: must be the folder of a run, got ${scratch} without run.json`);
  });

  it('says that the disk is full, and how to go on', () => {
    const folder = RunFolder.create(newPath(), config);
    symlinkSync('/dev/full', join(folder.path, 'metrics.jsonl'));
    expect(() => folder.appendMetrics(row(1))).toThrow(
      'the disk is full: make room (a run that had begun goes on with --resume)',
    );
  });

  it('is removed with all that is in it only as long as no run has begun', () => {
    const folder = RunFolder.create(newPath(), config);
    folder.discardUnlessBegun();
    expect(existsSync(folder.path)).toBe(false);
    const begun = RunFolder.create(newPath(), config);
    begun.writeManifest(manifestOf(config));
    begun.discardUnlessBegun();
    expect(existsSync(begun.path)).toBe(true);
  });

  it('cuts metrics back to a step, and a line that a crash cut off with them', () => {
    const folder = RunFolder.create(newPath(), config);
    expect(folder.metrics()).toEqual([]);
    folder.cutMetrics(5);
    for (const step of [2, 4, 6]) folder.appendMetrics(row(step));
    folder.flushMetrics();
    appendFileSync(join(folder.path, 'metrics.jsonl'), '{"step":8,"lo');
    expect(folder.metrics()).toEqual([row(2), row(4), row(6)]);
    folder.cutMetrics(4);
    expect(readFileSync(join(folder.path, 'metrics.jsonl'), 'utf8')).toBe(
      [row(2), row(4)].map((kept) => `${JSON.stringify(kept)}\n`).join(''),
    );
    folder.cutMetrics(0);
    expect(folder.metrics()).toEqual([]);
  });

  it('cuts off an event that a crash left unfinished, and no other', () => {
    const folder = RunFolder.create(newPath(), config);
    folder.cutEvents(); // there are none yet
    const path = join(folder.path, 'events.jsonl');
    folder.appendEvent({ step: 3, kind: 'checkpoint', message: 'step-3' });
    const whole = readFileSync(path);
    folder.cutEvents();
    expect(readFileSync(path)).toEqual(whole);
    appendFileSync(path, '{"step":4,"kind":"alarm","message":"caf\xe9', 'latin1'); // in the middle of a letter too
    folder.cutEvents();
    expect(readFileSync(path)).toEqual(whole);
  });

  it('notes an event for tools and for people', () => {
    const folder = RunFolder.create(newPath(), config);
    folder.appendEvent({ step: 3, kind: 'alarm', message: 'lower optim.lr' });
    const event: unknown = JSON.parse(readFileSync(join(folder.path, 'events.jsonl'), 'utf8'));
    expect(event).toMatchObject({ step: 3, kind: 'alarm', message: 'lower optim.lr' });
    expect(readFileSync(join(folder.path, 'train.log'), 'utf8')).toMatch(/Z step 3: alarm: lower optim\.lr\n$/);
  });

  it('refuses a manifest that is damaged, or that another version made', () => {
    const folder = RunFolder.create(newPath(), config);
    writeFileSync(join(folder.path, 'run.json'), '{');
    expect(() => folder.manifest()).toThrow(/run\.json must be readable, got /);
    writeFileSync(join(folder.path, 'run.json'), JSON.stringify({ ...manifestOf(config), version: 7 }));
    expect(() => folder.manifest()).toThrow('must be of version 1, got 7; use the halfway that made it');
  });

  it('refuses reports that are damaged, or that another version made', () => {
    const folder = RunFolder.create(newPath(), config);
    const reports = join(folder.path, 'reports');
    for (const [name, read] of [
      ['init.json', () => folder.initReport()],
      ['eval-mean-step-3.json', () => folder.stepReports()],
    ] as const) {
      writeFileSync(join(reports, name), '{');
      expect(read).toThrow(`run: ${join(reports, name)} must be readable, got `);
      for (const content of ['{"version":7}', '{}', 'null']) {
        writeFileSync(join(reports, name), content);
        expect(read).toThrow(
          `run: ${join(reports, name)} must be of version 1, got ${content.includes('7') ? 7 : 'none'}; use the halfway`,
        );
      }
      writeFileSync(join(reports, name), '{"version":1}');
      expect(read).not.toThrow();
    }
  });
});
