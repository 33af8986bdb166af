/** `lms`: what operators type. See docs/commands.md. */
import { runProgram } from '@lms/command-line';
import { shutdownTelemetry } from '@lms/telemetry';
import { createProgram } from './program.ts';

await runProgram(createProgram, process.argv);
await shutdownTelemetry();
