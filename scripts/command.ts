// Runs one program to its end and keeps what it wrote.

import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly exitCode: number;
  /** stdout and stderr, in the order in which they came. */
  readonly output: string;
}

/** Never rejects because of the program: one that cannot be started has the exit code 127, as in a shell. */
export async function runCommand(program: string, parameters: readonly string[]): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr.on('data', (piece: Buffer) => pieces.push(piece));
  child.on('error', (error) => resolve({ exitCode: 127, output: `${error.message}\n` }));
  child.on('close', (exitCode) => resolve({ exitCode: exitCode ?? 1, output: Buffer.concat(pieces).toString() }));
  return promise;
}
