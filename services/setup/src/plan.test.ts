import { expect, test } from '@jest/globals';
import { parsePlan } from './plan.ts';

const PLAN = {
  instance: 'lms',
  authority: { secret: 'lms-ca' },
  internalAuthority: null,
  certificates: [],
  nats: null,
  operator: null,
  gatewayCertificate: null,
};

test('a plan is read, with what it leaves out', () => {
  expect(parsePlan(JSON.stringify(PLAN)).authority).toEqual({ secret: 'lms-ca', given: false });
});

const wrong: readonly (readonly [string, string, string])[] = [
  ['no JSON', '{', 'LMS_SETUP_PLAN is no JSON'],
  ['a name that no Secret can have', JSON.stringify({ ...PLAN, authority: { secret: 'A_b' } }), 'authority.secret'],
  ['a field that nobody reads', JSON.stringify({ ...PLAN, further: 1 }), 'further'],
  [
    'an operator without TLS',
    JSON.stringify({ ...PLAN, operator: { secret: 'a', managerUrl: 'http://m' } }),
    'operator.managerUrl',
  ],
];

for (const [what, text, said] of wrong) {
  test(`${what} is refused, and the message names it`, () => {
    expect(() => parsePlan(text)).toThrow(said);
  });
}
