// From decoded photos to the views that an objective sees (crop, flip, jitter, gray, blur, solarize, then g and its path), one core each,
// against torchvision v2, image by image from PIL, and kornia, batched; whichever is faster counts.
import { loadRecipe } from '../packages/ssl/dist/config/recipe.js';
import { contest } from './contest.mjs';
import { rowOf } from './row.mjs';

const OURS = new URL('./ours/views.mjs', import.meta.url);
const TORCHVISION = new URL('./peers/torchvision_views.py', import.meta.url);
const KORNIA = new URL('./peers/kornia_views.py', import.meta.url);
const DTYPE = 'float32';
const CASES = [
  [128, 64],
  [32, 224],
];
const SOURCE_PX = 256; // photos are brought to one size first, since kornia takes nothing else
const MAX_RATIO = 0.5;

/** The rows of this suite. */
export async function rows(context) {
  const made = [];
  for (const [batch, sizePx] of CASES) {
    const name = `both views and the path, ${batch} photos, ${sizePx} px`;
    if (!context.begins(name, DTYPE)) continue;
    const config = loadRecipe('small/vicreg-rot', [`model.imagePx=${sizePx}`, `train.batch=${batch}`]);
    const torchvision = (title, backend) => context.side(title, TORCHVISION, { options: { backend } });
    const sides = {
      ours: context.side('halfway', OURS),
      peers: [
        torchvision('torchvision v2 on PIL images', 'pil'),
        torchvision('torchvision v2 on tensors', 'tensor'),
        context.side('kornia', KORNIA),
      ],
    };
    const options = { config, files: context.photos(batch).files.slice(0, batch), sourcePx: SOURCE_PX };
    const { ours, peers } = await contest(sides, options, context.pace);
    made.push(rowOf({ name, dtype: DTYPE, maxRatio: MAX_RATIO }, ours, peers));
  }
  return made;
}
