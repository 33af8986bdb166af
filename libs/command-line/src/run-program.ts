/**
 * Runs a command line from argv to the exit code. Wrong usage is exit 2, also where commander finds it; every failure is
 * one line on stderr; an interrupt cancels the work through its AbortSignal, lets it clean up, and then ends the process by
 * the same signal, so that the shell knows what happened.
 */
import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { EXIT_CODES, describeError, exitCodeOf } from './exit-code.ts';

/** Aborted with the name of the signal as its reason. */
export interface Interruption {
  readonly signal: AbortSignal;
  /**
   * From now on a signal is an order to stop, not an interruption: the command ends in order and with its own exit code.
   * For what runs until it is told to stop.
   */
  stopOnSignal(): void;
}

/** What a command that has stopped in order may still need: to write what it printed, to send its last telemetry. */
const LEFT_OVERS_MILLISECONDS = 5_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function runProgram(
  createProgram: (interruption: Interruption) => Command,
  argv: readonly string[],
): Promise<void> {
  const controller = new AbortController();
  let endsBySignal = true;
  let received: NodeJS.Signals | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    // A second one: the first did not get through, so do not hold the user back.
    if (received !== null && endsBySignal) endBySignal(name, onSignal);
    received = name;
    controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  // A pipe whose reader went away is no failure of ours; the write that meets it is answered where it is made.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  const program = createProgram({
    signal: controller.signal,
    stopOnSignal: () => {
      endsBySignal = false;
    },
  });
  prepare(program);
  let exitCode: number;
  try {
    await program.parseAsync([...argv]);
    exitCode = EXIT_CODES.done;
  } catch (thrown) {
    exitCode = report(thrown, received !== null && endsBySignal);
  }
  if (received !== null && endsBySignal) endBySignal(received, onSignal);
  // Not process.exit: what is still being written to a pipe would be cut off.
  process.exitCode = exitCode;
  // But what was told to stop does not stay because of something that it forgot. Unref: this alone keeps no process.
  if (received !== null) setTimeout(() => process.exit(), LEFT_OVERS_MILLISECONDS).unref();
  for (const name of SIGNALS) process.off(name, onSignal);
}

function endBySignal(name: NodeJS.Signals, onSignal: (name: NodeJS.Signals) => void): void {
  for (const each of SIGNALS) process.off(each, onSignal);
  process.kill(process.pid, name);
}

function report(thrown: unknown, interrupted: boolean): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.usage;
  if (interrupted) {
    process.stderr.write('interrupted\n');
    return EXIT_CODES.failed;
  }
  process.stderr.write(`error: ${describeError(thrown)}\n`);
  return exitCodeOf(thrown);
}

/** Every command throws instead of exiting, and shows the way to its help. */
function prepare(command: Command): void {
  command.exitOverride();
  command.showHelpAfterError('(--help tells more)');
  for (const child of command.commands) prepare(child);
}
