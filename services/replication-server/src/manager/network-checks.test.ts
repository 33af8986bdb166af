import { expect, test } from '@jest/globals';
import type { CheckReport, TaskResult } from '@lms/api';
import { LmsError } from '@lms/errors';
import { NetworkChecks } from './network-checks.ts';

const passed = { result: 'passed', failure: null } as CheckReport;

function listed(...ids: readonly string[]) {
  return ids.map((id) => ({ id, target: '443' as const, remainingSeconds: 60 }));
}

function world(check: () => Promise<CheckReport> = () => Promise.resolve(passed)) {
  const results: { readonly id: string; readonly result: TaskResult }[] = [];
  const stop = new AbortController();
  let refusals = 0;
  const checks = new NetworkChecks({
    api: {
      taskResult: (id, result) => {
        results.push({ id, result });
        return refusals-- > 0 ? Promise.reject(new LmsError('NOT_FOUND', 'gone')) : Promise.resolve();
      },
    },
    check,
    onFinished: () => undefined,
    signal: stop.signal,
  });
  const refuseOnce = (): void => {
    refusals = 1;
  };
  return { checks, results, stop, refuseOnce };
}

test('each check is made once, however often it is listed, and its report is given to the manager', async () => {
  const { checks, results } = world();
  checks.update(listed('a'));
  checks.update(listed('a', 'b'));
  await checks.idle();
  expect(results.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(results[0]?.result).toEqual({ state: 'succeeded', checkReport: passed });
});

test('a check that could not be made has failed, and a result that nobody wants is not offered for ever', async () => {
  const { checks, results, refuseOnce } = world(() => Promise.reject(new LmsError('INTERNAL', 'broken')));
  refuseOnce();
  checks.update(listed('a'));
  await checks.idle();
  expect(results).toEqual([{ id: 'a', result: { state: 'failed', code: 'INTERNAL', message: 'broken' } }]);
});

test('a check that the stop interrupts is not answered: the next process makes it again', async () => {
  const { checks, results, stop } = world(() => {
    stop.abort();
    return Promise.resolve(passed);
  });
  checks.update(listed('a', 'b'));
  await checks.idle();
  expect(results).toEqual([]);
});
