/** What makes the bytes of a connection wait, so that they keep to a limit. `@lms/bandwidth` has one. */
export interface Pacer {
  /** Most bytes to ask for at once; null: there is no limit now, and nothing has to be asked. */
  quantumBytes(): number | null;
  /** Resolves when so many bytes may pass. Rejects with the signal's reason only. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
  /** Counts bytes that had to pass at once. */
  charge(bytes: number): void;
}

/** Nothing waits. */
export const UNPACED: Pacer = {
  quantumBytes: () => null,
  take: () => Promise.resolve(),
  charge: () => undefined,
};
