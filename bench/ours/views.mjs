// The views of a batch: crops as a decode process makes them, then what happens on the device.
import { readFileSync } from 'node:fs';
import * as torch from '@halfway/torch';
import { PhotoDecoder } from '../../packages/ssl/dist/data/decode/decodePhoto.js';
import { renderPhoto, resizeBox, uprightPhoto } from '../../packages/ssl/dist/data/decode/renderPhoto.js';
import { deviceBatch } from '../../packages/ssl/dist/data/device.js';
import { cropRequest } from '../../packages/ssl/dist/data/feed.js';
import { Ring, ringLayout } from '../../packages/ssl/dist/data/ring.js';
import { createObjective } from '../../packages/ssl/dist/objectives/create.js';
import { serve } from './serve.mjs';

async function prepare({ config, files, sourcePx }) {
  torch.setNumThreads(1);
  const { seed, batch } = config.train;
  const { views } = createObjective(config, torch.generator(seed));
  const request = {
    kind: 'views',
    seed,
    views: views.map((view) => cropRequest(view, config.augment)),
    augment: config.augment,
  };
  const canvasPx = request.views.map((view) => view.canvasPx);
  const layout = ringLayout(1, batch, canvasPx);
  const ring = new Ring(new ArrayBuffer(layout.totalBytes), layout);
  const photos = await decodeAll(files, sourcePx);
  let epoch = 0; // other draws each time
  const run = () => {
    const drawn = photos.map((_, index) => ({ epoch, index }));
    epoch += 1;
    const start = performance.now();
    for (const [slot, photo] of photos.entries()) {
      renderPhoto(photo, request, { slot, epoch, drawnIndex: slot }, ring, 0);
    }
    const cropped = performance.now();
    const host = {
      views: canvasPx.map((_, view) => ring.images(0, view)),
      canvasPx,
      drawn,
      indices: new Int32Array(batch),
    };
    torch.scope(() => {
      deviceBatch(host, { views, config, seed });
    });
    return { parts: { crop: cropped - start, 'photometric and path': performance.now() - cropped } };
  };
  return { run, photos: photos.length };
}

/** Photos as squares of `sourcePx`. */
async function decodeAll(files, sourcePx) {
  const decoder = new PhotoDecoder({ maxPixels: 1e8 });
  const photos = [];
  for (const file of files) {
    const photo = uprightPhoto(await decoder.decode(readFileSync(file)));
    const { widthPx: width, heightPx: height } = photo;
    const square = torch.scope(() => {
      const data = resizeBox(photo, { x: 0, y: 0, width, height }, sourcePx, sourcePx)
        .squeeze(0)
        .permute([1, 2, 0])
        .toBytes();
      return { data, widthPx: sourcePx, heightPx: sourcePx, orientation: 1 };
    });
    photo.pixels.dispose();
    photos.push(uprightPhoto(square));
  }
  return photos;
}

await serve(prepare);
