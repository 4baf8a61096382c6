/**
 * The losses as pure functions on tensors, for a training loop of one's own.
 * @module objectives
 */

export { augselfLoss } from './augself.js';
export { centeredTargets, nextCenter } from './centering.js';
export { dinoLoss } from './dinoLoss.js';
export { ibotLoss, maskedPatches, type MaskedPatches } from './ibotLoss.js';
export { koleoLoss, type KoleoOptions } from './koleoLoss.js';
export { ntXentLoss } from './ntXent.js';
export { reconstructionLoss, type ReconstructionLossOptions } from './reconstructionLoss.js';
export { sieLoss, sieTerms, type SieEmbeddings, type SieTerms, type SieWeights } from './sie.js';
export { sinkhorn } from './sinkhorn.js';
export { vicregLoss, vicregTerms, type VicregTerms, type VicregWeights } from './vicreg.js';
