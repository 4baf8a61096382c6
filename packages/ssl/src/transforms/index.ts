/**
 * The transformations g_theta and their paths, for a training loop of one's own: each draws its theta (`sample`), goes a part of the
 * way (`at`) and acts on images (`apply`); `renderPath` makes u, u_1 .. u_K and v2 of a batch.
 * @module transforms
 */

export { blur } from './blur.js';
export { color } from './color.js';
export { type PathOptions, type RenderedPath, renderPath, validRegion } from './path.js';
export { uniformStream } from './philox.js';
export { denormalize, normalize } from './pixels.js';
export { rotation } from './rotation.js';
export { sampleThetas } from './sampleThetas.js';
export { scaledTheta } from './scaledTheta.js';
export { se2 } from './se2.js';
export { sequence } from './sequence.js';
export type { Fill, ParameterSpec, Transformation, UniformDraw } from './transformation.js';
export { translation, type TranslationConfig } from './translation.js';
