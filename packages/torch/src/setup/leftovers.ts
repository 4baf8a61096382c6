// What an interrupted set-up leaves in the cache: files and folders made aside that were never renamed into place.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheFolder } from './cacheFolder.js';
import { listFolder } from './libtorch.js';

/** Removes what an interrupted set-up left. The caller holds the set-up lock, so nothing of it is in use. */
export function removeLeftovers(cache: CacheFolder): void {
  for (const folder of [cache.libtorch, cache.addon, cache.objects, cache.downloads]) {
    for (const name of listFolder(folder).filter((entry) => /^\.(partial|old)-/.test(entry))) {
      // The pip of a set-up that was killed may live on for a while and still write here.
      rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 10 });
    }
  }
}
