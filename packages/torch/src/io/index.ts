// @halfway/torch/io: tensors in files.

import '../tensor.js'; // makes the class known to what builds tensors, for who imports nothing else

export { loadSafetensors, saveSafetensors, type SafetensorsFile } from './safetensors.js';
export { SafetensorsError } from './safetensorsError.js';
