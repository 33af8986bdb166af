import { expect, test } from '@jest/globals';
import { LogRecord } from '@lms/api';
import { AgentLog } from './agent-log.ts';

function messages(records: readonly { readonly message: string }[]): readonly string[] {
  return records.map((record) => record.message);
}

test('R17: while something is frozen no line is written; afterwards all are, in order', () => {
  const lines: string[] = [];
  const records: LogRecord[] = [];
  const log = new AgentLog((line) => lines.push(line));
  log.recordTo((record) => records.push(record));
  log.logger.info('before');
  log.hold(true);
  log.logger.warn('during');
  log.logger.info('still');
  expect([lines.length, records.length]).toEqual([1, 1]);
  log.hold(false);
  expect(messages(records)).toEqual(['before', 'during', 'still']);
  expect(lines).toHaveLength(3);
});

test('R10: what is said in an endless freeze is bounded, and the loss is said', () => {
  const lines: string[] = [];
  const log = new AgentLog((line) => lines.push(line));
  log.hold(true);
  for (let count = 0; count < 10_005; count++) log.logger.info('again');
  log.hold(false);
  expect(lines).toHaveLength(10_001);
  expect(lines.at(-1)).toContain('5 log lines were dropped');
});

test('what is said before anybody listens is kept, and every record is one that the manager takes', () => {
  const records: LogRecord[] = [];
  const log = new AgentLog(() => undefined);
  log.logger.info({ machineId: 'm', nested: { a: 1 }, list: [1], nothing: null }, 'early');
  log.logger.error({ error: new Error('why') }, `long ${'x'.repeat(20_000)}`);
  log.recordTo((record) => records.push(record));
  expect(records).toHaveLength(2);
  for (const record of records) expect(LogRecord.safeParse(record).error).toBeUndefined();
  expect(records[0]).toMatchObject({ level: 'info', message: 'early', attributes: { machineId: 'm', nothing: null } });
});
