// The models whose training step is measured: complete configurations, which both sides get.
import { loadRecipe } from '../packages/ssl/dist/config/recipe.js';

/** VICReg with the settings of the paper's recipe at 224 px; a step sees `batch` pairs of views. */
function paper(shape, batch, target) {
  return (threads) =>
    loadRecipe('paper/vicreg-rot', [
      ...Object.entries({ size: 'custom', ...shape }).map(([key, value]) => `model.${key}=${value}`),
      ...[`train.batch=${batch}`, `train.threads=${threads}`, `recon.target=${target}`, 'optim.clipNorm=3'],
    ]);
}

function quickstart(target) {
  return (threads) => loadRecipe('quickstart', [`train.threads=${threads}`, `recon.target=${target}`]);
}

const TINY = { widthDim: 192, depth: 12, numHeads: 3 };
const SMALL = { widthDim: 384, depth: 12, numHeads: 6 };

/** Name and, for a number of threads, the configuration of each model that is compared with PyTorch. */
export const COMPARED_MODELS = [
  ['ViT-Ti/16, 224 px, 16 pairs, VICReg', paper(TINY, 16, 'none')],
  ['ViT-S/16, 224 px, 8 pairs, VICReg', paper(SMALL, 8, 'none')],
  ['quickstart without task, 32 px, 64 pairs, VICReg', quickstart('none')],
  ['quickstart with task, 32 px, 64 pairs, VICReg', quickstart('rotation')],
];

/** The paper's model with and without its task: what the task costs. */
export const TASK_MODEL = {
  name: 'the task on ViT-S/16, 224 px, 8 pairs, VICReg, rotation',
  withTask: paper(SMALL, 8, 'rotation'),
  without: paper(SMALL, 8, 'none'),
};
