/**
 * Exports: names and shapes as timm's and Hugging Face's own files have them, and back again bit for bit. That timm and transformers
 * compute the same features is asked of them where HALFWAY_PEERS_PYTHON names a Python that has both, as CONTRIBUTING.md says.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as torch from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import { describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import { ConfigError, RunError } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import { evalContext, present } from '../models/fixture.case.js';
import { loadEncoder, type LoadedEncoder } from '../run/loadEncoder.js';
import { scratchFolder } from '../run/scratch.case.js';
import { exportEncoder } from './exportEncoder.js';
import type { ExportFormat } from './formatNames.js';
import { importEncoder } from './importEncoder.js';
import { initEncoder } from './initEncoder.js';
import { loadWeights } from './loadWeights.js';
import { encoderFor, published } from './published.case.js';

const scratch = scratchFolder();
const TINY = { size: 'custom', widthDim: 8, depth: 2, numHeads: 2, mlpRatio: 2, patch: 4, imagePx: 12 };

/** An encoder whose every parameter is a random normal, so that each one counts. */
function drawn(model: object, split: object = { dim: 6, equivariantDim: 2 }): LoadedEncoder {
  const config = parseConfig({ model, split }, 'test');
  const rng = torch.generator(3);
  const encoder = createEncoder(config.model, rng);
  const adapter = new Adapter(encoder.widthDim, config.split, rng);
  torch.noGrad(() => {
    for (const parameter of [...encoder.parameters(), ...adapter.parameters()]) {
      parameter.copy_(torch.randn([...parameter.shape], { generator: rng }).mul(0.3));
    }
  });
  return { encoder, adapter, config, runDir: undefined, source: 'test' };
}

const SHAPES: Readonly<Record<string, object>> = {
  plain: TINY,
  scaled: { ...TINY, layerScale: 1 },
  registers: { ...TINY, numRegisters: 3, layerScale: 1 },
  'registers-only': { ...TINY, numRegisters: 2 },
  gated: { ...TINY, ffn: 'swiglufused', mlpRatio: 4, layerScale: 1 },
};

/** What is equal where every bit is. */
const bytesOf = (tensors: ReadonlyMap<string, torch.Tensor>): Record<string, string> =>
  Object.fromEntries(
    [...tensors].map(([name, tensor]) => [name, createHash('sha256').update(tensor.toBytes()).digest('hex')]),
  );

describe.each(Object.keys(SHAPES))('an encoder that is %s', (name) => {
  const loaded = drawn(present(SHAPES[name]));

  it.each(['timm', 'hf'] as const)('comes back from %s bit for bit', async (format) => {
    const folder = join(scratch, `${name}-${format}`);
    const [model = ''] = exportEncoder(loaded, format, folder);
    const weights = await loadWeights(model);
    torch.scope(() => {
      const { encoder } = drawn(present(SHAPES[name]));
      torch.noGrad(() => encoder.parameters().forEach((parameter) => parameter.zero_()));
      initEncoder(encoder, weights);
      expect(bytesOf(encoder.stateDict())).toEqual(bytesOf(loaded.encoder.stateDict()));
    });
  });

  it('comes back from our own form with its adapter', () => {
    const [path = ''] = exportEncoder(loaded, 'safetensors', join(scratch, `${name}-own`));
    const again = loadEncoder(path);
    expect(bytesOf(again.encoder.stateDict())).toEqual(bytesOf(loaded.encoder.stateDict()));
    expect(bytesOf(again.adapter.stateDict())).toEqual(bytesOf(loaded.adapter.stateDict()));
    expect([again.config.model, again.config.split]).toEqual([loaded.config.model, loaded.config.split]);
  });
});

