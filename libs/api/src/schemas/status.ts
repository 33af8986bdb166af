import { z } from 'zod';

export const COMPONENT_NAMES = [
  'nats',
  'gateway',
  'registry',
  'stats-ingest',
  'log-ingest',
  'staging-controller',
  'replication-server',
] as const;

/** `lms status`: one row for each of COMPONENT_NAMES, at least. `pid` is of the process that it lives in. */
export const Status = z.object({
  healthy: z.boolean(),
  managerUrl: z.string(),
  /** host:port that agents connect to; null while no replication server is ready. */
  blockStream: z.string().nullable(),
  components: z.array(
    z.object({ name: z.string(), pid: z.int().nullable(), healthy: z.boolean(), detail: z.string().nullable() }),
  ),
});
export type Status = z.infer<typeof Status>;
