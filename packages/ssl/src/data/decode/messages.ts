/**
 * What the feed and its decode processes say to each other over Node's IPC. Never pixels: those go through the ring.
 *
 * B slots of a batch, V views.
 */
import type { RingLayout } from '../ring.js';
import type { Source } from '../sources/source.js';
import type { CropAugment, CropRequest } from '../views/plan.js';

/** What is made of each photo. */
export type RenderRequest =
  /** Training views, planned by streams of (seed, epoch, index, view). */
  | {
      readonly kind: 'views';
      readonly seed: number;
      readonly views: readonly CropRequest[];
      readonly augment: CropAugment;
    }
  /** Evaluation's fixed central square. */
  | { readonly kind: 'square'; readonly sizePx: number }
  /** Decode only, to learn its size and whether it is whole. */
  | { readonly kind: 'measure' };

/** One photo to decode and render into one slot. */
export interface RenderJob {
  readonly slot: number;
  /** Photo to read, and the key of the cache. */
  readonly index: number;
  readonly path: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** Streams of the view plan; `index` of the stream is what the order drew, also where a bad photo was replaced. */
  readonly epoch: number;
  readonly drawnIndex: number;
}

/** The job of rendering one photo of a source. */
export function renderJob(
  source: Source,
  { slot, index, epoch, drawnIndex }: Pick<RenderJob, 'slot' | 'index' | 'epoch' | 'drawnIndex'>,
): RenderJob {
  const sample = source.samples[index];
  if (sample === undefined) throw new Error(`internal: photo ${index} of ${source.samples.length}`);
  const { path, offsetBytes, sizeBytes } = sample;
  return { slot, index, path, offsetBytes, sizeBytes, epoch, drawnIndex };
}

/** What a process does with the photos that it is given from now on, and where their pixels go. */
export interface Assignment {
  readonly kind: 'assign';
  readonly request: RenderRequest;
  readonly layout: RingLayout;
  readonly maxPixels: number;
  readonly cacheBytes: number;
}

export type ToDecoder =
  | Assignment
  | { readonly kind: 'render'; readonly ticket: number; readonly bank: number; readonly jobs: readonly RenderJob[] };

/** A job whose photo cannot be read. */
export interface FailedJob {
  readonly slot: number;
  readonly reason: string;
}

export type FromDecoder =
  /** The process cannot work at all, and ends. */
  | { readonly kind: 'unable'; readonly message: string }
  | { readonly kind: 'rendered'; readonly ticket: number; readonly failed: readonly FailedJob[] };
