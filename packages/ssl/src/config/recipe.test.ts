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
      ...['paper/simclr', 'paper/simclr-rot', 'paper/simclr-se2', 'paper/vicreg-rot', 'quickstart'],
      ...['small/dino', 'small/dinov2', 'small/ibot'],
      ...['small/sie', 'small/sie-rot', 'small/simclr', 'small/simclr-rot', 'small/vicreg', 'small/vicreg-rot'],
      ...['small/vicreg-rot-augself', 'small/vicreg-rot-crossattn'],
    ]);
    for (const name of recipeNames()) expect(loadRecipe(name).train.steps).toBeGreaterThan(0);
  });

  it('say where they come from, what to type, how long it takes and what to expect', () => {
    for (const name of recipeNames()) {
      const text = readFileSync(fileURLToPath(new URL(`../../../../recipes/${name}.yaml`, import.meta.url)), 'utf8');
      for (const heading of ['# Source: ', '# Command: npx halfway ', '# Time: ', '# Expected: ']) {
        expect([name, heading, text.includes(heading)]).toEqual([name, heading, true]);
      }
    }
  });

  it('differ in the task only, where one is the plain base of the other', () => {
    const plain = loadRecipe('small/vicreg', ['recon.target=rotation', 'recon.lambda=25', 'recon.fill=content']);
    const task = loadRecipe('small/vicreg-rot');
    expect({ ...plain, decoder: task.decoder }).toEqual(task);
    const simclr = loadRecipe('small/simclr', ['recon.target=rotation', 'recon.lambda=25', 'recon.fill=content']);
    expect({ ...simclr, decoder: task.decoder }).toEqual(loadRecipe('small/simclr-rot'));
    const rivals = ['small/vicreg-rot-augself', 'small/vicreg-rot-crossattn'].map((name) => loadRecipe(name));
    for (const rival of rivals) {
      const { of, concat, intermediates, includeFinal } = task.recon;
      const recon = { ...rival.recon, of, concat, intermediates, includeFinal };
      expect({ ...rival, recon, decoder: task.decoder }).toEqual(task);
    }
  });

  it('small ones can be run at 64 px, as their headers say', () => {
    for (const name of recipeNames().filter((name) => name.startsWith('small/'))) {
      expect(loadRecipe(name, ['model.imagePx=64']).model.imagePx).toBe(64);
    }
  });

  it("the paper's follows what the paper fixes (E.1)", () => {
    const { model, train, optim, recon, split } = loadRecipe('paper/vicreg-rot');
    expect([model.size, model.patch, model.imagePx]).toEqual(['small', 16, 224]);
    expect([train.batch, train.steps]).toEqual([2048, Math.ceil((800 * 1_281_167) / 2048)]);
    expect([optim.lr, optim.lrPer256]).toEqual([1e-4, true]);
    expect([recon.lambda, recon.intermediates, recon.fill, split.dim, split.equivariantDim]).toEqual([
      ...[1, 2, 'zeros', 512, 256],
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
    expect(() => loadRecipe('nothing-like-it')).toThrow('there are paper/simclr, paper/simclr-rot,');
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
