import { expect, test } from '@jest/globals';
import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { createProgram } from './program.ts';

function quiet(command: Command): Command {
  command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  for (const child of command.commands) quiet(child);
  return command;
}

async function usageError(...argv: string[]): Promise<CommanderError | null> {
  const interruption = { signal: new AbortController().signal, stopOnSignal: () => undefined };
  try {
    await quiet(createProgram(interruption)).parseAsync(argv, { from: 'user' });
  } catch (thrown) {
    return thrown instanceof CommanderError ? thrown : null;
  }
  return null;
}

test.each([
  [],
  ['nonsense'],
  ['status', '--wait', 'soon'],
  ['status', 'extra'],
  ['token', 'create', '--uses', '0'],
  ['token', 'create', '--expires', '32d'],
  ['token', 'revoke'],
  ['machine', 'list', '-o', 'xml'],
  ['machine', 'show'],
  ['machine', 'wait', 'm'],
  ['machine', 'wait', 'm', '--for', 'replication=DONE'],
  ['machine', 'wait', 'm', '--for', 'point=0'],
  ['machine', 'remove'],
  ['point', 'create', 'm', '--consistency', 'some'],
  ['point', 'verify', 'm', 'first'],
  ['point', 'verify', 'm', '1', '--source'],
  ['point', 'export', 'm', '1', '--disk', 'd'],
  ['point', 'export', 'm', '1', '--output', 'f', '--format', 'qcow2'],
  ['bandwidth', 'plan'],
  ['bandwidth', 'plan', '--link', '100'],
  ['bandwidth', 'plan', '--link', '100Mbit/s', '--headroom', '0'],
  ['network', 'rules'],
  ['network', 'rules', '--for', 'cisco'],
  ['network', 'rules', '--for', 'nftables', '--role', 'agent'],
  ['network', 'rules', '--for', 'aws', '--source', 'manager.example.com'],
  ['network', 'rules', '--for', 'aws', '--proxy', 'socks://10.0.0.1:1080'],
  ['network', 'rules', '--for', 'aws', '--block-stream', '1500'],
  ['network', 'rules', '--for', 'kubernetes', '--selector', 'app'],
  ['point', 'pin', 'm'],
  ['settings', 'set', '--point-interval', 'soon'],
  ['settings', 'set', '--unset', 'color'],
  ['manager'],
  ['manager', '--data-dir', 'd', '--listen', '8443'],
])('wrong usage is found before anything is done: lms %s', async (...argv) => {
  const error = await usageError(...argv);
  expect(error).not.toBeNull();
  expect(error?.exitCode).not.toBe(0);
});

test.each([['--help'], ['--version'], ['point', 'export', '--help']])('lms %s is no error', async (...argv) => {
  expect((await usageError(...argv))?.exitCode).toBe(0);
});
