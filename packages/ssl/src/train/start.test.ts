/** A run that starts from weights: both networks begin with them, the encoder is held, the run goes on without the file, and says how it went. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { readConfigFile } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { photoSource } from '../data/photos.case.js';
import { published } from '../interop/published.case.js';
import { startWeights } from '../interop/startWeights.js';
import { present } from '../models/fixture.case.js';
import type { RunEvent } from '../protocol/events.js';
import type { FeatureFigure, InitReport } from '../protocol/init.js';
import { exportBackbone } from '../run/exportBackbone.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { bytesOf, learnedIn } from './pretrain.case.js';
import { pretrain } from './pretrain.js';
import type { FeatureJudge, PretrainOptions } from './pretrainOptions.js';
import { startFrom, verdictText } from './start.js';
import { createTrainState } from './state.js';

const scratch = scratchFolder();
const photos = await photoSource(6);

/** The smallest student and teacher that hide patches, of the size of fixtures/interop/dinov2.pth. */
const DINOV2 = [
  ...['objective=dinov2', 'recon.target=none', 'model.depth=2', 'model.mlpRatio=2', 'model.layerScale=1e-5'],
  ...['model.imagePx=16', 'dinov2.hiddenDim=6', 'dinov2.bottleneckDim=4', 'dinov2.prototypes=7'],
];

function newOut(): string {
  return join(mkdtempSync(join(scratch, 'case-')), 'run');
}

function optionsOf(config: Config, change: Partial<PretrainOptions> = {}): PretrainOptions {
  return { config, recipe: 'tiny', data: photos.paths, out: newOut(), ...change };
}

/** A judge whose figure is the sum of the weights that it is shown: it tells which ones they were. */
const judge: FeatureJudge = {
  measure: ({ encoder }) => {
    const value = torch.scope(() => encoder.parameters().reduce((sum, weight) => sum + weight.sum().item(), 0));
    return Promise.resolve({ kind: 'knn', value, outcomes: [1, 0], numPhotos: 2, protocol: 'sum' });
  },
  compare: (before, after) => ({ difference: after.value - before.value, interval: { low: 0.5, high: 2 } }),
};

/** The encoder at a checkpoint, as bytes by name; the teacher's with `teacher.` before it. */
function encoderAt(out: string, step: number, of: '' | 'teacher.' = ''): Record<string, string> {
  return bytesOf(join(out, 'checkpoints', `step-${step}`, 'model.safetensors'), `${of}encoder.`);
}

/** A file of weights of the tiny encoder: the export of a run. */
async function trainedWeights(): Promise<string> {
  const options = optionsOf(tinyConfig('train.steps=2', 'train.seed=7'));
  await pretrain(options);
  return options.out;
}

describe('startFrom', () => {
  it('gives student and teacher the weights of the file, and says what became of each', async () => {
    const weights = present(await startWeights({ ...tinyConfig().init, file: published('dinov2.pth') }));
    torch.scope(() => {
      const config = tinyConfig(...DINOV2);
      const { objective } = createTrainState(config, 'float32');
      const text = startFrom(objective, weights, config.model);
      const [student, teacher] = [objective.network, present(objective.teacher).network].map((network) =>
        network.stateDict(),
      );
      const names = [...present(teacher).keys()];
      expect(
        names.filter(
          (name) =>
            !present(student)
              .get(name)
              ?.equal(present(present(teacher).get(name))),
        ),
      ).toEqual([]);
      for (const name of ['cls_token', 'blocks.1.attn.qkv.weight', 'blocks.0.ls1.gamma', 'mask_token']) {
        const own = present(student).get(`encoder.${name}`);
        expect([name, own?.equal(present(weights.tensors.get(name)))]).toEqual([name, true]);
      }
      expect(text.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
        [expect.stringContaining('dinov2.pth: dinov2')],
        ['matched', expect.stringMatching(/^\d+ tensors$/)],
        ['adapted', 'pos_embed: 3 x 3 positions resized to 4 x 4'],
        ['heads', '2 of the recipe, since no weights tell how many they were made with'],
      ]);
    });
    for (const tensor of weights.tensors.values()) tensor.dispose();
  });
});

