/** What the path to port 1500 carries. */
export interface PathReport {
  /** `host:port`. */
  readonly address: string;
  readonly roundTripMilliseconds: number | null;
  /** Bits on the wire a second; null: could not be measured. */
  readonly bitsPerSecond: number | null;
  /** The path may carry more: the probe ended before it was filled. */
  readonly isLeast: boolean;
  readonly sentBytes: number;
  /** One sentence: what was measured, and what could not be. */
  readonly detail: string;
}
