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
const BASE = { widthDim: 768, depth: 12, numHeads: 12 };

const QUICKSTART = [
  ['quickstart without task, 32 px, 64 pairs, VICReg', quickstart('none')],
  ['quickstart with task, 32 px, 64 pairs, VICReg', quickstart('rotation')],
];

/** Name and, for a number of threads, the configuration of each model that is compared with PyTorch on the CPU. */
export const COMPARED_MODELS = [
  ['ViT-Ti/16, 224 px, 16 pairs, VICReg', paper(TINY, 16, 'none')],
  ['ViT-S/16, 224 px, 8 pairs, VICReg', paper(SMALL, 8, 'none')],
  ...QUICKSTART,
];

/** The same on a GPU, with batches that fill it. */
const COMPARED_ON_GPU = [
  ['ViT-S/16, 224 px, 128 pairs, VICReg', paper(SMALL, 128, 'none')],
  ['ViT-B/16, 224 px, 64 pairs, VICReg', paper(BASE, 64, 'none')],
  ...QUICKSTART,
];

/** The paper's model with and without its task: what the task costs. */
function taskModel(batch) {
  return {
    name: `the task on ViT-S/16, 224 px, ${batch} pairs, VICReg, rotation`,
    withTask: paper(SMALL, batch, 'rotation'),
    without: paper(SMALL, batch, 'none'),
  };
}

/** What `step` measures on a device. */
export function stepModels(device) {
  const compared = device === 'cuda' ? COMPARED_ON_GPU : COMPARED_MODELS;
  const onDevice = (configOf) => (threads) => {
    const config = configOf(threads);
    return { ...config, train: { ...config.train, device } };
  };
  const { name, withTask, without } = taskModel(device === 'cuda' ? 128 : 8);
  return {
    compared: compared.map(([title, configOf]) => [title, onDevice(configOf)]),
    task: { name, withTask: onDevice(withTask), without: onDevice(without) },
  };
}
