/** RUN/events.jsonl: one JSON object for each thing that happened, for people and for other tools. */

/** `alarm` says what to change; `badPhoto` names a file that could not be read. */
export type RunEventKind =
  'start' | 'resume' | 'figure' | 'estimate' | 'checkpoint' | 'image' | 'alarm' | 'badPhoto' | 'stop' | 'finish';

export interface RunEvent {
  readonly step: number; // steps finished when it happened
  readonly kind: RunEventKind;
  readonly message: string;
}
