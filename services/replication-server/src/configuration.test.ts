import { expect, test } from '@jest/globals';
import { parseConfiguration } from './configuration.ts';

const SHA = 'ab'.repeat(32);
const USUAL = ['--data-dir', '/data', '--listen', '127.0.0.1:1500', '--manager', 'https://m:443', '--ca-sha256', SHA];

test('options are read, IPv6 and a CA hash with colons too', () => {
  const colons = SHA.toUpperCase().match(/../g)?.join(':') ?? '';
  expect(
    parseConfiguration([...USUAL, '--listen', '[::1]:0', '--ca-sha256', colons, '--name', 'staging-1'], {}),
  ).toEqual({
    dataFolder: '/data',
    listen: { host: '::1', port: 0 },
    advertise: null,
    proxyProtocol: null,
    managerUrl: 'https://m:443',
    caSha256: SHA,
    bootstrapTokenFile: null,
    name: 'staging-1',
  });
});

test('what the command line leaves out may stand in the environment, which never wins', () => {
  const environment = {
    LMS_BLOCK_STREAM_LISTEN: '0.0.0.0:1',
    LMS_BLOCK_STREAM_ADDRESS: 'staging.example',
    LMS_BOOTSTRAP_TOKEN_FILE: '',
  };
  expect(parseConfiguration(USUAL, environment)).toMatchObject({
    listen: { host: '127.0.0.1', port: 1500 },
    advertise: { host: 'staging.example', port: 0 },
    bootstrapTokenFile: null,
  });
});

const wrong: readonly (readonly [string, readonly string[], string])[] = [
  ['a missing option', USUAL.slice(2), '--data-dir'],
  ['an unknown option', [...USUAL, '--nonsense'], 'The command line'],
  ['a port beyond 65535', [...USUAL, '--listen', 'host:65536'], '--listen'],
  ['an address without a port', [...USUAL, '--listen', 'host'], '--listen'],
  ['a hash that is too short', [...USUAL, '--ca-sha256', 'abcd'], '--ca-sha256'],
  ['a PROXY protocol that is optional', [...USUAL, '--proxy-protocol', 'optional'], '--proxy-protocol'],
  ['a name that is no DNS label', [...USUAL, '--name', 'A_b'], '--name'],
];

for (const [what, commandLine, field] of wrong) {
  test(`${what} is refused, with the option's name and the usage`, () => {
    let thrown: unknown = null;
    try {
      parseConfiguration(commandLine, {});
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      field,
      action: expect.stringContaining('--data-dir DIR'),
    });
  });
}
