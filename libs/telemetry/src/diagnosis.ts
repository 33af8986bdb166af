/** What the SDK itself complains about, as lines of ours: a collector that is away would otherwise fill stderr. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { createLogger } from './logger.ts';

/** One complaint a minute says enough: they are all alike. */
const QUIET_MILLISECONDS = 60_000;

export function logDiagnosis(): void {
  const logger = createLogger('telemetry');
  let lastAt = -Infinity;
  const complain = (message: string): void => {
    if (performance.now() - lastAt < QUIET_MILLISECONDS) return;
    lastAt = performance.now();
    logger.warn({ reason: message }, 'telemetry could not be sent; nothing else is affected');
  };
  const nothing = (): void => undefined;
  diag.setLogger(
    { error: complain, warn: nothing, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}
