/** RUN/metrics.jsonl: one JSON object a logged step. */

/** A row of metrics; the keys beside these are the objective's terms, figures and scheduled numbers, and the figures of health. */
export interface MetricRow {
  readonly step: number; // steps finished, 1-based
  readonly loss: number;
  readonly lr: number; // of heads and decoders; of the encoder too, unless it has its own
  /** Of an encoder that started from weights; 0 while it is held still. */
  readonly lrEncoder?: number;
  readonly gradNorm: number;
  readonly imagesPerSecond: number;
  readonly dataWaitMs: number; // mean per step since the last row
  readonly stepMs: number; // mean since the last row, without the time of logging, pictures and checkpoints
  readonly [term: string]: number;
}
