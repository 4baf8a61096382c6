/** What evaluation gets of a run: encoder and adapter with the weights of the newest checkpoint, or of an export. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import { describe, expect, it } from 'vitest';
import { createObjective } from '../objectives/create.js';
import { writeCheckpoint } from './checkpoint.js';
import { exportBackbone } from './exportBackbone.js';
import { loadEncoder } from './loadEncoder.js';
import { RunFolder } from './runFolder.js';
import { manifestOf, scratchFolder, tinyConfig } from './scratch.case.js';

const scratch = scratchFolder();
const config = tinyConfig();
const { engine } = manifestOf(config);

/** A run whose two checkpoints come from the seeds 1 and 2. */
function writeRun(): { readonly dir: string; readonly networks: readonly Module[]; readonly weights: string } {
  const folder = RunFolder.create(join(mkdtempSync(join(scratch, 'case-')), 'run'), config);
  folder.writeManifest(manifestOf(config));
  const networks = [1, 2].map((seed) => createObjective(config, torch.generator(seed)).network);
  networks.forEach((network, i) => {
    const tensors = { model: network.stateDict(), optimizer: new Map(), rngState: new Uint8Array() };
    writeCheckpoint(folder.path, { ...tensors, step: 3 + i, unlogged: { names: [], rows: [] }, engine }, 2);
  });
  const weights = exportBackbone(folder.path, createObjective(config, torch.generator(3)).network, config);
  return { dir: folder.path, networks, weights };
}

function valuesOf(module: Module, prefix = ''): Record<string, number[]> {
  return Object.fromEntries(
    [...module.stateDict()]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), [...(tensor.toTypedArray() as Float32Array)]]),
  );
}

describe('loadEncoder', () => {
  it("has the newest checkpoint's encoder and adapter", () => {
    torch.scope(() => {
      const { dir, networks } = writeRun();
      const [, newest] = networks;
      if (newest === undefined) throw new Error('no network');
      const loaded = loadEncoder(dir);
      expect(valuesOf(loaded.encoder)).toEqual(valuesOf(newest, 'encoder.'));
      expect(valuesOf(loaded.adapter)).toEqual(valuesOf(newest, 'adapter.'));
      expect([loaded.source, loaded.runDir, loaded.config]).toEqual([`${dir}, step 4`, dir, config]);
    });
  });

  it('has the checkpoint of the step that is named, and names those that are there where it is not', () => {
    torch.scope(() => {
      const { dir, networks } = writeRun();
      const [older] = networks;
      if (older === undefined) throw new Error('no network');
      const loaded = loadEncoder(dir, { step: 3 });
      expect(valuesOf(loaded.encoder)).toEqual(valuesOf(older, 'encoder.'));
      expect(loaded.source).toBe(`${dir}, step 3`);
      const { weights } = writeRun();
      expect(() => loadEncoder(weights, { step: 3 })).toThrow('a step is of a run, got step 3 of the file');
      expect(() => loadEncoder(dir, { step: 5 })).toThrow('must hold the checkpoint of step 5, got 3, 4;');
    });
  });

  it('has the weights of an export, whose config.json says the shape', () => {
    torch.scope(() => {
      const { weights } = writeRun();
      const loaded = loadEncoder(weights);
      const exported = createObjective(config, torch.generator(3)).network;
      expect(valuesOf(loaded.encoder)).toEqual(valuesOf(exported, 'encoder.'));
      expect([loaded.runDir, loaded.config.model, loaded.config.split]).toEqual([
        undefined,
        config.model,
        config.split,
      ]);
    });
  });

  it('is untrained on demand, and the same for the same seed', () => {
    torch.scope(() => {
      const { dir } = writeRun();
      const [a, b, c] = [0, 0, 1].map((random) => valuesOf(loadEncoder(dir, { random }).encoder));
      expect(a).toEqual(b);
      expect(a).not.toEqual(c);
      expect(loadEncoder(dir, { random: 5 }).source).toBe('untrained, seed 5');
    });
  });

  it('says what is missing or does not fit', () => {
    torch.scope(() => {
      const { dir, weights } = writeRun();
      expect(() => loadEncoder(join(dir, 'nowhere'))).toThrow('weights: must be a run folder or an exported');
      expect(() => loadEncoder(scratch)).toThrow('without run.json');
      const other = { ...config, split: { ...config.split, dim: 16 } };
      const beside = join(dir, 'export', 'config.json');
      writeFileSync(beside, JSON.stringify({ version: 1, ...other }));
      expect(() => loadEncoder(weights)).toThrow(
        /backbone\.safetensors must fit its configuration, got .*proj\.weight/,
      );
      writeFileSync(beside, JSON.stringify({ version: 2, ...config }));
      expect(() => loadEncoder(weights)).toThrow(
        `run: ${beside} must be of version 1, got 2; use the halfway that made it`,
      );
      writeFileSync(beside, '{"model_type": "dinov2"}'); // as Hugging Face or timm have it
      expect(() => loadEncoder(weights)).toThrow(
        `weights: ${beside} must be of a halfway export in its own form, got one without a version; ` +
          `convert the weights with halfway import ${weights} --out FOLDER`,
      );
      writeFileSync(beside, '{"version": 1,');
      expect(() => loadEncoder(weights)).toThrow(`run: ${beside} must be readable, got `);
    });
  });
});
