/**
 * What a check of a way through the network found: from an agent or a replication server to 443 or 1500, step by step.
 *
 * Who writes a report may be newer than who reads it, so reasons are words here and a closed list only in
 * @lms/network-check, which knows what each of them means.
 */
import { z } from 'zod';
import { MAXIMUM_SENTENCE_LENGTH } from './limits.ts';
import { Count, Instant, Sentence } from './values.ts';

export const CHECK_TARGETS = ['443', '1500'] as const;
/** In the order in which they are taken; a check has those that mean something for it. */
export const CHECK_STEPS = [
  'DNS',
  'ROUTE',
  'TCP',
  'PROXY',
  'TLS',
  'HTTP',
  'BLOCK_STREAM',
  'CLOCK',
  'CERTIFICATE',
  'MTU',
  'THROUGHPUT',
] as const;
export const CHECK_STEP_STATES = ['passed', 'warning', 'failed', 'skipped'] as const;

const MAXIMUM_CHECK_STEPS = 32;
const MAXIMUM_CHECK_CAUSES = 12;
const MAXIMUM_ENDPOINT_LENGTH = 512;
/** All of a report as JSON: it is kept with its operation. */
export const MAXIMUM_CHECK_REPORT_BYTES = 48 * 1024;

export const CheckTarget = z.enum(CHECK_TARGETS);
export type CheckTarget = z.infer<typeof CheckTarget>;
export const CheckStepName = z.enum(CHECK_STEPS);
export type CheckStepName = z.infer<typeof CheckStepName>;
export const CheckStepState = z.enum(CHECK_STEP_STATES);
export type CheckStepState = z.infer<typeof CheckStepState>;
const Reason = z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be a reason in capitals');
const Endpoint = z.string().max(MAXIMUM_ENDPOINT_LENGTH);

export const CheckStep = z.object({
  name: CheckStepName,
  state: CheckStepState,
  milliseconds: Count,
  /** One sentence: what was seen. */
  detail: Sentence,
  /** `warning` and `failed`: why. */
  reason: Reason.nullable(),
});
export type CheckStep = z.infer<typeof CheckStep>;

export const CheckFailure = z.object({
  step: CheckStepName,
  reason: Reason,
  message: Sentence,
  /** The likeliest first. */
  causes: z.array(z.string().max(512)).max(MAXIMUM_CHECK_CAUSES),
  action: z.string().max(MAXIMUM_SENTENCE_LENGTH),
});
export type CheckFailure = z.infer<typeof CheckFailure>;

export const CheckReport = z
  .object({
    target: CheckTarget,
    from: z.enum(['agent', 'replication-server']),
    /** `https://…` or `host:port`. */
    to: Endpoint,
    /** Its URL; null: none was used. */
    proxy: Endpoint.nullable(),
    at: Instant,
    /** `warning`: it works, and something is not as it should be. */
    result: z.enum(['passed', 'warning', 'failed']),
    steps: z.array(CheckStep).min(1).max(MAXIMUM_CHECK_STEPS),
    /** The first step that failed; without one, the first warning. */
    failure: CheckFailure.nullable(),
  })
  .refine(
    (report) => JSON.stringify(report).length <= MAXIMUM_CHECK_REPORT_BYTES,
    `is longer than ${MAXIMUM_CHECK_REPORT_BYTES} bytes`,
  );
export type CheckReport = z.infer<typeof CheckReport>;

/** An address of the block stream to check instead of those that the agent was told. */
export const CheckAddress = z.strictObject({
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  /** SNI; default: the machine's own. */
  serverName: z.string().min(1).max(255).optional(),
});
export type CheckAddress = z.infer<typeof CheckAddress>;

export const CheckMachineRequest = z
  .strictObject({ target: CheckTarget, address: CheckAddress.optional() })
  .refine(({ target, address }) => target === '1500' || address === undefined, {
    message: 'is for target 1500 only: 443 is where the agent finds its manager',
    path: ['address'],
  });
export type CheckMachineRequest = z.infer<typeof CheckMachineRequest>;

/** A replication server needs 443 only. */
export const CheckReplicationServerRequest = z.strictObject({ target: z.literal('443').default('443') });
export type CheckReplicationServerRequest = z.input<typeof CheckReplicationServerRequest>;
