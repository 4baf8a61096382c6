/** The recipes that come with the program, and files of the user's own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from './parse.js';
import { configText, loadRecipe, readConfigFile, recipeNames } from './recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'halfway-recipe-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('shipped recipes', () => {
  it('are these, and each can be loaded', () => {
    expect(recipeNames()).toEqual([
      ...['paper/dino', 'paper/dinov2', 'paper/dinov2-rot', 'paper/dinov2-se2'],
      ...['paper/ibot', 'paper/ibot-rot', 'paper/ibot-se2'],
      ...['paper/sie', 'paper/sie-blur', 'paper/sie-color', 'paper/sie-rot', 'paper/sie-trans'],
      ...['paper/simclr', 'paper/simclr-rot', 'paper/simclr-se2'],
      ...['paper/vicreg', 'paper/vicreg-blur', 'paper/vicreg-color', 'paper/vicreg-rot', 'paper/vicreg-se2'],
      ...['paper/vicreg-trans', 'quickstart'],
      ...['small/dino', 'small/dino-rot', 'small/dino-se2', 'small/dinov2', 'small/dinov2-rot', 'small/dinov2-se2'],
      ...['small/ibot', 'small/ibot-rot', 'small/ibot-se2', 'small/sie', 'small/sie-rot'],
      ...['small/simclr', 'small/simclr-rot', 'small/simclr-se2'],
      ...['small/vicreg', 'small/vicreg-rot', 'small/vicreg-rot-augself', 'small/vicreg-rot-crossattn'],
      'small/vicreg-se2',
    ]);
    for (const name of recipeNames()) expect(loadRecipe(name).train.steps).toBeGreaterThan(0);
  });

  it('say where they come from, what to type, how long it takes, what to expect and what was run last', () => {
    for (const name of recipeNames()) {
      const text = readFileSync(fileURLToPath(new URL(`../../../../recipes/${name}.yaml`, import.meta.url)), 'utf8');
      for (const heading of ['# Source: ', '# Command: npx halfway ', '# Time: ', '# Expected: ', '# Last run: ']) {
        expect([name, heading, text.includes(heading)]).toEqual([name, heading, true]);
      }
      // A score, or that there is none.
      expect([name, /^# Expected: .*(\d|never measured|no figures)/m.test(text)]).toEqual([name, true]);
    }
  });

  const TARGETS = { rot: 'rotation', se2: 'se2', color: 'color', blur: 'blur', trans: 'translation' };
  // What the task has in either folder beside its target, and the recipe whose decoders the others have.
  const TASKS = {
    paper: { settings: [], decoders: 'paper/vicreg-rot' },
    small: { settings: ['recon.lambda=25', 'recon.fill=content'], decoders: 'small/vicreg-rot' },
  };
  // The features that a base of the paper gives up for the task: its loss reads all of them without (its section 4.1).
  const GIVEN_UP = {
    ibot: ['split.equivariantDim=2048', 'ibot.prototypes=6144'], // of the 8,192 outputs of the head
    dinov2: ['split.equivariantDim=512', 'dinov2.koleoInput=invariant'],
    simclr: ['split.equivariantDim=512'],
    vicreg: ['split.equivariantDim=256', 'vicreg.expander=[1024, 1024, 1024]'],
    sie: [],
  };

  it('differ in the target only from the recipe that has none in its name', () => {
    const siblings = recipeNames().flatMap((name) => {
      const [, folder = '', objective = '', target = ''] = /^(\w+)\/(\w+)-([a-z]+\d?)$/.exec(name) ?? [];
      return target === '' ? [] : [{ name, folder, objective, target }];
    });
    expect(siblings.length).toBe(26);
    for (const { name, folder, objective, target } of siblings) {
      const value = TARGETS[target as keyof typeof TARGETS];
      const { settings, decoders } = TASKS[folder as keyof typeof TASKS];
      const changes = objective === 'sie' ? [`sie.target=${value}`] : [`recon.target=${value}`, ...settings];
      if (folder === 'paper') changes.push(...GIVEN_UP[objective as keyof typeof GIVEN_UP]);
      const plain = loadRecipe(`${folder}/${objective}`, changes);
      const recipe = loadRecipe(name);
      expect([name, recipe]).toEqual([name, { ...plain, decoder: recipe.decoder }]);
      if (objective !== 'sie') expect([name, recipe.decoder]).toEqual([name, loadRecipe(decoders).decoder]);
    }
  });

  it('have the same task in what is compared with small/vicreg-rot', () => {
    const task = loadRecipe('small/vicreg-rot');
    const rivals = ['small/vicreg-rot-augself', 'small/vicreg-rot-crossattn'].map((name) => loadRecipe(name));
    for (const rival of rivals) {
      const { of, concat, intermediates, includeFinal, lambda } = task.recon; // a rival's rate and lambda are its own, of a grid
      const recon = { ...rival.recon, of, concat, intermediates, includeFinal, lambda };
      const optim = { ...rival.optim, lr: task.optim.lr };
      expect({ ...rival, recon, optim, decoder: task.decoder }).toEqual(task);
    }
  });

  it('small ones can be run at 64 px, as their headers say', () => {
    for (const name of recipeNames().filter((name) => name.startsWith('small/'))) {
      expect(loadRecipe(name, ['model.imagePx=64']).model.imagePx).toBe(64);
    }
  });

  it("the paper's follow what the paper fixes", () => {
    const photos = 1_281_167; // ImageNet-1k
    const facts = recipeNames()
      .filter((name) => name.startsWith('paper/') && !/\/(dino|sie)\b/.test(name))
      .map((name) => {
        const { model, train, recon, split, optim, augment } = loadRecipe(name);
        if (!name.startsWith('paper/ibot')) {
          // "all" is DINOv2's augmentation, with the odds of its blur as in its code.
          const { cropScale, blurProb, blurKernelPx } = augment;
          expect([name, cropScale, blurProb, blurKernelPx]).toEqual([name, [0.32, 1], [0, 0.9], 9]);
        }
        expect([name, model.patch, model.imagePx, optim.algorithm]).toEqual([name, 16, 224, 'adamw']);
        expect([name, recon.lambda, recon.intermediates, recon.fill]).toEqual([name, 1, 2, 'zeros']);
        const features = split.location === 'head_output' ? 'head' : split.dim;
        const kind = name.includes('-') ? 'task' : 'base';
        return [name.split(/[/-]/)[1], model.size, train.batch, train.steps, kind, features, split.equivariantDim].join(
          ' ',
        );
      });
    const [ibotSteps, simclrSteps, vicregSteps] = [
      Math.ceil((250 * photos) / 1024),
      Math.ceil((100 * photos) / 2048), // the paper is silent
      Math.ceil((800 * photos) / 2048),
    ];
    expect([...new Set(facts)]).toEqual([
      'dinov2 large 2048 125000 base 2048 0', // 100 epochs of 1,250 steps (E.5-27)
      'dinov2 large 2048 125000 task 2048 512',
      `ibot large 1024 ${ibotSteps} base head 0`,
      `ibot large 1024 ${ibotSteps} task head 2048`, // of the 8,192 of its head
      `simclr large 2048 ${simclrSteps} base 2048 0`,
      `simclr large 2048 ${simclrSteps} task 2048 512`,
      `vicreg small 2048 ${vicregSteps} base 512 0`,
      `vicreg small 2048 ${vicregSteps} task 512 256`,
    ]);
    const rateOf = (name: string): readonly [lr: number, lrScaling: string] => {
      const { lr, lrScaling } = loadRecipe(name).optim;
      return [lr, lrScaling];
    };
    expect(rateOf('paper/vicreg')).toEqual([1e-4, 'linear_256']);
    expect(rateOf('paper/ibot')).toEqual([5e-4, 'linear_256']);
    expect(rateOf('paper/dinov2')).toEqual([4e-3, 'sqrt_1024']);
  });

  // What the authors ran, key by key; a fraction is a number of epochs over those of the run. Sources: iBOT's README and main_ibot.py, DINOv2's
  // ssl_default_config.yaml and vitl16_short.yaml, DINO's README and main_dino.py.
  const RISES = { temps: [0.04, 0.07], stairs: 30 };
  const DECAY = {
    algorithm: 'adamw',
    minLr: 1e-6,
    weightDecay: 0.04,
    weightDecayEnd: 0.4,
    decayTokens: true,
    clipNorm: 3,
  };
  const BY_PARAMETER = { ...DECAY, lr: 5e-4, lrScaling: 'linear_256', layerDecay: 1, clipOver: 'parameter' };
  const HEAD = { hiddenDim: 2048, bottleneckDim: 256, headInitStd: 0.02, studentTemp: 0.1, centerMomentum: 0.9 };
  const JITTER = {
    jitterProb: 0.8,
    brightness: 0.4,
    contrast: 0.4,
    saturation: 0.2,
    hue: 0.1,
    grayProb: 0.2,
    flipProb: 0.5,
  };
  const AUTHORS = {
    ibot: {
      model: {
        size: 'large',
        dropPathRate: 0.1,
        dropPathForm: 'image',
        layerScale: 0,
        init: 'ibot',
        positionResize: 'offset',
      },
      ibot: {
        ...{ ...HEAD, sharedHead: true, normLastLayer: false, teacherMomentum: 0.996, patchCenterMomentum: 0.9 },
        ...{
          clsWeight: 1,
          patchWeight: 1,
          masks: {
            ratios: [
              [0, 0],
              [0.3, 0.2],
            ],
            shape: 'block',
          },
        },
        ...{
          teacherTemp: { ...RISES, warmupFraction: 30 / 250 },
          patchTeacherTemp: { ...RISES, warmupFraction: 30 / 250 },
        },
      },
      augment: { ...JITTER, cropScale: [0.25, 1], local: { count: 10, cropPx: 96, cropScale: [0.05, 0.25] } },
      optim: {
        ...BY_PARAMETER,
        warmupFraction: 10 / 250,
        freezeLastLayerFraction: 1 / 250,
        freezeLastLayerBy: 'dropping_gradient',
      },
    },
    dinov2: {
      model: {
        ...{
          size: 'large',
          dropPathRate: 0.3,
          dropPathSchedule: 'uniform',
          dropPathForm: 'batch_subset',
          layerScale: 1e-5,
        },
        ...{ init: 'dinov2', ffn: 'mlp', numRegisters: 0, positionResize: 'offset' },
      },
      dinov2: {
        ...{ ...HEAD, prototypes: 65536, untiedHead: false, targets: 'centering', teacherMomentum: 0.992 },
        ...{ clsWeight: 1, patchWeight: 1, koleoWeight: 0.1, koleoGroup: 32, koleoEps: 'as_code' },
        ...{ teacherTemp: { temps: [0.04, 0.07], stairs: 0, warmupFraction: 30 / 100 } },
        ...{ masks: { maskedFraction: 0.5, ratios: [0.1, 0.5], largestBlock: 'as_code' } },
      },
      augment: { ...JITTER, cropScale: [0.32, 1], local: { count: 8, cropPx: 96, cropScale: [0.05, 0.32] } },
      optim: {
        ...{ ...DECAY, lr: 4e-3, lrScaling: 'sqrt_1024', layerDecay: 0.9, patchEmbedLrMult: 0.2, clipOver: 'module' },
        ...{ warmupFraction: 10 / 100, freezeLastLayerFraction: 1 / 100, freezeLastLayerBy: 'zero_lr' },
      },
    },
    dino: {
      model: {
        size: 'small',
        dropPathRate: 0.1,
        dropPathForm: 'image',
        layerScale: 0,
        init: 'ibot',
        positionResize: 'offset',
      },
      split: { location: 'backbone', equivariantDim: 0 },
      dino: {
        ...{ ...HEAD, prototypes: 65536, normLastLayer: false, teacherMomentum: 0.996 },
        teacherTemp: { ...RISES, warmupFraction: 30 / 300 },
      },
      augment: { ...JITTER, cropScale: [0.4, 1], local: { count: 8, cropPx: 96, cropScale: [0.05, 0.4] } },
      optim: {
        ...{ ...BY_PARAMETER, warmupFraction: 0.033333, freezeLastLayerFraction: 0.0033333 }, // 10 and 1 of 300
        freezeLastLayerBy: 'dropping_gradient',
      },
      train: { batch: 1024, steps: Math.ceil((300 * 1_281_167) / 1024) },
    },
  };

  it.each(Object.entries(AUTHORS))('of %s have every value of its authors, with the task too', (objective, values) => {
    const names = recipeNames().filter((name) => new RegExp(`^paper/${objective}(-|$)`).test(name));
    expect(names.length).toBe(objective === 'dino' ? 1 : 3);
    for (const name of names) expect(loadRecipe(name)).toMatchObject(values);
  });

  it("KoLeo of the paper's DINOv2 spreads the encoder's class tokens, and with the task the invariant part", () => {
    expect(loadRecipe('paper/dinov2').dinov2.koleoInput).toBe('backbone');
    expect(loadRecipe('paper/dinov2-rot').dinov2.koleoInput).toBe('invariant');
  });

  it('what a section leaves out is as the authors ran it', () => {
    const { dinov2, ibot, dino, model } = parseConfig({}, 'defaults');
    expect(dinov2.masks).toEqual({ maskedFraction: 0.5, ratios: [0.1, 0.5], largestBlock: 'as_code' });
    expect(ibot.masks).toEqual({
      ratios: [
        [0, 0],
        [0.3, 0.2],
      ],
      shape: 'block',
    });
    expect([dino, ibot, dinov2].map(({ teacherMomentum }) => teacherMomentum)).toEqual([0.996, 0.996, 0.992]);
    expect(model.positionResize).toBe('offset');
  });
});

describe('loadRecipe', () => {
  it('reads a file of the user with settings on top', () => {
    const path = write('mine.yaml', 'train: { batch: 8 }\n');
    const { train } = loadRecipe(path, ['train.steps=7']);
    expect([train.batch, train.steps]).toEqual([8, 7]);
  });

  it('writes out what a named size is, and refuses a setting that it overrides', () => {
    const { widthDim, depth, numHeads } = loadRecipe('small/vicreg-rot', ['model.size=large']).model;
    expect([widthDim, depth, numHeads]).toEqual([1024, 24, 16]);
    expect(() => loadRecipe('paper/vicreg-rot', ['model.depth=3'])).toThrow(
      '--set model.depth: is read only with model.size custom, got small; leave it out, or set both',
    );
    expect(loadRecipe('paper/vicreg-rot', ['model.depth=3', 'model.size=custom']).model.depth).toBe(3);
  });

  it.each([
    ['dinov2.koleoWeight=1', 'dinov2.koleoWeight: is read only with objective dinov2, got vicreg'],
    ['model.resnet.stem=small', 'model.resnet.stem: is read only with model.kind resnet18, got vit'],
    ['decoder.channels=8', 'decoder.channels: is read only with recon.target other than none, got none'],
    ['transform.prob=0.5', 'transform.prob: is read only with transformation other than none, got none'],
    ['init.lrMult=0.5', 'init.lrMult: is read only with init.file other than none, got none'],
  ])('refuses the setting %s, which nothing reads', (setting, message) => {
    expect(() => loadRecipe('small/vicreg', [setting])).toThrow(`--set ${message}; leave it out, or set both`);
  });

  it('takes settings of another objective, encoder or task beside one that names it', () => {
    const settings = ['simclr.temperature=0.5', 'objective=simclr', 'model.resnet.stem=small', 'model.kind=resnet18'];
    const { objective, recon } = loadRecipe('small/vicreg', [...settings, 'recon.lambda=5', 'recon.target=se2']);
    expect([objective, recon.lambda]).toEqual(['simclr', 5]);
    expect(loadRecipe('small/vicreg-rot', ['recon.target=none']).recon.lambda).toBe(25); // what the recipe has stays
  });

  it('names the nearest recipe for a name that does not exist', () => {
    expect(() => loadRecipe('smal/vicreg')).toThrow(
      '--recipe: must be the name of a recipe or a .yaml file, got smal/vicreg; did you mean small/vicreg?',
    );
    expect(() => loadRecipe('nothing-like-it')).toThrow('there are paper/dino, paper/dinov2,');
  });

  it('says where a file is not YAML, or not a tree of keys', () => {
    expect(() => loadRecipe(write('broken.yaml', 'train: {'))).toThrow('broken.yaml: must be readable YAML, got');
    expect(() => loadRecipe(write('twice.yaml', 'train: {}\ntrain: {}\n'))).toThrow('must be readable YAML');
    expect(() => loadRecipe(write('list.yaml', '- 1\n'))).toThrow('the top level: must be a section of keys, got [1]');
  });

  it('a resolved configuration written as text reads back as it was', () => {
    const config = loadRecipe('small/vicreg-rot');
    expect(readConfigFile(write('config.yaml', configText(config)))).toEqual(config);
  });
});
