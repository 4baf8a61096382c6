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

// arXiv 2503.18753, Table 3: how much longer the task makes training.
const TASK_BATCH = 2;
const MAX_TASK_RATIOS = { vicreg: 1.147, ibot: 1.083, dinov2: 1.072 };

/** The paper's model with and without its task: what the task costs. */
function taskModel(batch) {
  return {
    name: `the task on ViT-S/16, 224 px, ${batch} pairs, VICReg, rotation`,
    withTask: paper(SMALL, batch, 'rotation'),
    without: paper(SMALL, batch, 'none'),
    maxRatio: MAX_TASK_RATIOS.vicreg,
  };
}

/** A recipe with ViT-S and settings of its own; nothing is drawn in it, so that both sides have the same loss. */
function plain(recipe, ...settings) {
  const shape = Object.entries({ size: 'custom', ...SMALL }).map(([key, value]) => `model.${key}=${value}`);
  const fixed = [
    'model.dropPathRate=0',
    'split.location=adapter',
    'split.dim=512',
    'split.equivariantDim=128',
    'optim.clipNorm=3',
  ];
  return (threads) => loadRecipe(recipe, [...shape, ...fixed, ...settings, `train.threads=${threads}`]);
}

/** Name and, for a number of threads, the configuration of each base that is compared with PyTorch. */
export const OBJECTIVE_MODELS = [
  [
    'iBOT ViT-S/16, 224 px, 2 global and 4 local views of 8 photos',
    plain('paper/ibot', 'train.batch=8', 'augment.local.count=4'),
  ],
  [
    'DINOv2 ViT-S/14, 224 px, 2 global and 8 local views of 4 photos, 65,536 prototypes, Sinkhorn',
    plain(
      'paper/dinov2',
      ...['train.batch=4', 'model.patch=14', 'augment.local.cropPx=98', 'dinov2.targets=sinkhorn'],
      // LayerScale begins at 1: at 1e-5 the first loss would say nothing of the blocks. Rates of layers are the optimizer's, and few groups.
      ...['model.layerScale=1', 'optim.layerDecay=1', 'optim.patchEmbedLrMult=1'],
    ),
  ],
  ['SimCLR ViT-S/16, 224 px, 8 pairs', plain('paper/simclr', 'train.batch=8')],
];

/** The paper's recipes of ViT-L/16 with and without the task, at a batch that fits 16 GiB. */
export const PAPER_TASKS = ['ibot', 'dinov2'].map((base) => {
  const configOf = (recipe) => (threads) =>
    loadRecipe(recipe, [`train.batch=${TASK_BATCH}`, `train.threads=${threads}`]);
  return {
    name: `the task on ViT-L/16, 224 px, ${TASK_BATCH} photos, paper/${base}-rot`,
    withTask: configOf(`paper/${base}-rot`),
    without: configOf(`paper/${base}`),
    maxRatio: MAX_TASK_RATIOS[base],
  };
});

/** What `step` measures on a device. */
export function stepModels(device) {
  const compared = device === 'cuda' ? COMPARED_ON_GPU : COMPARED_MODELS;
  const onDevice = (configOf) => (threads) => {
    const config = configOf(threads);
    return { ...config, train: { ...config.train, device } };
  };
  const { withTask, without, ...what } = taskModel(device === 'cuda' ? 128 : 8);
  return {
    compared: compared.map(([title, configOf]) => [title, onDevice(configOf)]),
    task: { ...what, withTask: onDevice(withTask), without: onDevice(without) },
  };
}
