import { setTimeout as delay } from 'node:timers/promises';

/** A collector that hangs must not hold up the end of a process for longer. */
const FLUSH_TIMEOUT_MILLISECONDS = 2_000;

let shutdown: (() => Promise<void>) | null = null;

export function setShutdown(run: () => Promise<void>): void {
  shutdown = run;
}

/** Sends what is queued, for at most two seconds; never fails. Nothing is recorded afterwards. */
export async function shutdownTelemetry(): Promise<void> {
  const run = shutdown;
  shutdown = null;
  if (run === null) return;
  const limit = new AbortController();
  try {
    await Promise.race([run(), delay(FLUSH_TIMEOUT_MILLISECONDS, undefined, { signal: limit.signal, ref: false })]);
  } catch {
    // Telemetry is never a reason to fail; the collector's own log says what it refused.
  } finally {
    limit.abort();
  }
}
