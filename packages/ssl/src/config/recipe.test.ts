/** The recipes that come with the program, and files of the user's own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
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
  // The features that a base of the paper gives up for the task: its loss reads all of them without (arXiv 2503.18753v2, 4.1).
  const GIVEN_UP = {
    ibot: ['split.equivariantDim=2048', 'ibot.prototypes=6144'], // of the 8,192 outputs of the head
    dinov2: ['split.equivariantDim=512'],
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

  it("the paper's follow what the paper fixes (arXiv 2503.18753v2, 4.1)", () => {
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

  // DINOv2 `ssl_default_config.yaml`; iBOT README, the command of ViT-S/16; DINO `main_dino.py`, its defaults.
  it("DINOv2's have its configuration's values, and iBOT's and DINO's theirs", () => {
    const { model, dinov2, augment, optim } = loadRecipe('paper/dinov2');
    expect([model.layerScale, model.dropPathRate, model.dropPathSchedule]).toEqual([1e-5, 0.3, 'uniform']);
    expect([dinov2.prototypes, dinov2.teacherMomentum, dinov2.targets, dinov2.koleoWeight]).toEqual([
      ...[65536, 0.992, 'centering', 0.1],
    ]);
    expect([augment.cropScale, augment.local.count, augment.local.cropScale]).toEqual([[0.32, 1], 8, [0.05, 0.32]]);
    expect([optim.layerDecay, optim.patchEmbedLrMult, optim.clipNorm, optim.clipOver]).toEqual([0.9, 0.2, 3, 'module']);

    const ibot = loadRecipe('paper/ibot');
    expect([ibot.augment.cropScale, ibot.augment.local.count, ibot.augment.local.cropScale]).toEqual([
      ...[[0.25, 1], 10, [0.05, 0.25]],
    ]);
    expect([ibot.ibot.prototypes, ibot.ibot.teacherTemp.warmupFraction * 250]).toEqual([8192, 30]);
    expect([ibot.optim.warmupFraction * 250, ibot.optim.freezeLastLayerFraction * 250]).toEqual([10, 1]);

    const dino = loadRecipe('paper/dino');
    expect([dino.train.batch, dino.train.steps]).toEqual([1024, Math.ceil((300 * 1_281_167) / 1024)]);
    expect([dino.split.location, ibot.ibot.sharedHead]).toEqual(['backbone', true]); // the heads read the encoder
    expect([dino.augment.cropScale, dino.augment.local.count, dino.augment.local.cropScale]).toEqual([
      ...[[0.4, 1], 8, [0.05, 0.4]],
    ]);
  });
});

describe('loadRecipe', () => {
  it('reads a file of the user with settings on top', () => {
    const path = write('mine.yaml', 'train: { batch: 8 }\n');
    const { train } = loadRecipe(path, ['train.steps=7']);
    expect([train.batch, train.steps]).toEqual([8, 7]);
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
