// Runs one program to its end and keeps what it wrote.

import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Written to the program's stdin; without it stdin is empty. */
  readonly input?: string;
  /** Where it runs; without it where this process does. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends it, and what it has started. */
  readonly signal?: AbortSignal;
}

/** Never rejects because of the program: one that cannot be started has the exit code 127, as in a shell. */
export async function runCommand(
  program: string,
  parameters: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const child = spawn(program, parameters, {
    detached: true, // Ctrl-C is this program's to answer: a command of its clean-up must not die of the same key
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
  });
  const endAll = (): void => {
    const runs = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    if (runs) process.kill(-child.pid, 'SIGTERM');
  };
  options.signal?.addEventListener('abort', endAll, { once: true });
  if (options.signal?.aborted === true) endAll();
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
  child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
  child.on('error', (error) => resolve({ exitCode: 127, stdout: '', stderr: `${error.message}\n` }));
  child.on('close', (exitCode) => {
    options.signal?.removeEventListener('abort', endAll);
    resolve({
      exitCode: exitCode ?? 1,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    });
  });
  // A program that ends without reading its input is its own affair.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return promise;
}

/** Its stdout; throws what it wrote to stderr when it fails. */
export async function requireCommand(
  program: string,
  parameters: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(program, parameters, options);
  if (exitCode !== 0) throw new Error(`${program} ${parameters.join(' ')}: exit code ${exitCode}: ${stderr || stdout}`);
  return stdout;
}
