/**
 * One command, and an end: `ensure` (the Secrets), `check` (an installation, from the inside), `uninstall` (what
 * staging-controller has made). Exit codes: 0 done, 1 failed, 2 configured wrongly.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { createLogger, shutdownTelemetry } from '@lms/telemetry';
import { runCheck } from './check/run-check.ts';
import { runEnsure } from './run-ensure.ts';
import { runUninstall } from './removal/run-uninstall.ts';

const COMMANDS = { ensure: runEnsure, check: runCheck, uninstall: runUninstall } as const;

const logger = createLogger('setup');
const stopping = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => stopping.abort(new LmsError('CANCELLED', `stopped by ${name}`)));
}

function commandOf(name: string | undefined): (typeof COMMANDS)[keyof typeof COMMANDS] {
  if (name !== undefined && name in COMMANDS) return COMMANDS[name as keyof typeof COMMANDS];
  throw new LmsError('INVALID_ARGUMENT', `there is no command ${JSON.stringify(name ?? '')}`, {
    action: `Give one of: ${Object.keys(COMMANDS).join(', ')}.`,
  });
}

try {
  await commandOf(process.argv[2])(logger, stopping.signal);
} catch (thrown) {
  const error = toLmsError(thrown);
  const { code, action, field } = error;
  logger.fatal({ code, field, action, ...(code === 'INTERNAL' && { error: thrown }) }, error.message);
  process.exitCode = code === 'INVALID_ARGUMENT' ? 2 : 1;
}
await shutdownTelemetry();
