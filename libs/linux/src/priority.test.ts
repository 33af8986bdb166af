import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** In a process of its own: a priority that was lowered stays with the tests otherwise. */
async function prioritiesAfter(name: string): Promise<Record<string, number>> {
  const source = `
    const linux = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    const { readdirSync, readFileSync } = await import('node:fs');
    linux.setProcessPriority(linux[${JSON.stringify(name)}]);
    const niceOf = (thread) => Number(readFileSync('/proc/self/task/' + thread + '/stat', 'latin1').split(') ')[1].split(' ')[16]);
    const threads = readdirSync('/proc/self/task');
    const others = threads.filter((thread) => Number(thread) !== process.pid).map(niceOf);
    process.stdout.write(JSON.stringify({ main: niceOf(process.pid), lowest: Math.min(...others), highest: Math.max(...others) }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  await once(child, 'close');
  return JSON.parse(text) as Record<string, number>;
}

test('in the background every thread stands last, but the one that reads the rings is not starved', async () => {
  expect(await prioritiesAfter('BACKGROUND_PRIORITY')).toEqual({ main: 10, lowest: 19, highest: 19 });
});

test('normal priority is normal on every thread', async () => {
  expect(await prioritiesAfter('NORMAL_PRIORITY')).toEqual({ main: 0, lowest: 0, highest: 0 });
});
