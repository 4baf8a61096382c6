/** RUN/metrics.jsonl: one JSON object a logged step. */

/** A row of metrics; the keys beside these are the objective's terms and figures, and `lr_<group>` where groups differ. */
export interface MetricRow {
  readonly step: number; // steps finished, 1-based
  readonly loss: number;
  readonly lr: number;
  readonly gradNorm: number;
  readonly imagesPerSecond: number;
  readonly dataWaitMs: number; // mean per step since the last row
  readonly stepMs: number; // mean since the last row, without the time of logging, pictures and checkpoints
  readonly [term: string]: number;
}
