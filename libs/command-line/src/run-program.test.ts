import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';

const MODULE = new URL('run-program.ts', import.meta.url).href;

/** A command that runs until it is told to stop, and then does this. */
function start(...atTheEnd: readonly string[]) {
  const program = `
    import { Command } from 'commander';
    import { runProgram } from '${MODULE}';
    const createProgram = (interruption) => {
      const program = new Command('test');
      program.command('run').action(async () => {
        interruption.stopOnSignal();
        const alive = setInterval(() => undefined, 2 ** 30);
        const told = new Promise((resolve) => interruption.signal.addEventListener('abort', resolve));
        process.stdout.write('ready\\n');
        await told;
        ${atTheEnd.join(';\n')}
      });
      return program;
    };
    await runProgram(createProgram, ['node', 'test', 'run']);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, ended: once(child, 'exit'), printed: text(child.stdout) };
}

test.each([
  ['forgets nothing', ['clearInterval(alive)'], 0],
  ['forgets a timer', [], 0],
  ['fails and forgets a timer', ["throw new Error('broken')"], 1],
] as const)('a command that is told to stop and %s ends with its own exit code', async (_what, atTheEnd, exitCode) => {
  const { child, ended, printed } = start(...atTheEnd);
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await ended).toEqual([exitCode, null]);
  expect(await printed).toBe('ready\n');
});
