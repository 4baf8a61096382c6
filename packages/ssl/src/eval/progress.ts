/**
 * Told what an evaluation is doing, in words.
 * @param isLive the next one takes its place on a terminal; false for what should stay readable
 */
export type ProgressListener = (text: string, isLive: boolean) => void;
