/** All steps, also when one has failed: a person wants to see everything that is wrong at once. */
import { LmsError, toLmsError } from '@lms/errors';
import type { Logger } from '@lms/telemetry';
import { readCheckConfiguration } from './check-configuration.ts';
import { checkBlockStream, checkManager, checkNats, checkStorage } from './steps.ts';

/** A component that was started just now may need some seconds. */
const STEP_TIMEOUT_MILLISECONDS = 60_000;

export async function runCheck(logger: Logger, stopping: AbortSignal): Promise<void> {
  const { blockStreamAddress, events, storageDirectory, ...manager } = readCheckConfiguration();
  const steps: [name: string, run: (signal: AbortSignal) => Promise<string>][] = [
    ['443', (signal) => checkManager(manager, signal)],
  ];
  if (blockStreamAddress !== null) steps.push(['1500', (signal) => checkBlockStream(blockStreamAddress, signal)]);
  if (events !== null) steps.push(['nats', (signal) => checkNats(events, signal)]);
  if (storageDirectory !== null) steps.push(['storage', () => checkStorage(storageDirectory)]);
  const failed: string[] = [];
  for (const [step, run] of steps) {
    try {
      const limit = AbortSignal.any([stopping, AbortSignal.timeout(STEP_TIMEOUT_MILLISECONDS)]);
      logger.info({ step }, await run(limit));
    } catch (thrown) {
      const { code, message, action } = toLmsError(thrown);
      logger.error({ step, code, action }, message);
      failed.push(step);
    }
  }
  if (failed.length > 0) {
    throw new LmsError(
      'FAILED_PRECONDITION',
      `${failed.length} of ${steps.length} checks failed: ${failed.join(', ')}`,
    );
  }
}
