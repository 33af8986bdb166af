/**
 * Runs before anything else in a process: `node --import @lms/telemetry/preload main.ts`.
 *
 * Import hooks see only modules that are loaded after them, so this file registers them first and then starts the
 * OpenTelemetry SDK. Without an endpoint it loads nothing at all: a process without a collector pays nothing for it.
 *
 * gRPC and NATS need no hooks: libs/rpc and libs/events make those spans themselves.
 */
import { telemetryEnabled } from './enabled.ts';

if (telemetryEnabled(process.env)) {
  const { register } = await import('import-in-the-middle/register-hooks.mjs');
  register({ include: ['http', 'https', 'node:http', 'node:https'] });
  const { startTelemetry } = await import('./sdk.ts');
  startTelemetry();
}
