import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { readConfiguration, readConfiguredFile } from './configuration.ts';

const SCHEMA = z.object({ LMS_LISTEN: z.string(), LMS_REPLICAS: z.coerce.number().int().default(1) });

test('variables of others are ignored, defaults hold, and an empty variable is one that is not set', () => {
  expect(readConfiguration(SCHEMA, { LMS_LISTEN: 'a:1', LMS_REPLICAS: '', HOME: '/' })).toEqual({
    LMS_LISTEN: 'a:1',
    LMS_REPLICAS: 1,
  });
});

test('a variable that is missing or wrong is named', () => {
  expect(() => readConfiguration(SCHEMA, {})).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'LMS_LISTEN' }),
  );
  expect(() => readConfiguration(SCHEMA, { LMS_LISTEN: 'a:1', LMS_REPLICAS: 'many' })).toThrow(
    expect.objectContaining({ field: 'LMS_REPLICAS' }),
  );
});

test('a file that cannot be read is named together with its variable', () => {
  expect(() => readConfiguredFile('LMS_TLS_CA', '/nowhere/ca.pem')).toThrow(
    'LMS_TLS_CA: /nowhere/ca.pem cannot be read',
  );
});
