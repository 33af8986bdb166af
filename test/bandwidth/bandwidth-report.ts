/** Of what `lms-agent bandwidth -o json` prints: what tests and the fitting look at. */
export interface BandwidthReport {
  readonly endedEarly: string | null;
  readonly path: {
    readonly bitsPerSecond: number | null;
    readonly roundTripMilliseconds: number | null;
    readonly detail: string;
  } | null;
  readonly link: { readonly bitsPerSecond: number | null; readonly from: string | null };
  readonly lag: { readonly typicalSeconds: number; readonly p95Seconds: number; readonly worstSeconds: number } | null;
  readonly initialSync: { readonly seconds: number | null; readonly wireBytes: number } | null;
  readonly converges: boolean | null;
}
