/** For tests: stored values and generated lists are those of the libtorch that `setup` brings; older ones differ in a few named places. */
import { libtorchVersion } from './engine.js';
import { isOlderVersion } from './setup/cpu.js';
import { wheelPins } from './setup/wheelPins.js';

export const isNewestLibtorch = !isOlderVersion(libtorchVersion(), wheelPins.cpu[0].version);