describe('startFrom of a ResNet-18', () => {
  it('gives student and teacher weights and statistics of another, and says nothing of heads', async () => {
    const settings = ['objective=dino', 'recon.target=none', 'dino.hiddenDim=6', 'dino.bottleneckDim=4'];
    const config = tinyConfig(
      ...[...settings, 'dino.prototypes=7'],
      ...['model.kind=resnet18', 'model.imagePx=32', 'train.seed=3'],
    );
    const file = join(scratch, 'resnet18');
    const { objective: other } = createTrainState(config, 'float32');
    exportBackbone(file, present(other.teacher).network, config);
    const weights = present(await startWeights({ ...config.init, file }));
    torch.scope(() => {
      const { objective } = createTrainState({ ...config, train: { ...config.train, seed: 4 } }, 'float32');
      const text = startFrom(objective, weights, config.model);
      const from = present(other.teacher).network.stateDict();
      for (const network of [objective.network, present(objective.teacher).network]) {
        const taken = [...network.stateDict()].filter(([name]) => name.startsWith('encoder.'));
        expect(taken).toHaveLength(120);
        expect(taken.filter(([name, tensor]) => !tensor.equal(present(from.get(name)))).map(([name]) => name)).toEqual(
          [],
        );
      }
      expect(text).toBe(
        `${join(file, 'export', 'backbone.safetensors')}: torchvision, below encoder\n` +
          '  left out    adapter.proj.bias, adapter.proj.weight\n  matched     120 tensors',
      );
    });
    for (const tensor of weights.tensors.values()) tensor.dispose();
  });
});

describe('pretrain from weights', () => {
  it('holds the encoder still to the bit while the heads learn, the teacher with it, then trains it', async () => {
    const file = published('dinov2.pth');
    const settings = ['train.steps=6', 'init.headWarmupFraction=0.5', 'optim.weightDecay=1', `init.file=${file}`];
    const options = optionsOf(tinyConfig(...DINOV2, ...settings));
    await pretrain(options);
    const [held, trained] = [3, 6].map((step) => encoderAt(options.out, step));
    const weights = present(await startWeights(options.config.init));
    for (const [name, tensor] of weights.tensors) {
      if (name !== 'pos_embed')
        expect([name, held?.[name]]).toEqual([name, Buffer.from(tensor.toBytes()).toString('hex')]);
      tensor.dispose();
    }
    const { mask_token: _token, ...ofTeacher } = present(held);
    expect(encoderAt(options.out, 3, 'teacher.')).toEqual(ofTeacher);
    const changed = (name: string): boolean => held?.[name] !== trained?.[name];
    expect(changed('blocks.0.attn.qkv.weight') && changed('norm.weight')).toBe(true);
    const heads = [3, 6].map((step) =>
      bytesOf(join(options.out, 'checkpoints', `step-${step}`, 'model.safetensors'), 'head.mlp.0.weight'),
    );
    expect(heads[0]).not.toEqual(heads[1]);
  });

  it('is told by its folder: file and hash in the configuration, both figures and the sentence, in the summary too', async () => {
    const file = await trainedWeights();
    const heard: string[] = [];
    const options = optionsOf(tinyConfig(`init.file=${file}`), {
      judge,
      onProgress: (progress) => {
        if (progress.kind === 'header') heard.push(progress.text);
      },
    });
    const { init } = await pretrain(options);
    const { out } = options;
    const { sha256 } = readConfigFile(join(out, 'config.yaml')).init;
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    const report = JSON.parse(readFileSync(join(out, 'reports', 'init.json'), 'utf8')) as InitReport;
    expect(report).toMatchObject({ version: 1, weights: { file, sha256 }, end: { interval: { low: 0.5, high: 2 } } });
    const { before, end } = report;
    expect(end?.after.value).not.toBe(before.value);
    expect(init).toEqual({
      ...{ file, sha256, figure: 'knn', before: before.value, after: end?.after.value },
      ...{ difference: present(end).after.value - before.value, interval: { low: 0.5, high: 2 } },
      sentence: expect.stringContaining(`the new weights are better than ${file}: k-NN top-1 % of 2 photos`) as string,
    });
    expect(heard[0]).toContain(
      `start     from ${file}; encoder held for 1 steps while the rest learns, then at lr 0.00005 (init.lrMult 0.1)\n`,
    );
    expect(heard[0]).toContain(`${join(file, 'export', 'backbone.safetensors')}: dino, below encoder\n`);
    expect(heard[0]).toContain(`  heads       2, as ${join(file, 'export', 'config.json')} says`);
    expect((await pretrain({ ...options, resume: true })).init).toEqual(init); // finished: it says it again
  });

  it('stopped and resumed without the file ends as if it had never stopped, with the figure of its start', async () => {
    const file = await trainedWeights();
    const config = tinyConfig(`init.file=${file}`, 'train.steps=12', 'train.logEvery=4', 'init.headWarmupFraction=0.4');
    const [whole, parts] = [optionsOf(config, { judge }), optionsOf(config, { judge })];
    const { init } = await pretrain(whole);
    const controller = new AbortController();
    const stopping = pretrain({
      ...{ ...parts, signal: controller.signal },
      onProgress: ({ kind }) => {
        if (kind === 'row') controller.abort();
      },
    });
    await expect(stopping).rejects.toThrow('--resume goes on');
    rmSync(file, { recursive: true });
    const resumed = await pretrain({ ...parts, resume: true });
    expect(resumed.init).toEqual(init);
    expect(learnedIn(parts.out)).toEqual(learnedIn(whole.out));
    const [a, b] = [parts, whole].map(({ out }) => readFileSync(join(out, 'export', 'backbone.safetensors')));
    expect(a?.equals(present(b))).toBe(true);
  });

  it('trains on photos that allow no figure, and says so once', async () => {
    const file = await trainedWeights();
    const reason = 'the effective rank needs at least 20 photos, got 6';
    const options = optionsOf(tinyConfig(`init.file=${file}`), {
      judge: { ...judge, measure: () => Promise.resolve({ kind: 'none', reason }) },
    });
    expect(await pretrain(options)).not.toHaveProperty('init');
    const events = readFileSync(join(options.out, 'events.jsonl'), 'utf8').trimEnd().split('\n');
    const figures = events.map((line) => JSON.parse(line) as RunEvent).filter(({ kind }) => kind === 'figure');
    expect(figures.map(({ message }) => message)).toEqual([
      `whether the new weights are better will not be said: ${reason}`,
    ]);
    expect(existsSync(join(options.out, 'reports', 'init.json'))).toBe(false);
  });

  it('that fails while it measures its end can be resumed, and measures again', async () => {
    const file = await trainedWeights();
    let asked = 0;
    const gone: FeatureJudge = {
      ...judge,
      measure: (network, data) => {
        asked += 1;
        return asked === 2 ? Promise.reject(new Error('the photos are gone')) : judge.measure(network, data);
      },
    };
    const options = optionsOf(tinyConfig(`init.file=${file}`), { judge: gone });
    await expect(pretrain(options)).rejects.toThrow('the photos are gone');
    expect((await pretrain({ ...options, resume: true })).init?.sentence).toContain('better');
  });

  it('leaves no folder behind when the weights do not fit, are not there, or cannot be measured', async () => {
    const file = join(scratch, 'dino.pth');
    copyFileSync(published('dino.pth'), file);
    const cases: [settings: string[], message: RegExp][] = [
      [
        [`init.file=${file}`, 'model.widthDim=16'],
        /^.*dino\.pth: weights must fit the encoder, got widthDim 8 where it has 16, depth 2 where it has 1, mlpRatio 2 where it has 4; add --set model\.size=custom --set model\.widthDim=8 --set model\.depth=2 --set model\.numHeads=H --set model\.mlpRatio=2, with .*$/,
      ],
      [
        [`init.file=${file}`, 'model.kind=resnet18', 'model.imagePx=32'],
        /weights are of a vision transformer, .*; set model\.kind=vit$/,
      ],
      [
        [`init.file=${await trainedWeights()}`, 'model.numHeads=4'],
        /got numHeads 2 in .*export\/config\.json where it has 4; add --set model\.size=custom .* --set model\.numHeads=2$/,
      ],
      [['init.file=/nowhere'], /got \/nowhere, which does not exist/],
      [[`init.file=${file}`, 'model.depth=2', 'model.mlpRatio=2'], /^too few photos$/],
    ];
    const fewPhotos: FeatureJudge = { ...judge, measure: () => Promise.reject(new Error('too few photos')) };
    for (const [settings, message] of cases) {
      const options = optionsOf(tinyConfig(...settings), { judge: fewPhotos });
      await expect(pretrain(options)).rejects.toThrow(message);
      expect(existsSync(options.out)).toBe(false);
    }
  });
});

