import { expect, test } from '@jest/globals';
import { createLogger } from '@lms/telemetry';
import { ServiceGroup } from './service-group.ts';
import { combineHealth, HEALTHY, unhealthy, type Service } from './service.ts';

function service(name: string, log: string[], trouble: { start?: true; stop?: true } = {}): Service {
  return {
    name,
    start: () => {
      log.push(`start ${name}`);
      return trouble.start ? Promise.reject(new Error(`${name} does not start`)) : Promise.resolve();
    },
    stop: () => {
      log.push(`stop ${name}`);
      return trouble.stop ? Promise.reject(new Error(`${name} does not stop`)) : Promise.resolve();
    },
    health: () => HEALTHY,
  };
}

const signal = new AbortController().signal;

test('services stop in the opposite order of their start, also when one of them fails at it', async () => {
  const log: string[] = [];
  const group = new ServiceGroup(createLogger('test', { level: 'fatal', destination: { write: () => undefined } }));
  await group.start(service('a', log), signal);
  await group.start(service('b', log, { stop: true }), signal);
  await group.start(service('c', log), signal);
  await group.stop();
  expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  await group.stop();
  expect(log).toHaveLength(6);
});

test('a service that fails to start is stopped with the others', async () => {
  const log: string[] = [];
  const group = new ServiceGroup(createLogger('test', { level: 'fatal', destination: { write: () => undefined } }));
  await group.start(service('a', log), signal);
  await expect(group.start(service('b', log, { start: true }), signal)).rejects.toThrow('b does not start');
  await group.stop();
  expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
});

test('nothing is started after the signal', async () => {
  const log: string[] = [];
  const group = new ServiceGroup(createLogger('test'));
  await expect(group.start(service('a', log), AbortSignal.abort())).rejects.toThrow();
  expect(log).toEqual([]);
});

test('the first part that is not healthy speaks for the whole', () => {
  expect(combineHealth([HEALTHY, unhealthy('first'), unhealthy('second')])).toEqual(unhealthy('first'));
  expect(combineHealth([HEALTHY])).toBe(HEALTHY);
});