describe('an export', () => {
  it.each([
    ['hf', 'hf-dinov2', ['embeddings.mask_token']], // ours has none, and is given zeros
    ['hf', 'hf-dinov2-registers', ['embeddings.mask_token']],
    ['timm', 'timm-registers', ['pos_embed', 'reg_token']], // positions of registers are part of them
  ] as const)(
    "of a model of %s's own has the names, shapes and bytes of its file %s",
    async (format, name, changed) => {
      const weights = await loadWeights(published(`${name}.safetensors`));
      torch.scope(() => {
        const encoder = encoderFor(weights.tensors);
        initEncoder(encoder, weights);
        const [model = ''] = exportEncoder({ ...drawn(TINY), encoder }, format, join(scratch, `again-${name}`));
        const [own, theirs] = [model, published(`${name}.safetensors`)].map((path) => loadSafetensors(path).tensors);
        const shapesOf = (tensors = new Map<string, torch.Tensor>()): string[] =>
          [...tensors].map(([key, { shape }]) => `${key} ${shape.join('x')}`).sort();
        expect(shapesOf(own)).toEqual(shapesOf(theirs));
        for (const key of changed) [own, theirs].forEach((tensors) => tensors?.delete(key));
        expect(bytesOf(present(own))).toEqual(bytesOf(present(theirs)));
      });
    },
  );

  it.each([
    ['timm', 'size'],
    ['hf', 'size'],
    ['safetensors', 'offset'],
  ] as const)('as %s tells of its heads, which no shape does', async (format, positionResize) => {
    const model = { ...TINY, widthDim: 192, depth: 1, numHeads: 4, positionResize: 'offset' };
    const [path = ''] = exportEncoder(drawn(model), format, join(scratch, `heads-${format}`));
    const { config, report } = await importEncoder(path);
    expect(config.model).toMatchObject({ numHeads: 4, positionResize });
    expect(report.told?.path).toBe(join(scratch, `heads-${format}`, 'config.json'));
    await expect(importEncoder(path, { numHeads: 3 })).rejects.toThrow(
      /the number of heads must be that of .*config\.json, 4, got --heads 3; leave it out, or mend that file/,
    );
  });

  it("says what the adapter's features are", () => {
    const [, path = ''] = exportEncoder(drawn(TINY), 'timm', join(scratch, 'adapter'));
    const { tensors, metadata } = loadSafetensors(path);
    expect([tensors.get('proj.weight')?.shape, metadata]).toEqual([
      [6, 8],
      { format: 'pt', invariant: '0:4', equivariant: '4:6' },
    ]);
  });

  it("says the same of the encoder's own features where there is no adapter, and nothing where they are not split", () => {
    for (const [equivariantDim, columns] of [
      [3, { invariant: '0:5', equivariant: '5:8' }],
      [0, {}],
    ] as const) {
      const folder = join(scratch, `backbone-${equivariantDim}`);
      const split = { location: 'backbone', equivariantDim };
      const [model = '', ...others] = exportEncoder(drawn(TINY, split), 'timm', folder);
      expect(others).toEqual([join(folder, 'config.json')]);
      expect(loadSafetensors(model).metadata).toEqual({ format: 'pt', ...columns });
    }
  });

  it.each(['safetensors', 'timm', 'hf'] as const)(
    'of %s takes the place of an earlier one, and leaves none of its files',
    (format) => {
      const bare = drawn(TINY, { location: 'backbone', equivariantDim: 0 });
      for (const earlier of ['safetensors', 'timm', 'hf'] as const) {
        const folder = join(scratch, `${format}-after-${earlier}`);
        exportEncoder(drawn({ ...TINY, numRegisters: 1 }), earlier, folder);
        writeFileSync(join(folder, '.DS_Store'), '');
        const written = exportEncoder(bare, format, folder).map((path) => basename(path));
        expect(readdirSync(folder).sort()).toEqual(['.DS_Store', ...written].sort());
      }
    },
  );

  it('leaves an earlier one as it was where it cannot be written', () => {
    const folder = join(scratch, 'kept');
    exportEncoder(drawn(TINY), 'timm', folder);
    makeFolder(join(folder, '.export.partial')); // of one that was killed
    const contents = (): Buffer[] => visible().map((name) => readFileSync(join(folder, name)));
    const visible = (): string[] => readdirSync(folder).filter((name) => name !== '.export.partial');
    const before = contents();
    const broken = drawn({ ...TINY, numRegisters: 1 });
    vi.spyOn(broken.adapter, 'stateDict').mockImplementation(() => {
      throw new TypeError('of the engine'); // after the encoder's file
    });
    expect(() => exportEncoder(broken, 'hf', folder)).toThrow(TypeError);
    expect(contents()).toEqual(before);
    expect(readdirSync(folder)).toEqual(visible()); // nothing half written stays
  });

  it('interrupted while it is moved can be made again, also after a try that failed; weights never have the configuration of others', () => {
    const folder = join(scratch, 'interrupted');
    exportEncoder(drawn({ ...TINY, numRegisters: 1 }), 'timm', folder);
    const bare = drawn(TINY, { location: 'backbone', equivariantDim: 0 });
    const obstacle = join(folder, 'adapter.safetensors'); // a stale file that cannot be removed stops the move
    rmSync(obstacle);
    makeFolder(obstacle);
    expect(() => exportEncoder(bare, 'safetensors', folder)).toThrow(RunError);
    expect(readdirSync(folder).sort()).toEqual(['.export.partial', 'adapter.safetensors', 'model.safetensors']);
    const broken = drawn(TINY);
    vi.spyOn(broken.adapter, 'stateDict').mockImplementation(() => {
      throw new RunError('full');
    });
    expect(() => exportEncoder(broken, 'timm', folder)).toThrow('full');
    rmdirSync(obstacle);
    const written = exportEncoder(bare, 'safetensors', folder).map((path) => basename(path));
    expect(readdirSync(folder).sort()).toEqual(written.sort());
  });

  it('is not written over weights of others that came to what an interrupted one has left', () => {
    const folder = join(scratch, 'others');
    makeFolder(join(folder, '.export.partial'));
    writeFileSync(join(folder, 'model.safetensors'), '');
    writeFileSync(join(folder, 'config.json'), '{"model_type": "dinov2"}');
    expect(() => exportEncoder(drawn(TINY), 'hf', folder)).toThrow('nothing but an earlier export');
  });

  it("is not written among other files, such as a run's or another program's weights", () => {
    const refused = (files: Readonly<Record<string, string>>, name: string): void => {
      const folder = join(scratch, `taken-${name}`);
      makeFolder(folder);
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
      for (const format of ['safetensors', 'timm', 'hf'] as const) {
        expect(() => exportEncoder(drawn(TINY), format, folder)).toThrow(
          new ConfigError(
            `export: --out must be a folder that is new, empty or holds nothing but an earlier export, got ${folder} with ${name}; choose another folder`,
          ),
        );
      }
      expect(readdirSync(folder).sort()).toEqual(Object.keys(files).sort());
    };
    refused({ 'config.yaml': '', 'run.json': '{}' }, 'config.yaml');
    refused({ 'a.jpg': '' }, 'a.jpg');
    refused({ 'model.safetensors': '' }, 'model.safetensors');
    const [, own = ''] = exportEncoder(
      drawn(TINY, { location: 'backbone', equivariantDim: 0 }),
      'timm',
      join(scratch, 'untaken'),
    );
    const config = JSON.parse(readFileSync(own, 'utf8')) as { pretrained_cfg: object };
    // timm's own has more settings, in the second level alone.
    const published = { ...config, pretrained_cfg: { ...config.pretrained_cfg, tag: 'augreg' } };
    refused({ 'config.json': JSON.stringify(published) }, 'config.json');
  });

  it('does not take the place of the weights that it is made of', () => {
    const folder = join(scratch, 'itself');
    const [path = ''] = exportEncoder(drawn(TINY), 'safetensors', folder);
    expect(() => exportEncoder(loadEncoder(path), 'timm', folder)).toThrow(
      new ConfigError(
        `export: --out must not be the folder of the weights in another form, which would be replaced, got ${folder}; choose another folder`,
      ),
    );
    expect(readdirSync(folder).sort()).toEqual(['backbone.safetensors', 'config.json']);
    expect(exportEncoder(loadEncoder(path), 'safetensors', folder)).toContain(path); // in its own form it is the same again
  });

  it('refuses what a format does not have', () => {
    const wide = drawn({ ...TINY, mlpRatio: 1.5 });
    expect(() => exportEncoder(wide, 'hf', join(scratch, 'wide'))).toThrow(
      "export: Hugging Face's Dinov2 must have an MLP of a whole multiple of the width, or SwiGLU of two thirds of one, got mlp of 12 for width 8; use --format timm",
    );
    const residual = drawn({ kind: 'resnet18', imagePx: 32 });
    expect(() => exportEncoder(residual, 'timm', join(scratch, 'resnet'))).toThrow(
      'export: timm must be given a vision transformer, got resnet18; use --format safetensors',
    );
  });
});

