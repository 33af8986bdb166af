/**
 * What every `main.ts` does: start one service, run until SIGTERM or SIGINT, stop in order, say how it ended.
 *
 * Exit codes: 0 stopped in order, 1 failed, 2 configured wrongly. A stop that takes too long ends with 1 rather than
 * hang: whoever supervises the process would kill it a little later anyway, and with less to say about it.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { createLogger, shutdownTelemetry, type Logger } from '@lms/telemetry';
import { writeFailureReport } from './failure-report.ts';
import type { Service } from './service.ts';

/** Kubernetes kills after 30 s by default. */
const STOP_TIMEOUT_MILLISECONDS = 25_000;

export interface MainOptions {
  /** Default: a logger with the service's name. */
  readonly logger?: Logger;
  /** Runs after the start, for what the process tells its starter. */
  readonly onReady?: (service: Service) => void;
}

/** Never returns while the service runs; ends the process. */
export async function runMain(
  name: string,
  createService: () => Service | Promise<Service>,
  options: MainOptions = {},
): Promise<never> {
  const logger = options.logger ?? createLogger(name);
  return process.exit(await runUntilSignal(logger, createService, options));
}

async function runUntilSignal(
  logger: Logger,
  createService: () => Service | Promise<Service>,
  options: MainOptions,
): Promise<number> {
  const stopping = new AbortController();
  const requestStop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stopping');
    stopping.abort(new LmsError('CANCELLED', `stopped by ${signal}`));
  };
  process.on('SIGTERM', requestStop);
  process.on('SIGINT', requestStop);

  let service: Service | null = null;
  let exitCode = 0;
  try {
    service = await createService();
    await service.start(stopping.signal);
    logger.info({ pid: process.pid }, 'ready');
    options.onReady?.(service);
    await aborted(stopping.signal);
  } catch (thrown) {
    if (!stopping.signal.aborted) exitCode = reportFailure(logger, thrown);
  }
  if (service !== null && !(await stopInTime(service, logger))) exitCode = 1;
  await shutdownTelemetry();
  return exitCode;
}

function reportFailure(logger: Logger, thrown: unknown): number {
  const error = toLmsError(thrown);
  const { code, action, field } = error;
  writeFailureReport(error);
  logger.fatal({ code, field, action, ...(code === 'INTERNAL' && { error: thrown }) }, error.message);
  return code === 'INVALID_ARGUMENT' ? 2 : 1;
}

async function stopInTime(service: Service, logger: Logger): Promise<boolean> {
  const tooLate = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => {
    logger.error({ timeoutMilliseconds: STOP_TIMEOUT_MILLISECONDS }, 'the stop took too long and was given up');
    tooLate.resolve(false);
  }, STOP_TIMEOUT_MILLISECONDS);
  try {
    return await Promise.race([service.stop().then(() => true), tooLate.promise]);
  } catch (thrown) {
    logger.error({ error: thrown }, 'the stop failed');
    return false;
  } finally {
    clearTimeout(timer);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  // A signal handler alone does not keep the process alive.
  const keepAlive = setInterval(() => undefined, 2 ** 30);
  return promise.finally(() => clearInterval(keepAlive));
}
