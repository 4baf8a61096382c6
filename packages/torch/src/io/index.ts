/**
 * Tensors in files.
 * @module io
 */

import '../tensor.js'; // makes the class known to what builds tensors, for who imports nothing else

export { type LoadOptions, type SafetensorsFile, loadSafetensors, saveSafetensors } from './safetensors.js';
export { SafetensorsError } from './safetensorsError.js';
export { readTensorBytes } from './tensorBytes.js';
