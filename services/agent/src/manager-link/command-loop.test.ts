import { expect, test } from '@jest/globals';
import type { AgentApi, AgentCommand, CommandResult } from '@lms/api';
import { LmsError } from '@lms/errors';
import { createLogger } from '@lms/telemetry';
import { CommandLoop } from './command-loop.ts';

const logger = createLogger('agent', { destination: { write: () => undefined } });
const command: AgentCommand = { id: 'aaaa-1', kind: 'rescan', deadline: '2026-11-23T12:05:00Z' };
const done: CommandResult = { state: 'succeeded' };

type LoopApi = Pick<AgentApi, 'commands' | 'commandResult'>;

test('a command is carried out once, named as known meanwhile, and its result is repeated until it is taken', async () => {
  const stop = new AbortController();
  const results: string[] = [];
  const known: string[][] = [];
  const work = Promise.withResolvers<CommandResult>();
  let executions = 0;
  const api: LoopApi = {
    commands: (_wait, ids) => {
      known.push([...ids]);
      if (known.length === 2) work.resolve(done);
      return Promise.resolve({ commands: [command], checks: [] });
    },
    commandResult: (id) => {
      results.push(id);
      if (results.length === 1) return Promise.reject(new LmsError('UNAVAILABLE', 'away'));
      stop.abort();
      return Promise.resolve();
    },
  };
  const loop = new CommandLoop({
    api,
    logger,
    execute: () => {
      executions++;
      return work.promise;
    },
  });
  await loop.run(stop.signal);
  expect(executions).toBe(1);
  expect(results).toEqual(['aaaa-1', 'aaaa-1']);
  expect(known[0]).toEqual([]);
  expect(known[1]).toEqual(['aaaa-1']);
});

test('a command that the stop interrupts is not answered, so that the next life gets it again', async () => {
  const stop = new AbortController();
  const results: string[] = [];
  const api: LoopApi = {
    commands: () => Promise.resolve({ commands: [command], checks: [] }),
    commandResult: (id) => {
      results.push(id);
      return Promise.resolve();
    },
  };
  const execute = (): Promise<CommandResult> => {
    stop.abort();
    return Promise.resolve({ state: 'failed', code: 'UNAVAILABLE', message: 'the agent is stopping' });
  };
  await new CommandLoop({ api, logger, execute }).run(stop.signal);
  expect(results).toEqual([]);
});

test('a result that the manager does not want is not offered for ever', async () => {
  const stop = new AbortController();
  let offered = 0;
  const api: LoopApi = {
    commands: () => Promise.resolve({ commands: offered === 0 ? [command] : [], checks: [] }),
    commandResult: () => {
      offered++;
      stop.abort();
      return Promise.reject(new LmsError('NOT_FOUND', 'gone'));
    },
  };
  await new CommandLoop({ api, logger, execute: () => Promise.resolve(done) }).run(stop.signal);
  expect(offered).toBe(1);
});
