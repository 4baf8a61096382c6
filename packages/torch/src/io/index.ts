// @halfway/torch/io: tensors in files.

export { loadSafetensors, saveSafetensors, type SafetensorsFile } from './safetensors.js';
export { SafetensorsError } from './safetensorsError.js';