const python = process.env['HALFWAY_PEERS_PYTHON'];

describe.runIf(python)('timm and transformers', () => {
  it('compute the same features, and what they save comes back bit for bit', { timeout: 600_000 }, async () => {
    const folder = join(scratch, 'peers');
    const shapes = { ...SHAPES, 'odd-ratio': { ...TINY, mlpRatio: 2.6 }, small: { size: 'small' } };
    const cases = Object.entries(shapes).map(([name, model]) => ({ name, loaded: drawn(model) }));
    for (const { name, loaded } of cases) {
      for (const format of formatsOf(name)) exportEncoder(loaded, format, join(folder, name, format));
      writeReference(join(folder, name), loaded);
    }
    const script = fileURLToPath(new URL('../../../../fixtures/interop/check.py', import.meta.url));
    const { status, stdout, stderr } = spawnSync(present(python), [script, folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    const lines = stdout.trim().split('\n');
    process.stderr.write(`${stdout}\n`);
    expect(lines).toHaveLength(7 + 6 + 1);
    for (const line of lines) {
      const { features, normalisation = 0 } = JSON.parse(line) as { features: number; normalisation?: number };
      expect(features, line).toBeLessThan(1e-5); // f32 arithmetic in another order
      expect(normalisation, line).toBeLessThan(1e-6); // one division in f32
    }
    for (const { name, loaded } of cases) {
      for (const format of formatsOf(name)) {
        for (const file of format === 'hf' ? ['again.safetensors'] : ['again.pth', 'again.legacy.pth']) {
          const weights = await loadWeights(join(folder, name, format, file));
          const before = bytesOf(loaded.encoder.stateDict());
          torch.noGrad(() => loaded.encoder.parameters().forEach((parameter) => parameter.zero_()));
          initEncoder(loaded.encoder, weights);
          expect(bytesOf(loaded.encoder.stateDict())).toEqual(before);
        }
      }
    }
  });

  function formatsOf(name: string): ExportFormat[] {
    return name === 'odd-ratio' ? ['timm'] : ['timm', 'hf'];
  }

  function writeReference(folder: string, { encoder, config }: LoadedEncoder): void {
    torch.scope(() => {
      const { imagePx } = config.model;
      // Whole steps of 1/255, so that they can be 8-bit pixels.
      const rgb = torch
        .rand([2, 3, imagePx, imagePx], { generator: torch.generator(1) })
        .mul(255)
        .round()
        .div(255);
      const [mean, std] = [PIXEL_MEAN, PIXEL_STD].map((values) => torch.tensor([...values]).reshape([3, 1, 1]));
      const images = rgb.sub(present(mean)).div(present(std));
      const { cls, patches } = torch.noGrad(() => encoder.forward(images, evalContext()));
      makeFolder(folder);
      saveSafetensors(join(folder, 'reference.safetensors'), new Map(Object.entries({ rgb, images, cls, patches })));
    });
  }
});