describe('verdictText', () => {
  const figure = (kind: FeatureFigure['kind'], value: number): FeatureFigure => ({
    ...{ kind, value, outcomes: [], numPhotos: 3000, protocol: '' },
  });
  const said = (kind: FeatureFigure['kind'], before: number, after: number, low: number, high: number): string =>
    verdictText({ weights: { file: 'a.pth', sha256: '' }, before: figure(kind, before) }, figure(kind, after), {
      ...{ difference: after - before, interval: { low, high } },
    });

  it('is a verdict only where the interval has no zero in it', () => {
    expect(said('knn', 40, 42.5, 1.04, 3.9)).toBe(
      'the new weights are better than a.pth: k-NN top-1 % of 3000 photos 40.0 to 42.5, +2.5 [+1.0, +3.9]',
    );
    expect(said('knn', 40, 38, -3, -1)).toMatch(/are worse than a\.pth: .*; keep those, or lower init\.lrMult$/);
    expect(said('knn', 40, 41, -1, 3)).toContain('are neither better nor worse, as far as can be told, than a.pth: ');
  });

  it('of the rank says that it is a hint', () => {
    expect(said('effectiveRank', 20, 25, 4, 6)).toBe(
      'the new weights are perhaps better than a.pth: effective rank over 3000 photos 20.0 to 25.0, +5.0 [+4.0, +6.0], ' +
        'a hint only, since photos without classes allow no k-NN',
    );
  });
});
