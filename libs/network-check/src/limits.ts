/** Bounds of a check: every wait has one, and what it sends is little. */
export interface CheckLimits {
  /** Longer than the system's resolver takes to say by itself that nobody answers. */
  readonly nameMilliseconds: number;
  readonly connectMilliseconds: number;
  /** Proxies wait for the other end themselves. */
  readonly tunnelMilliseconds: number;
  readonly handshakeMilliseconds: number;
  /** For each answer, large ones included. */
  readonly answerMilliseconds: number;
  readonly throughputMilliseconds: number;
  readonly throughputBytes: number;
  /** Below it a warning is given. */
  readonly slowBitsPerSecond: number;
}

export const DEFAULT_CHECK_LIMITS: CheckLimits = {
  nameMilliseconds: 12_000,
  connectMilliseconds: 5_000,
  tunnelMilliseconds: 15_000,
  handshakeMilliseconds: 8_000,
  answerMilliseconds: 10_000,
  throughputMilliseconds: 3_000,
  throughputBytes: 4 * 1024 * 1024,
  slowBitsPerSecond: 1_000_000,
};

/** Runs `work` until the signal or the time, whichever is first; `late` makes the failure of the latter. */
export async function within<Value>(
  milliseconds: number,
  signal: AbortSignal,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(late()), milliseconds);
  const either = AbortSignal.any([signal, timer.signal]);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(either.reason as Error);
  either.addEventListener('abort', onAbort, { once: true });
  // Nobody waits for it when the work was faster.
  ended.catch(() => undefined);
  try {
    either.throwIfAborted();
    return await Promise.race([work(either), ended]);
  } finally {
    clearTimeout(timeout);
    either.removeEventListener('abort', onAbort);
  }
}
