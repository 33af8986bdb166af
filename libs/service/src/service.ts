/** The shape that every service has, so that knowing one tells you the others. */
export interface Health {
  readonly healthy: boolean;
  /** One sentence when it is not healthy; may also say something when it is. */
  readonly detail: string | null;
}

export interface Service {
  /** As `lms status` calls it. */
  readonly name: string;
  /** Resolves when it serves; rejects with an `LmsError` when it cannot. The signal gives the start up. */
  start(signal: AbortSignal): Promise<void>;
  /** Orderly: what was accepted is finished, within a bound. Also after a start that failed; twice is fine. */
  stop(): Promise<void>;
  health(): Health;
}

export const HEALTHY: Health = { healthy: true, detail: null };

export function unhealthy(detail: string): Health {
  return { healthy: false, detail };
}

/** The first part that is not healthy speaks for the whole. */
export function combineHealth(parts: Iterable<Health>): Health {
  for (const part of parts) if (!part.healthy) return part;
  return HEALTHY;
}
