import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  AgentStatisticsBatch,
  CommandsQuery,
  CreatePointRequest,
  DiskReport,
  EnrolAgentRequest,
  Instant,
  Inventory,
  LogBatch,
  MAXIMUM_LOG_BATCH,
  MachineId,
  MachineName,
  PageQuery,
  PointsReport,
  TaskResult,
} from './index.ts';

const point = {
  sequence: 1,
  checkpointId: 'c',
  requestId: '',
  consistency: 'crash',
  createdAt: '2026-11-23T21:00:00.123456Z',
  pauseMicroseconds: 0,
  disks: [{ diskId: 'a', device: '/dev/a', sizeBytes: 1, sha256: null }],
};

test('a request of an operator with a field that is not known is refused', () => {
  expect(CreatePointRequest.safeParse({ consistency: 'crash', force: true }).success).toBe(false);
});

test('of what a newer agent or replication server reports, the rest is taken', () => {
  const points = [point];
  expect(PointsReport.parse({ complete: true, points: [{ ...point, extra: 1 }], extra: 1 })).toEqual(
    PointsReport.parse({ complete: true, points }),
  );
  const record = { at: '2026-11-23T21:00:00Z', level: 'info', message: 'm' };
  expect(LogBatch.parse({ batch: [{ ...record, extra: 1 }] })).toEqual({ batch: [record] });
  expect(CommandsQuery.parse({ extra: '1' })).toEqual(CommandsQuery.parse({}));
});

test('a point must have at least one disk, and sequences begin at 1', () => {
  expect(PointsReport.safeParse({ complete: true, points: [{ ...point, disks: [] }] }).success).toBe(false);
  expect(PointsReport.safeParse({ complete: true, points: [{ ...point, sequence: 0 }] }).success).toBe(false);
});

test('sizes above 2^53, negative or broken are refused', () => {
  for (const sizeBytes of [2 ** 53, -1, 1.5, Number.NaN, '5']) {
    expect(DiskReport.safeParse({ diskId: 'a', device: '/dev/a', sizeBytes }).success).toBe(false);
  }
  expect(DiskReport.safeParse({ diskId: 'a', device: '/dev/a', sizeBytes: 2 ** 53 - 1 }).success).toBe(true);
});

test('one disk named twice at enrolment is refused', () => {
  const disk = { diskId: 'a', device: '/dev/a', sizeBytes: 1 };
  const request = { token: 't', csrPem: 'p', name: 'n', version: '1', inventory: {} };
  expect(EnrolAgentRequest.safeParse({ ...request, disks: [disk] }).success).toBe(true);
  expect(EnrolAgentRequest.safeParse({ ...request, disks: [disk, disk] }).success).toBe(false);
  expect(EnrolAgentRequest.safeParse({ ...request, disks: [] }).success).toBe(false);
});

test('a name never looks like an id, so ID-OR-NAME means one machine', () => {
  expect(MachineName.safeParse('m-0123456789abcdef0123').success).toBe(false);
  expect(MachineId.safeParse('m-0123456789abcdef0123').success).toBe(true);
  for (const name of ['', '-a', 'a/b', '..', 'a b', 'x'.repeat(64)]) {
    expect(MachineName.safeParse(name).success).toBe(false);
  }
});

test('instants are UTC with any precision', () => {
  expect(Instant.safeParse('2026-11-23T21:00:00Z').success).toBe(true);
  expect(Instant.safeParse('2026-11-23T21:00:00.123456Z').success).toBe(true);
  expect(Instant.safeParse('2026-11-23T21:00:00+01:00').success).toBe(false);
  expect(Instant.safeParse('yesterday').success).toBe(false);
});

test('batches, messages, inventories and known ids are bounded', () => {
  const record = { at: '2026-11-23T21:00:00Z', level: 'info', message: 'm' };
  expect(LogBatch.safeParse({ batch: Array(MAXIMUM_LOG_BATCH).fill(record) }).success).toBe(true);
  expect(LogBatch.safeParse({ batch: Array(MAXIMUM_LOG_BATCH + 1).fill(record) }).success).toBe(false);
  expect(LogBatch.safeParse({ batch: [{ ...record, message: 'x'.repeat(8_193) }] }).success).toBe(false);
  expect(Inventory.safeParse({ a: 'x'.repeat(65_536) }).success).toBe(false);
  expect(CommandsQuery.safeParse({ known: 'ab-1,'.repeat(2_000) + 'ab' }).success).toBe(false);
});

test('paging has a default and a bound', () => {
  expect(PageQuery.parse({})).toEqual({ pageSize: 100 });
  expect(PageQuery.safeParse({ pageSize: '1001' }).success).toBe(false);
  expect(PageQuery.safeParse({ pageSize: '0' }).success).toBe(false);
});

test('no body whatever makes a schema throw', () => {
  const schemas = [AgentStatisticsBatch, EnrolAgentRequest, LogBatch, PointsReport, TaskResult];
  fc.assert(
    fc.property(fc.jsonValue(), (body) => {
      for (const schema of schemas) schema.safeParse(body);
    }),
    { numRuns: 500 },
  );
});
